"""Runs the console blocks of a page: our commands in this process, any other in bash. Compares what they print."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.command import main

OURS = ("python -m reconciler ", "reconciler ")
SAME = [  # what differs from run to run
    (r"\b\d+ min \d+ s\b|\b\d+(?:\.\d+)? s\b", "N s"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"process \d+", "process N"),
    (r'"pid": \d+', '"pid": N'),
    (r"\d{8}-\d{6}-[0-9a-f]{8}", "RUN"),
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?(?:\.\d+Z?)?", "WHEN"),
    (r"\b\d{10}\.\d+\b", "WHEN"),
    (r"\b\d\d:\d\d:\d\d\b", "WHEN"),
    (r"\b[0-9a-f]{64}\b", "HASH"),
    (r"\b[0-9a-f]{32}\b", "ID"),
    (r"\b[0-9a-f]{16}\b", "HASH"),
    (r"\b(?:sg|subnet|vpc)-[0-9a-f]+\b", "ID"),
    (r"commit [0-9a-f]{12}(?:-dirty)?", "commit COMMIT"),
    (r'"/[^" ]*/train\.py"', '"PATH/train.py"'),
    (r" +", " "),
]


@dataclass
class Ended:
    """How a command ended; out is what it printed on both streams."""

    code: int
    out: list[str]


class Console:
    """A person's shell, in a folder, where `python` is the one that runs this."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.code = folder, 0
        self.before = ""  # what the shell was told for all that follows

    def run(self, command: str) -> Ended:
        """Type a command."""
        if command == "echo $?":
            return Ended(0, [str(self.code)])
        plain = command.replace("\\\n", "")
        ours = next((start for start in OURS if plain.startswith(start)), "")
        if ours and not re.search(r"[|<>&$]", plain):
            ended = self._main(shlex.split(plain, comments=True)[len(ours.split()) :])
        else:
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
            done = subprocess.run(
                ["bash", "-c", f"{self.before}{command}"], cwd=self.folder, env=os.environ | {"PATH": path},
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
            if command.startswith("eval ") and not done.returncode:
                self.before = f"{command}; "
            ended = Ended(done.returncode, done.stdout.splitlines())
        self.code = ended.code
        return ended

    def _main(self, arguments: list[str]) -> Ended:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), contextlib.chdir(self.folder):
            try:
                code = main(arguments)
            except SystemExit as left:
                code = left.code if isinstance(left.code, int) else 1
        return Ended(code, out.getvalue().splitlines())


# Where a traceback points at, which versions of Python mark each in their own way, or not at all.
MARKS = re.compile(r"\s*(\|\s+)?[\^~]+\s*")


def normal(line: str) -> str:
    """The line without what differs from run to run."""
    for pattern, stands_for in SAME:
        line = re.sub(pattern, stands_for, line)
    return line.strip()


def same(expected: list[str], found: list[str]) -> bool:
    """Whether the output is as the page has it. A line `…` stands for any lines, one that ends with it for any end."""
    expected, found = ([line for line in lines if not MARKS.fullmatch(line)] for lines in (expected, found))
    found = without_list(found)
    parts = []
    for line in expected:
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?")
        elif line.endswith("…"):
            parts.append(re.escape(normal(line[:-1])) + r".*\n")
        else:
            parts.append(re.escape(normal(line)) + r"\n")
    return re.fullmatch("".join(parts), "".join(f"{normal(line)}\n" for line in found)) is not None


def without_list(lines: list[str]) -> list[str]:
    """The lines without the list of what isn't done without Docker: which Python runs the tests is in it."""
    begin = next((at for at, line in enumerate(lines) if line.startswith("without Docker, these lines of")), len(lines))
    end = next((at for at in range(begin, len(lines)) if not lines[at].strip()), len(lines) - 1)
    return lines[:begin] + lines[end + 1 :]


def environment() -> dict[str, str]:
    """The environment of a person with nothing set for us."""
    ours = ("AWS_", "RECONCILER_", "GITHUB_", "CI", "NO_COLOR", "FORCE_COLOR", "DATA_FILE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
