"""Fixtures that every test may use."""

import faulthandler
import gc
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

from reconciler.core.secret import KNOWN
from tests import share
from tests.lab_client import lab as lab
from tests.lab_client import lab_session as lab_session

# What the command line keeps in the user's cache folder is kept elsewhere, and all test processes share it.
os.environ["XDG_CACHE_HOME"] = str(Path(tempfile.gettempdir()) / f"reconciler-tests-{os.getuid()}")

# Nothing of an embedded AWS outlives it but where a test says so: it would be written for nobody.
os.environ["RECONCILER_LOCAL_KEEP"] = "0"

# Nobody is logged in at GitHub, and nothing is asked there, whoever runs the tests. A test that wants an answer has a
# `gh` of its own before this one.
os.environ["PATH"] = f"{Path(__file__).parent / 'no_github'}{os.pathsep}{os.environ['PATH']}"

pytest_plugins = [
    "tests.clients",
    "tests.request_rules",
    "tests.permissions.plugin",
    "tests.engine.start",
    "tests.same_names",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --share and --rows."""
    parser.addoption(
        "--share", action="store_true", help="of what there is very much of only a share, and no test marked `long`"
    )
    parser.addoption(
        "--rows", type=int, default=0, help="with --share: so many rows of a table at most (default: each)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """With --share try a share of the examples that hypothesis makes up."""
    if config.getoption("share"):
        share.take()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """What a test tidies up may hang, too: pytest looks no longer once a test has failed."""
    if limit := float(item.config.getini("faulthandler_timeout")):
        faulthandler.dump_traceback_later(limit, exit=True, file=item.config.stash[fault_handler_stderr_fd_key])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --share leave out what is marked `long`, and of tables and dear files all but a share."""
    if config.getoption("share"):
        shared = in_share(items, config.getoption("rows"))
        config.hook.pytest_deselected(items=[item for item in items if item not in shared])
        items[:] = [item for item in items if item in shared]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Whatever is loaded meanwhile stays, so no garbage is looked for: a seventh of the work."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """The tests and the libraries that they loaded are no garbage, and to look through them is a tenth of all work."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)  # as the command line has it


def in_share(items: Sequence[pytest.Item], rows: int) -> set[pytest.Item]:
    """Those that --share runs: see tests/share.py. The tables of a file begin at different rows, so that more come in.

    rows: so many of a table at most, 0 for any.
    """
    tables: dict[Path, dict[str, list[pytest.Item]]] = {}
    for item in items:
        if item.get_closest_marker("long") is None:
            name, parameters, _ = item.nodeid.partition("[")
            name = name if parameters or share.of_file(item.path) == 1 else ""
            tables.setdefault(item.path, {}).setdefault(name, []).append(item)
    chosen: set[pytest.Item] = set()
    for path, of_file in tables.items():
        for number, table in enumerate(of_file.values()):
            marker = table[0].get_closest_marker("share")
            step = max(marker.args[0] if marker else 1, share.of_file(path), -(-len(table) // rows) if rows else 1)
            chosen.update(table[number % min(step, len(table)) :: step])
    return chosen


@pytest.fixture(autouse=True)
def no_secrets() -> Iterator[None]:
    """A command begins with none that it knows of, and so does a test."""
    yield
    KNOWN.clear()
