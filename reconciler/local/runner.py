"""The seam between the ECS agent and whatever runs a container: a process here, a Docker container elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Output = Callable[[bytes], None]


@dataclass(frozen=True)
class ContainerSpec:
    """One container of a task, overrides and secrets already applied.

    `entry_point` and `command` are None where the image's own apply. `environment` is the whole environment that
    the task definition and ECS give; the image's ENV goes below it. `memory_mib` is the hard limit, None for none.
    `gpus`: how many it asks for.
    """

    name: str
    image: str
    entry_point: tuple[str, ...] | None
    command: tuple[str, ...] | None
    environment: Mapping[str, str]
    memory_mib: int | None
    cpu_units: int | None
    stop_timeout: float
    working_directory: str | None = None
    gpus: int = 0


@dataclass(frozen=True)
class TaskSpec:
    """What all containers of a task share. `folder` is the task's own and may be filled; the agent removes it."""

    id: str
    arn: str
    account_id: str
    region: str
    endpoint_url: str
    folder: Path
    memory_mib: int | None
    cpu_units: int | None


@dataclass(frozen=True)
class Exit:
    """How a container ended: 0-255, 128 + N for signal N; `out_of_memory` when its memory limit ended it."""

    code: int
    out_of_memory: bool = False


@dataclass(frozen=True)
class Used:
    """What a container used since it was asked last. memory: bytes at most; cpu: seconds of a processor."""

    memory: int
    cpu: float


@dataclass(frozen=True)
class Inside:
    """How a command of this machine runs in a container. environment: all of it; folder: where, None for anywhere."""

    words: list[str]
    environment: dict[str, str]
    folder: str | None


class StartError(Exception):
    """A container that can't be started; `code` is ECS's word for it, e.g. CannotPullContainerError."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Running(Protocol):
    """A started container."""

    def wait(self) -> Exit:
        """Block until the container has ended and all its output has been handed over."""

    def terminate(self) -> None:
        """Ask the container's first process to end (SIGTERM). No error when it has ended."""

    def kill(self) -> None:
        """End every process of the container (SIGKILL). No error when it has ended."""

    def used(self) -> Used | None:
        """What it used since the last time; None where that can't be told. It may take seconds."""

    def inside(self, words: Sequence[str], *, terminal: bool) -> Inside:
        """How another command is run in it. terminal: there is one that it is to have."""


class Runner(Protocol):
    """Runs containers. Methods are called from many threads at once."""

    name: str

    def pull(self, task: TaskSpec, container: ContainerSpec) -> str:
        """Make the image ready and return its digest ("sha256:…"). Raises StartError (CannotPullContainerError)."""

    def start(self, task: TaskSpec, container: ContainerSpec, output: Output) -> Running:
        """Start the container; `output` gets its stdout and stderr, in order, from one thread. Raises StartError."""

    def remove(self, task: TaskSpec) -> None:
        """Remove what was left for a task whose containers have all ended. Raises nothing."""
