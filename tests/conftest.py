"""Fixtures that every test may use."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from reconciler.core.secret import KNOWN
from tests import share
from tests.lab_client import lab as lab
from tests.lab_client import lab_session as lab_session

# What the command line keeps in the user's cache folder is kept elsewhere, and all test processes share it.
os.environ["XDG_CACHE_HOME"] = str(Path(tempfile.gettempdir()) / f"reconciler-tests-{os.getuid()}")

# Nobody is logged in at GitHub, and nothing is asked there, whoever runs the tests. A test that wants an answer has a
# `gh` of its own before this one.
os.environ["PATH"] = f"{Path(__file__).parent / 'no_github'}{os.pathsep}{os.environ['PATH']}"

pytest_plugins = ["tests.clients", "tests.request_rules", "tests.permissions.plugin", "tests.engine.start"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --share."""
    parser.addoption(
        "--share", action="store_true", help="of what there is very much of only a share, and no test marked `long`"
    )


def pytest_configure(config: pytest.Config) -> None:
    """With --share try a share of the examples that hypothesis makes up."""
    if config.getoption("share"):
        share.take()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --share leave out what is marked `long`, and of a table marked `share(n)` all but each n-th row."""
    if config.getoption("share"):
        shared = in_share(items)
        config.hook.pytest_deselected(items=[item for item in items if item not in shared])
        items[:] = [item for item in items if item in shared]


def in_share(items: Sequence[pytest.Item]) -> set[pytest.Item]:
    """Those that --share runs. The tables of a file begin at different rows, so that more of the rows come in."""
    tables: dict[Path, dict[str, list[pytest.Item]]] = {}
    for item in items:
        if item.get_closest_marker("long") is None:
            tables.setdefault(item.path, {}).setdefault(item.nodeid.partition("[")[0], []).append(item)
    chosen: set[pytest.Item] = set()
    for of_file in tables.values():
        for number, rows in enumerate(of_file.values()):
            marker = rows[0].get_closest_marker("share")
            step = marker.args[0] if marker else 1
            chosen.update(rows[number % min(step, len(rows)) :: step])
    return chosen


@pytest.fixture(autouse=True)
def no_secrets() -> Iterator[None]:
    """A command begins with none that it knows of, and so does a test."""
    yield
    KNOWN.clear()
