"""Runs a task's containers with Docker, under the task's memory and cpu limits.

The container has the host's network, as the bridge doesn't reach a server on 127.0.0.1. It may not listen to what
others say there: answers of the embedded AWS hold secrets. Values of environment variables go to Docker over standard
input, never on a command line. Docker keeps no copy of the output.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.image.command import try_run
from reconciler.local.gpus import given
from reconciler.local.images import ECR_IMAGE, FindDigest
from reconciler.local.process_runner import ProcessRunner
from reconciler.local.runner import (
    ContainerSpec,
    Exit,
    Inside,
    Output,
    Runner,
    Running,
    StartError,
    TaskSpec,
    Used,
)

READ_BYTES = 65536
MOMENT = 0.02  # seconds between two looks at a container that is being started
LABEL = "reconciler.task"
HOME_LABEL = "reconciler.home"
AGENT_LABEL = "reconciler.agent"
AGENT = uuid.uuid4().hex  # this process: what carries another's is from an agent that was killed


@dataclass(frozen=True)
class LocalImage:
    """An image of the engine. reference: where a local registry has it, if one does."""

    digest: str
    image: str
    command: str
    reference: str | None


class LocalRunner:
    """Docker for images that Docker made, a process for the others. See `reconciler.local.runner.Runner`."""

    def __init__(self, images: Path, find_digest: FindDigest) -> None:
        self._images = images
        self._find_digest = find_digest
        self._environment = dict(os.environ)
        self._processes = ProcessRunner(images, find_digest)
        self._docker = DockerRunner(images, find_digest, self._environment)
        self.name = self._processes.name
        """What a new image would be run with; asking Docker takes a moment, so it is done aside."""
        threading.Thread(target=self._look, name="is there a Docker", daemon=True).start()

    def _look(self) -> None:
        from reconciler.local.docker_choice import CHOICE, usable_docker  # here, beside what is loaded for an answer

        if self._environment.get(CHOICE) != "process":
            docker = usable_docker(self._environment)
            if docker is not None:
                self.name = f"{docker.name} or process"
                remove_leftovers(docker.command, self._images, self._environment)

    def pull(self, task: TaskSpec, container: ContainerSpec) -> str:
        """Make the image ready and return its digest. Raises StartError."""
        return self._for(container).pull(task, container)

    def start(self, task: TaskSpec, container: ContainerSpec, output: Output) -> Running:
        """Start a container."""
        return self._for(container).start(task, container, output)

    def remove(self, task: TaskSpec) -> None:
        """Remove what was left for a task whose containers have all ended."""
        self._docker.remove(task)
        self._processes.remove(task)

    def _for(self, container: ContainerSpec) -> Runner:
        image = find_local_image(self._images, container.image, self._find_digest)
        return self._docker if image is not None else self._processes


class DockerRunner:
    """See `reconciler.local.runner.Runner`. images: the folder that says which image of the engine a digest is."""

    name = "docker"

    def __init__(self, images: Path, find_digest: FindDigest, environment: Mapping[str, str]) -> None:
        self._images, self._find_digest = images, find_digest
        self._environment = dict(environment)
        self._tasks: dict[str, str] = {}  # task id -> the docker command that has containers of it
        self._pulled: set[str] = set()  # digests, of which Docker's newer store has another id than when built
        self._lock = threading.Lock()

    def pull(self, task: TaskSpec, container: ContainerSpec) -> str:
        """Have the image in the engine, from the local registry if need be. Raises StartError."""
        image = find_local_image(self._images, container.image, self._find_digest)
        if image is None:
            raise StartError("CannotPullContainerError", f"{container.image}: not built with Docker on this machine")
        if try_run([image.command, "image", "inspect", image.image], self._environment) is None:
            if image.reference is None:
                why = "Docker no longer has this image, and no local registry keeps it"
                raise StartError("CannotPullContainerError", f"{container.image}: {why}")
            answer = _docker(image.command, ["pull", "--quiet", image.reference], self._environment)
            if answer.returncode != 0:
                raise StartError("CannotPullContainerError", f"{image.reference}: {answer.stderr.strip()}")
            self._pulled.add(image.digest)
        return image.digest

    def start(self, task: TaskSpec, container: ContainerSpec, output: Output) -> Running:
        """Create and start the container. Raises StartError."""
        image = find_local_image(self._images, container.image, self._find_digest)
        if image is None:
            raise StartError("CannotPullContainerError", f"{container.image}: not found")
        if image.digest in self._pulled and image.reference is not None:
            image = replace(image, image=image.reference)
        with self._lock:
            self._tasks[task.id] = image.command
        arguments, variables = _create(task, container, image, self._images)
        answer = _docker(image.command, arguments, self._environment, variables)
        if answer.returncode != 0:
            raise StartError("CannotCreateContainerError", _engine_message(answer.stderr))
        return RunningContainer(container.name, image.command, answer.stdout.strip(), self._environment, output)

    def remove(self, task: TaskSpec) -> None:
        """Remove the task's containers."""
        with self._lock:
            command = self._tasks.pop(task.id, None)
        if command:
            containers = try_run([command, "ps", "-aq", "--filter", f"label={LABEL}={task.arn}"], self._environment)
            if containers and containers.split():
                try_run([command, "rm", "--force", "--volumes", *containers.split()], self._environment)


