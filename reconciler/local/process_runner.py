"""Runs a container as a process of this machine: its own session, folder and clean environment, no other isolation."""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reconciler.local.gpus import given as given_gpus
from reconciler.local.image_paths import Places
from reconciler.local.images import FindDigest, ProcessImage, copy_rootfs, find_image
from reconciler.local.runner import ContainerSpec, Exit, Inside, Output, Running, StartError, TaskSpec, Used

SHIM = Path(__file__).with_name("shim.py")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
READ_BYTES = 65536


class ProcessRunner:
    """See :class:`reconciler.local.runner.Runner`. `images` is the folder of process images."""

    name = "process"

    def __init__(self, images: Path, find_digest: FindDigest) -> None:
        self._images = images
        self._find_digest = find_digest

    def pull(self, task: TaskSpec, container: ContainerSpec) -> str:
        """Copy the image's files into the task's folder."""
        image = find_image(self._images, container.image, self._find_digest)
        folder = task.folder / container.name
        for name in ("home", "tmp"):
            (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        copy_rootfs(image, folder / "rootfs")
        return image.digest

    def start(self, task: TaskSpec, container: ContainerSpec, output: Output) -> Running:
        """Start the program in its folder."""
        image = find_image(self._images, container.image, self._find_digest)
        folder = task.folder / container.name
        limit = container.memory_mib or task.memory_mib
        places = Places(folder / "rootfs", image.programs, image.python is not None, image.environments)
        return RunningProcess(
            container.name,
            {
                "argv": places.command(_without_uv(_arguments(image, container))),
                "env": _environment(image, container, folder, places),
                "cwd": str(_working_directory(image, folder / "rootfs", container)),
                "memory_bytes": limit * 2**20 if limit else None,
            },
            output,
            places.command,
        )

    def remove(self, task: TaskSpec) -> None:
        """Remove the task's folder."""
        shutil.rmtree(task.folder, ignore_errors=True)


class RunningProcess:
    """A program under its shim. Raises StartError from the constructor when the program can't be started."""

    def __init__(
        self,
        name: str,
        order: Mapping[str, Any],
        output: Output,
        placed: Callable[[Sequence[str]], list[str]] = list,
    ) -> None:
        self._order_given, self._placed = order, placed
        report, report_in = os.pipe()
        try:
            self._shim = subprocess.Popen(  # noqa: S603 - this very Python, with our own arguments
                [sys.executable, "-I", str(SHIM), str(report_in)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(report_in,),
                start_new_session=True,
                cwd="/",
                bufsize=0,
            )
        except OSError as error:
            os.close(report)
            raise StartError("CannotStartContainerError", f"can't start a process: {error.strerror}") from None
        finally:
            os.close(report_in)
        self._report = os.fdopen(report, "rb")
        self._orders, self._reports = threading.Lock(), threading.Lock()
        self._exit, self._ended = Exit(137), False
        self._memory, self._cpu = 0, 0.0  # bytes at most since it was asked last; seconds of a processor so far
        self._cpu_before = 0.0  # seconds of a processor until it was asked last
        self._order(json.dumps(order).encode() + b"\n")
        answer = _json_line(self._report.readline())
        if "started" not in answer:
            self._end_shim()
            raise StartError("CannotStartContainerError", _why_not_started(order, answer))
        self._reader = threading.Thread(target=self._read, args=(output,), name=f"output of {name}", daemon=True)
        self._reader.start()

    def wait(self) -> Exit:
        """Block until the program and its children have ended and all output has been handed over."""
        self._reader.join()
        return self._exit

    def terminate(self) -> None:
        """SIGTERM to the program itself, as `docker stop` does it."""
        self._order(b"T")

    def kill(self) -> None:
        """SIGKILL to the program and all its descendants."""
        self._order(b"K")

    def used(self) -> Used | None:
        """What the program and its children used, as the shim has measured it."""
        with self._reports:
            if not self._ended:
                self._order(b"M")
                self._take_report()
            used = Used(self._memory, self._cpu - self._cpu_before)
            self._memory, self._cpu_before = 0, self._cpu
        return used

    def inside(self, words: Sequence[str], *, terminal: bool) -> Inside:
        """A process beside it, with its variables and in its folder."""
        order = self._order_given
        return Inside(self._placed(words), dict(order["env"]), str(order["cwd"]))

    def _order(self, order: bytes) -> None:
        assert self._shim.stdin is not None
        with self._orders, contextlib.suppress(OSError, ValueError):  # it has ended: nothing to tell it
            view = memoryview(order)
            while view:
                view = view[self._shim.stdin.write(view) or 0 :]

    def _read(self, output: Output) -> None:
        assert self._shim.stdout is not None
        while chunk := os.read(self._shim.stdout.fileno(), READ_BYTES):
            output(chunk)
        with self._reports:
            while not self._ended:
                self._take_report()
        self._end_shim()

    def _take_report(self) -> None:
        """Read what the shim says next. With `_reports` held."""
        line = self._report.readline()
        answer = _json_line(line)
        if "memory" in answer and "cpu" in answer:
            self._memory, self._cpu = max(self._memory, int(str(answer["memory"]))), float(str(answer["cpu"]))
        if "code" in answer:  # else the shim itself was killed, and the program with it: 137
            self._exit = Exit(int(str(answer["code"])), bool(answer.get("out_of_memory")))
        self._ended = not line or "code" in answer

    def _end_shim(self) -> None:
        with self._orders:
            for pipe in (self._shim.stdin, self._shim.stdout, self._report):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        self._shim.wait()


def _json_line(line: bytes) -> dict[str, object]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _why_not_started(order: Mapping[str, object], answer: Mapping[str, object]) -> str:
    argv = order["argv"]
    program = argv[0] if isinstance(argv, list) else argv
    why = "executable file not found in $PATH" if answer.get("missing") else str(answer.get("error", "")).lower()
    return (
        "ResourceInitializationError: failed to create new container runtime task: failed to create shim task: "
        f'OCI runtime create failed: runc create failed: unable to start container process: exec: "{program}": {why}'
    )


def _arguments(image: ProcessImage, container: ContainerSpec) -> list[str]:
    """Entry point and command as Docker puts them together: a new entry point drops the image's command."""
    if container.entry_point is not None:
        argv = [*container.entry_point, *(container.command or ())]
    else:
        argv = [*image.entry_point, *(container.command if container.command is not None else image.command)]
    if not argv:
        raise StartError("CannotStartContainerError", "no command specified: neither the image nor the task has one")
    return argv


def _without_uv(words: list[str]) -> list[str]:
    """The program that `uv run` would start: what it looks after is done already."""
    if posixpath.basename(words[0]) != "uv" or words[1:2] != ["run"]:
        return words
    command = words[2:]
    while command and command[0].startswith("-") and command[0] != "-m":
        command = command[1:]
    if command and (command[0] == "-m" or command[0].endswith(".py")):
        return ["python", *command]
    return command or words


def _environment(image: ProcessImage, container: ContainerSpec, folder: Path, places: Places) -> dict[str, str]:
    """Nothing of this process's own environment: what the image and the task say, and the folders to use."""
    variables = places.variables({**image.environment, **container.environment})
    path = [str(image.programs), variables.get("PATH", ""), SYSTEM_PATH]
    # A process sees all devices; CUDA takes those that this names.
    devices = given_gpus(container.gpus) if container.gpus else ""
    gpu_variables = dict.fromkeys(("NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"), devices) if devices else {}
    return {
        "LANG": "C.UTF-8",
        **gpu_variables,
        **variables,
        "PATH": ":".join(part for part in path if part),  # `python` is that of the image's packages, or of this server
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
    }


def _working_directory(image: ProcessImage, rootfs: Path, container: ContainerSpec) -> Path:
    """The task's `workingDirectory` where the image has it, else its WORKDIR."""
    for path in (container.working_directory, image.workdir):
        folder = (rootfs / (path or "").lstrip("/")).resolve()
        if path and folder.is_dir() and folder.is_relative_to(rootfs.resolve()):
            return folder
    return rootfs
