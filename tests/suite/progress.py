"""The pytest plugin of `python -m tests.suite`: one live line while tests run, and what failed for the summary.

    python -m pytest -p tests.suite.progress --failures-to FILE ...

At a terminal the line is drawn over. Elsewhere, as in CI, a line comes each time that another tenth is done.
FILE gets a JSON object: failed, the ids of the tests that failed; passed, skipped, how many.
"""

from __future__ import annotations

import faulthandler
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

WIDTH = 110  # of the line, which must not wrap
SILENCE = 1800.0  # seconds without any test of any worker, each of which ends one that hangs: then pytest itself hangs


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --failures-to."""
    parser.addoption("--failures-to", metavar="FILE", help="write as JSON which tests failed")


def pytest_configure(config: pytest.Config) -> None:
    """Follow the tests, in the process that reports."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Progress(config), "suite-progress")


class Progress:
    """Counts what is reported."""

    def __init__(self, config: pytest.Config) -> None:
        self._file = config.getoption("failures_to")
        self._began = time.monotonic()
        self._live = sys.stdout.isatty()
        self._has_workers = False
        self._total = self._said = 0
        self._done: set[str] = set()
        self._failed: dict[str, None] = {}
        self._skipped: set[str] = set()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """How many there are, when they run in this process."""
        self._total = len(session.items) or self._total

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """How many there are, when workers of xdist run them."""
        self._total = len(ids)
        self._has_workers = True

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """No dots: the live line has them counted."""
        if report.passed:
            return ("passed", "", "") if report.when == "call" else ("", "", "")
        return ("skipped", "", "") if report.skipped and not hasattr(report, "wasxfail") else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Another test got on."""
        if self._has_workers:
            faulthandler.dump_traceback_later(SILENCE, exit=True, file=sys.__stderr__ or 2)
        if report.failed:
            self._failed[report.nodeid] = None
            self._line(f"FAILED  {report.nodeid}", last=True)
        if report.skipped:
            self._skipped.add(report.nodeid)
        if report.when == "teardown":
            self._done.add(report.nodeid)
            self._show(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that can't be loaded."""
        if report.failed:
            self._failed[report.nodeid] = None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write what failed."""
        if self._live:
            self._line("")
        if self._file:
            passed = len(self._done - set(self._failed) - self._skipped)
            found = {"failed": list(self._failed), "passed": passed, "skipped": len(self._skipped)}
            Path(self._file).write_text(json.dumps(found))

    def _show(self, name: str) -> None:
        tenth = 10 * len(self._done) // max(self._total, 1)
        if not self._live and tenth <= self._said:
            return
        self._said = tenth
        took = time.monotonic() - self._began
        failed = f", {len(self._failed)} failed" if self._failed else ""
        left = took / len(self._done) * max(self._total - len(self._done), 0)
        line = f"{len(self._done)} of {self._total} tests{failed}, {clock(took)}, about {clock(left)} left"
        self._line(f"{line}: {name}" if self._live else line, last=not self._live)

    def _line(self, text: str, *, last: bool = False) -> None:
        begin = "\r\x1b[K" if self._live else ""
        shown = text if last else text[:WIDTH]
        sys.__stdout__.write(f"{begin}{shown}" + ("\n" if last else ""))  # type: ignore[union-attr]
        sys.__stdout__.flush()  # type: ignore[union-attr]


def clock(seconds: float) -> str:
    """Minutes and seconds: 3:07."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