class RunningContainer:
    """A started container. Raises StartError from the constructor when its program can't be started."""

    def __init__(self, name: str, command: str, identity: str, environment: Mapping[str, str], output: Output) -> None:
        self._command, self._identity, self._environment = command, identity, environment
        self._client = subprocess.Popen(  # noqa: S603  the engine that made the image
            [command, "start", "--attach", identity],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C at the terminal is for the agent to judge
        )
        self._exit, self._asked_at = Exit(137), time.monotonic()  # when what it uses was asked for last
        self._wait_until_started()
        self._reader = threading.Thread(target=self._read, args=(output,), name=f"output of {name}", daemon=True)
        self._reader.start()

    def wait(self) -> Exit:
        """Wait for its end."""
        self._reader.join()
        return self._exit

    def terminate(self) -> None:
        """Send SIGTERM to its first process. No error when it has ended."""
        try_run([self._command, "kill", "--signal=TERM", self._identity], self._environment)

    def kill(self) -> None:
        """End it at once."""
        try_run([self._command, "kill", self._identity], self._environment)

    def used(self) -> Used | None:
        """By the engine's `stats`, of this moment, which stands for the time since the last: so nothing of a container
        that has ended.
        """
        template = "{{.MemUsage}}|{{.CPUPerc}}"
        answer = try_run(
            [self._command, "stats", "--no-stream", "--format", template, self._identity], self._environment
        )
        before, self._asked_at = self._asked_at, time.monotonic()
        return used_in(answer or "", self._asked_at - before)

    def inside(self, words: Sequence[str], *, terminal: bool) -> Inside:
        """By the engine's own `exec`."""
        flags = ["--interactive", *(["--tty"] if terminal else [])]
        return Inside([self._command, "exec", *flags, self._identity, *words], dict(self._environment), None)

    def _wait_until_started(self) -> None:
        """Return once the program runs (or has run); until then nothing is read, so nothing is lost."""
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._client.wait(timeout=MOMENT)
            has_ended = self._client.poll() is not None
            state = self._state()
            if not state.get("StartedAt", "0001").startswith("0001") and not state.get("Error"):
                return
            if has_ended or state.get("Error"):
                assert self._client.stdout is not None
                output = self._client.stdout.read().decode(errors="replace")
                self._client.stdout.close()
                self._client.wait()
                raise StartError("CannotStartContainerError", state.get("Error") or _engine_message(output))

    def _read(self, output: Output) -> None:
        assert self._client.stdout is not None
        while chunk := os.read(self._client.stdout.fileno(), READ_BYTES):
            output(chunk)
        self._client.stdout.close()
        self._client.wait()
        # The client is told of the end a moment before the engine has noted exit code and OOM.
        answer = _docker(self._command, ["wait", self._identity], self._environment, timeout=None)
        state = self._state()
        code = int(answer.stdout) if answer.returncode == 0 else int(state.get("ExitCode", "137"))
        self._exit = Exit(code, out_of_memory=code == 137 and state.get("OOMKilled") == "true")

    def _state(self) -> dict[str, str]:
        answer = try_run([self._command, "inspect", "--format", "{{json .State}}", self._identity], self._environment)
        state = json.loads(answer) if answer else {}
        return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in state.items()}


