"""A run as a value, the same for the command line and for the function of the schedule. Pure.

It needs nothing but Python's own library, which is all that the function has.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.run.retry import Attempt, Event, ran_for
from reconciler.run.state import State

PROGRESS = ("state", "attempts", "exit_code", "reason", "why", "cost", "metrics", "budget", "unattended")


@dataclass(frozen=True)
class Overrides:
    """cpu: CPU units, memory: MiB, command: words; None for those of the task definition."""

    environment: dict[str, str] = field(default_factory=dict)
    cpu: int | None = None
    memory: int | None = None
    command: tuple[str, ...] | None = None

    def onto(self, inputs: Mapping[str, Any], container: str) -> dict[str, Any]:
        """The inputs of a run with these in place, so that they are part of its fingerprint."""
        changed = copy.deepcopy(dict(inputs))
        settings = changed["containers"][container]
        if self.environment:
            settings["environment"] = dict(sorted({**settings.get("environment", {}), **self.environment}.items()))
            parameters = {k: v for k, v in changed.pop("parameters", {}).items() if k not in self.environment}
            changed |= {"parameters": parameters} if parameters else {}
        if self.command is not None:
            settings["command"] = list(self.command)
        changed |= {key: value for key, value in (("cpu", self.cpu), ("memory", self.memory)) if value is not None}
        return changed

    def with_environment(self, environment: Mapping[str, str]) -> Overrides:
        """These overrides, with more variables."""
        return replace(self, environment={**self.environment, **environment})


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run: one or more attempts at the same work. Times are seconds since the epoch, cost is in US dollars.

    output: the S3 URI that the program writes to. log_prefix: the first part of its log streams' names. exit_code: of
    the last attempt, None when it never ran or ECS doesn't say. reason: what ECS says of its end; why: the cause that
    was found for a bad one, empty where none was, or nobody has looked. sweep: the id of the sweep it is part of;
    budget: what it may cost at most of the sweep's limit, None without one. schedule: the name of the schedule that
    started it; such a run has no fingerprint. like: the id of the run that it repeats (`apply --like`).
    code_version: the commit that it was launched from, where that is known. unattended: whether the deploy's function
    decides about it, and clients only look.
    """

    version: int = 1
    id: str
    fingerprint: str
    state: State
    created: float
    inputs: dict[str, Any]
    output: str
    cluster: str
    container: str = ""
    task_definition: str = ""
    log_group: str = ""
    log_prefix: str = ""
    attempts: tuple[Attempt, ...] = ()
    exit_code: int | None = None
    reason: str = ""
    why: str = ""
    cost: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    overrides: Overrides = field(default_factory=Overrides)
    sweep: str = ""
    budget: float | None = None
    schedule: str = ""
    like: str = ""
    code_version: str = ""
    unattended: bool = False

    @property
    def task_arn(self) -> str:
        """The newest task; empty when none was launched."""
        return self.attempts[-1].task_arn if self.attempts else ""

    @property
    def event(self) -> Event:
        """What ended the last attempt; LOST when nothing did."""
        return (self.attempts[-1].event if self.attempts else None) or Event.LOST

    def size_of(self, attempt: Attempt) -> tuple[int, int] | None:
        """CPU units and MiB of an attempt; None where its record doesn't say."""
        cpu = attempt.cpu or self.inputs.get("cpu")
        memory = attempt.memory or self.inputs.get("memory")
        return (cpu, memory) if isinstance(cpu, int) and isinstance(memory, int) else None

    @property
    def family(self) -> str:
        """What runs have in common that need about the same memory: all that they are made of but image and data."""
        parts = {name: value for name, value in self.inputs.items() if name not in ("data", "containers")}
        containers = self.inputs.get("containers") or {}
        without_image = {n: {k: v for k, v in settings.items() if k != "image"} for n, settings in containers.items()}
        text = json.dumps([parts, without_image, self.schedule], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def seconds(self) -> float | None:
        """How long its programs ran, all attempts together."""
        return ran_for(self.attempts)

    def after(self, recorded: Run) -> Run:
        """This run with what the record tells of its progress; what it is made of stays as it is here."""
        return replace(self, **{name: getattr(recorded, name) for name in PROGRESS})

    def with_attempt(self, attempt: Attempt) -> Run:
        """This run with an attempt added, or replaced by its number."""
        others = tuple(a for a in self.attempts if a.number != attempt.number)
        return replace(self, attempts=(*others, attempt))
