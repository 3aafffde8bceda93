"""One process, measured from outside: wall time, CPU time, peak memory, requests; and pairs of them, by turns."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.lab import Lab


@dataclass(frozen=True)
class Sample:
    """wall, cpu: seconds (cpu: user and system, of all its processes). memory: MB, of its largest process."""

    wall: float
    cpu: float
    memory: float
    requests: int

    def plain(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


Subject = Callable[[], Sample]


def process(
    command: Sequence[str],
    cwd: Path,
    lab: Lab | None,
    *,
    env: Mapping[str, str] | None = None,
    codes: Sequence[int] = (0,),
) -> Sample:
    """Run a command to its end. Raises RuntimeError, with its output, when it ends with a code not in `codes`."""
    if lab is not None:
        lab.zero()
    environment = {**(lab.environment if lab else os.environ), **(env or {})}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's Python compiles a module once, not at each start
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        running = subprocess.Popen(command, cwd=cwd, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(running.pid, 0)
        wall = time.perf_counter() - began
        running.returncode = os.waitstatus_to_exitcode(status)
        if running.returncode not in codes:
            output.seek(0)
            text = output.read().decode("utf8", "replace")
            raise RuntimeError(f"{' '.join(command)} ended with {running.returncode}:\n{text[-3000:]}")
    cpu = used.ru_utime + used.ru_stime
    return Sample(wall, cpu, used.ru_maxrss / 1024, lab.requests if lab else 0)


def by_turns(
    subjects: Mapping[str, Subject], rounds: int, say: Callable[[str], None] = lambda line: None
) -> dict[str, list[Sample]]:
    """A B C, A B C, ...: the samples of each subject, in the order of the rounds. say: told each round."""
    by_subject: dict[str, list[Sample]] = {name: [] for name in subjects}
    for number in range(1, rounds + 1):
        for name, subject in subjects.items():
            by_subject[name].append(subject())
        walls = ", ".join(f"{name} {samples[-1].wall:.2f} s" for name, samples in by_subject.items())
        say(f"  {number}/{rounds}  {walls}")
    return by_subject
