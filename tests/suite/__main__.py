"""The whole suite, phase after phase, with one summary at the end.

    python -m tests.suite            what `make test` runs: each kind of test
    python -m tests.suite --lint     the same, and the linters beside it
    python -m tests.suite --check    what `make check` runs: everything, and the linters
    python -m tests.suite --quick    what CI runs on each further Python and as another user: what takes a minute or two
    python -m tests.suite -- -k plan some tests, with the same line and summary: what comes after -- is given to pytest

Every phase runs, whatever failed before it. The main one, whose tests run side by side, is shown as it goes; the others
run beside it, one after the other, since it waits more than half of the time, and what they print is shown when they
end. A test of the main phase that fails is run once more alone, and if it then passes it is called flaky. That turns
nothing green: a flaky test is a fault of the test or of the program.

Exit code: 0 when nothing failed, 1 when something did, 3 when all that failed is flaky; with --flaky-passes, 0 for that
too: they are named and counted all the same.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.suite.progress import clock

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
STOPPING = "tests/faults/test_stop_anywhere.py"
# On two cores: tests that wait for a process leave the processor to others. Of all tests more wait than of a share.
WORKERS, OF_ALL = 4, 6
ROWS, FEW = 12, 3  # of a table, `make test` runs so many rows at most, and a further Python
ALONE = 40  # so many failures are looked at a second time; more have another reason than chance
FAILED, FLAKY = 1, 3


@dataclass(frozen=True)
class Phase:
    """A command. pytest: its arguments come after those that every phase of tests has."""

    name: str
    command: tuple[str, ...] = ()
    pytest: tuple[str, ...] = ()

    @property
    def by_hand(self) -> str:
        """What to type to run it alone."""
        return shlex.join(self.command) if self.command else shlex.join(["python", "-m", "pytest", *self.pytest])


@dataclass
class Ended:
    """How a phase ended. failed: ids of tests."""

    phase: Phase
    code: int
    seconds: float
    failed: list[str] = field(default_factory=list)
    passed: int = 0
    skipped: int = 0


# What depends most on the interpreter, the user, the language and the terminal, and starts few processes.
QUICK = tuple(
    f"tests/{name}"
    for name in (
        "core", "config", "kinds", "scheduled", "checks/doctor", "checks/test_github_token.py", "test_architecture.py",
        "model/test_files.py", "run/test_step.py", "run/test_explain.py", "run/test_stored.py", "engine/test_json.py",
        "cli/test_options.py", "cli/test_markdown.py", "cli/test_system.py", "cli/test_json.py",
    )
)  # fmt: skip
SOME = Phase("tests", pytest=("-n", str(WORKERS), "--dist", "worksteal", "-rs"))
SIDE_BY_SIDE = replace(SOME, pytest=(*SOME.pytest, "--ignore", STOPPING, "--ignore", "tests/core"))
CORE = Phase("core, covered whole", pytest=("tests/core", "--cov", "--cov-config=tests/core/coverage.ini"))
STEP = Phase("step, covered whole", pytest=("tests/run/test_step.py", "--cov", "--cov-config=tests/run/coverage.ini"))
# All of its points are one fixture, which may take longer than any test.
ANYWHERE = Phase("stopped anywhere", pytest=("-rs", "-o", "faulthandler_timeout=3600", STOPPING))
LINTERS = (
    Phase("ruff check", (str(BIN / "ruff"), "check", ".")),
    Phase("ruff format", (str(BIN / "ruff"), "format", "--check", ".")),
    Phase("mypy", (str(BIN / "mypy"),)),
    Phase("import-linter", (str(BIN / "lint-imports"),)),
    Phase("hadolint", (str(BIN / "hadolint"), "Dockerfile")),
    Phase(
        "bandit",
        (str(BIN / "bandit"), "--quiet", "--configfile", "pyproject.toml", "-r", "reconciler", "model", "setup.py"),
    ),
    Phase(
        "zizmor",
        (str(BIN / "zizmor"), "--offline", "--no-progress", "--quiet", "--persona=pedantic", ".github/workflows"),
    ),
    # The audit that needs no network: what is installed fits together. That the locks have a hash for each is a test.
    Phase("uv pip check", (str(BIN / "uv"), "pip", "check", "--quiet", "--python", sys.executable)),
)


def phases(*, check: bool = False, quick: bool = False, lint: bool = False, workers: int = WORKERS) -> list[Phase]:
    """What is run, in this order; the last is the main one. workers: processes of the quick suite."""
    if check:
        return [
            CORE,
            STEP,
            *LINTERS,
            ANYWHERE,
            replace(SIDE_BY_SIDE, pytest=("-n", str(OF_ALL), *SIDE_BY_SIDE.pytest[2:])),
        ]
    if quick:
        return [_share(replace(SIDE_BY_SIDE, pytest=("-n", str(workers), *SOME.pytest[2:], *QUICK)), FEW)]
    linters = LINTERS if lint else ()
    return [_share(CORE), _share(STEP), *linters, _share(ANYWHERE), _share(SIDE_BY_SIDE, ROWS)]


def _share(phase: Phase, rows: int = 0) -> Phase:
    """rows: of a table at most, 0 for any."""
    return replace(phase, pytest=("--share", "--rows", str(rows), *phase.pytest))


def run_all(chosen: Sequence[Phase], more: Sequence[str] = ()) -> list[Ended]:
    """Run the last phase, and beside it those before it, one after the other."""
    *others, main_one = chosen
    lane = ThreadPoolExecutor(1)
    try:
        beside = [lane.submit(run, phase, more, whole=True) for phase in others]
        ended = run(main_one, more)
        return [*(one.result() for one in beside), ended]
    finally:
        lane.shutdown(cancel_futures=True)  # after Ctrl-C nothing more begins


def run(phase: Phase, more: Sequence[str] = (), *, whole: bool = False) -> Ended:
    """Run a phase. Its output is shown as it comes, or with `whole` when it has ended."""
    if not whole:
        print(f"\n== {phase.name}", flush=True)
    began = time.monotonic()
    if phase.command and not Path(phase.command[0]).exists():  # hadolint, which has no wheel for each platform
        print(f"\n== {phase.name}: skipped, it isn't here for this platform", flush=True)
        return Ended(phase, 0, 0.0, skipped=1)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        ours = ["-m", "pytest", "-p", "tests.suite.progress", "--failures-to", str(report)]
        command = phase.command or (sys.executable, *ours, *phase.pytest, *more)
        streams: dict[str, int] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if whole else {}
        done = subprocess.run(command, cwd=ROOT, check=False, **streams)  # type: ignore[call-overload]
        found = json.loads(report.read_text()) if report.exists() else {}
    took = time.monotonic() - began
    if whole:
        text = done.stdout.decode(errors="replace").strip()
        print(f"\n== {phase.name}: {clock(took)}" + (f"\n{text}" if text else ""), flush=True)
    return Ended(phase, done.returncode, took, **found)


def passes_alone(tests: list[str]) -> list[str]:
    """Those of the tests that pass when each runs alone, with nothing beside it."""
    again = run(Phase("once more, alone: what failed beside others", pytest=tuple(tests)), ("-p", "no:cacheprovider"))
    return [one for one in tests if one not in again.failed] if again.passed else []


def summary(ended: list[Ended], flaky: list[str]) -> tuple[str, int]:
    """What is said at the end, and the exit code."""
    lines = ["", "== summary"]
    for one in ended:
        counts = f"{one.passed} passed, {one.skipped} skipped" if one.phase.pytest else ""
        words = [f"{len(one.failed)} failed"] if one.failed else []
        words += [counts] if counts else []
        lines.append(
            f"{'FAILED' if one.code else 'ok':7} {one.phase.name:20} {clock(one.seconds):>6}  {', '.join(words)}"
        )
    broken = [test for one in ended for test in one.failed if test not in flaky]
    for name, tests in (("failed", broken), ("flaky: failed beside others and passed alone", flaky)):
        if tests:
            lines += ["", f"{len(tests)} {name}; one of them alone:"]
            lines += [f"  {BIN / 'python'} -m pytest {shlex.quote(test)}" for test in tests]
    whole = [one for one in ended if one.code and not one.failed]  # a linter, coverage, permissions
    if whole:
        lines += ["", "failed as a whole, for what is said there; alone:"]
        lines += [f"  {one.phase.by_hand}" for one in whole]
    code = FAILED if broken or whole else FLAKY if flaky else 0
    total = sum(one.passed for one in ended)
    lines += ["", f"{total} passed, {len(broken) + len(flaky)} failed, {sum(one.skipped for one in ended)} skipped"]
    return "\n".join(lines), code


def main(arguments: Sequence[str]) -> int:
    """Run all phases. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="everything, and the linters")
    parser.add_argument("--lint", action="store_true", help="the linters, too")
    parser.add_argument("--quick", action="store_true", help="nothing that takes long")
    parser.add_argument(
        "--workers", type=int, default=WORKERS, help="processes of the quick suite (default: %(default)s)"
    )
    parser.add_argument("--flaky-passes", action="store_true", help="end with 0 when all that failed is flaky")
    parser.add_argument("pytest", nargs="*", metavar="-- ARGUMENT", help="for pytest")
    options = parser.parse_args(arguments)
    # Without it each of some hundred processes would compile this project and the tests again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    which = {"check": options.check, "quick": options.quick, "lint": options.lint}
    chosen = [SOME] if options.pytest else phases(**which, workers=options.workers)
    ended = run_all(chosen, options.pytest)
    beside = [test for one in ended for test in one.failed if one.phase.name == SIDE_BY_SIDE.name]
    flaky = passes_alone(beside) if 0 < len(beside) <= ALONE else []
    text, code = summary(ended, flaky)
    print(text, flush=True)
    return 0 if code == FLAKY and options.flaky_passes else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
