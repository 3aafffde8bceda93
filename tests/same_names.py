"""The pytest plugin that fails where two processes name the tests differently: where a name is made of a set, they do.

xdist says so itself, but only of the tests that are run: with --share a name that differs may be left out.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

import pytest

NAMES: set[int] = set()  # of all tests, as each process of xdist has them


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Before any are left out."""
    if hasattr(config, "workeroutput"):
        config.workeroutput["names"] = crc32("\n".join(item.nodeid for item in items).encode())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of xdist is done."""
    NAMES.update(value for name, value in getattr(node, "workeroutput", {}).items() if name == "names")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Compare, and fail the session."""
    if len(NAMES) > 1:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_sep("=", "the processes name or order the tests differently", red=True)
            reporter.write_line("a set among parameters does that; two listings differ where it is:")
            reporter.write_line("  PYTHONHASHSEED=1 python -m pytest --collect-only -q")
            reporter.write_line("  PYTHONHASHSEED=2 python -m pytest --collect-only -q")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