def remove_leftovers(command: str, images: Path, environment: Mapping[str, str]) -> None:
    """Remove the containers that an agent of this folder left behind when it was killed."""
    template = f'{{{{.ID}}}} {{{{.Label "{AGENT_LABEL}"}}}}'
    containers = try_run(
        [command, "ps", "--all", "--filter", f"label={HOME_LABEL}={images}", "--format", template], environment
    )
    leftovers = [words[0] for line in (containers or "").splitlines() if (words := line.split())[1:] != [AGENT]]
    if leftovers:
        try_run([command, "rm", "--force", "--volumes", *leftovers], environment)


def find_local_image(images: Path, reference: str, find_digest: FindDigest) -> LocalImage | None:
    """The engine's image that a container definition names, or None if Docker didn't make it."""
    match = ECR_IMAGE.fullmatch(reference)
    if match is None:
        return None
    tag = match["tag"] or (None if match["digest"] else "latest")
    digest = find_digest(match["account"], match["region"], match["repository"], tag, match["digest"])
    try:
        record = json.loads((images / str(digest).removeprefix("sha256:") / "docker.json").read_text())
        return LocalImage(str(digest), record["image"], record["command"], record.get("reference"))
    except (OSError, ValueError, KeyError):
        return None


@dataclass(frozen=True)
class Variables:
    """Environment of a container. lines: for an env file; odd: values with line ends, which that can't hold."""

    lines: str = field(repr=False)
    odd: Mapping[str, str] = field(repr=False)


def _create(task: TaskSpec, container: ContainerSpec, image: LocalImage, images: Path) -> tuple[list[str], Variables]:
    """The arguments of `docker create`, and the environment that goes to it another way."""
    plain = {k: v for k, v in container.environment.items() if "\n" not in v and "\r" not in v and len(v) < 32_000}
    odd = {k: v for k, v in container.environment.items() if k not in plain}
    arguments = ["create", "--network=host", "--cap-drop=NET_RAW", "--log-driver=none"]
    arguments += ["--label", f"{LABEL}={task.arn}"]
    arguments += ["--label", f"{HOME_LABEL}={images}", "--label", f"{AGENT_LABEL}={AGENT}"]
    arguments += ["--env-file", "/dev/stdin", *(part for name in odd for part in ("--env", name))]
    memory = container.memory_mib or task.memory_mib
    if memory:
        arguments += [f"--memory={memory}m", f"--memory-swap={memory}m"]  # no swap, as on Fargate
    units = container.cpu_units or task.cpu_units
    if units:
        arguments.append(f"--cpus={min(units / 1024, os.cpu_count() or 1):.2f}")
    if devices := given(container.gpus):
        arguments.append(f'--gpus="device={devices}"')
    if container.working_directory:
        arguments.append(f"--workdir={container.working_directory}")
    words = list(container.command or ())
    if container.entry_point is not None:
        arguments.append(f"--entrypoint={container.entry_point[0] if container.entry_point else ''}")
        words = [*container.entry_point[1:], *words]
    lines = "".join(f"{name}={value}\n" for name, value in plain.items())
    return [*arguments, image.image, *words], Variables(lines, odd)


UNITS = {"B": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def used_in(stats: str, seconds: float) -> Used | None:
    """What `MEMORY / LIMIT|PERCENT%` of an engine's `stats` says, of so many seconds; None for anything else."""
    match = re.fullmatch(r"([\d.]+)\s*([kKMGT]?i?B) /[^|]*\|([\d.]+)%", stats.strip())
    if match is None or match[2] not in UNITS:
        return None
    try:
        return Used(int(float(match[1]) * UNITS[match[2]]), float(match[3]) / 100 * seconds)
    except ValueError:
        return None


def _docker(
    command: str,
    arguments: list[str],
    environment: Mapping[str, str],
    variables: Variables | None = None,
    timeout: float | None = 120,
) -> subprocess.CompletedProcess[str]:
    to_pass = variables or Variables("", {})
    try:
        return subprocess.run(  # noqa: S603  the engine that made the image
            [command, *arguments],
            env={**environment, **to_pass.odd},
            input=to_pass.lines,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StartError("CannotStartContainerError", f"{command} failed: {error}") from None


def _engine_message(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else "Docker gave no reason"
