"""The pytest plugin that records what the suite's calls need; tests/conftest.py loads it."""

from __future__ import annotations

from typing import Any

import pytest

from tests import clients
from tests.permissions.recorded import Recorder, undeclared, unused

RECORDER = Recorder()
CACHE = "reconciler/undeclared"


def pytest_configure(config: pytest.Config) -> None:
    """Watch every client that is made from now on."""
    clients.watchers.append(RECORDER.watch)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of xdist is done: take over what it saw."""
    RECORDER.seen |= {tuple(call) for call in getattr(node, "workeroutput", {}).get("seen", ())}


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand on what was seen, or check it and fail the session."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["seen"] = sorted(RECORDER.seen)
        return
    problems = undeclared(RECORDER.seen)
    if _whole(config) and session.testsfailed == 0:
        problems += unused(RECORDER.seen)
    elif _again(config) and getattr(config, "cache", None) is not None:
        problems += config.cache.get(CACHE, [])  # running the failed tests again doesn't put these right
    if getattr(config, "cache", None) is not None and not _again(config):
        config.cache.set(CACHE, problems)
    if problems:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_sep("=", "permissions: docs/adding-a-kind.md says how to declare them", red=True)
            for problem in problems:
                reporter.write_line(problem)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _whole(config: pytest.Config) -> bool:
    """Whether all tests of the suite were asked for."""
    chosen = [config.getoption(name, None) for name in ("keyword", "markexpr", "lf", "deselect", "maxfail", "share")]
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not any(chosen)


def _again(config: pytest.Config) -> bool:
    """Whether only those are run that failed the last time."""
    return bool(config.getoption("lf", False))
