"""Only with RECONCILER_LIVE; whatever happens, what was made is deleted at the end and what is left is said."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.local import stop
from tests.live.account import MODE, Account, Budget

LEFT = pytest.StashKey[list[str]]()
PREFIX = pytest.StashKey[str]()
BUDGET = pytest.StashKey[Budget]()


@pytest.fixture(scope="session")
def account(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """The account, with a prefix that nothing else there has."""
    if not MODE:
        pytest.skip("RECONCILER_LIVE is not set: docs/live.md")
    folder: Path = tmp_path_factory.mktemp("live")
    entered = Account.enter(f"rlive-{secrets.token_hex(4)}", folder)
    request.config.stash[PREFIX], request.config.stash[BUDGET] = entered.prefix, entered.budget
    try:
        yield entered
    finally:
        request.config.stash[LEFT] = entered.leave()
        if entered.home is not None:
            stop(entered.home)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what is left."""
    if PREFIX not in config.stash:
        return
    terminalreporter.section("what it cost")
    terminalreporter.write_line(f"at most ${config.stash[BUDGET].spent:.2f} for tasks and their instances")
    left = config.stash.get(LEFT, ["everything: it wasn't cleaned up"])
    terminalreporter.section(f"what {config.stash[PREFIX]} left in the account")
    for line in left or ["nothing, but inactive revisions of task definitions, which ECS keeps"]:
        terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What is left is a failure."""
    if session.config.stash.get(LEFT, []):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
