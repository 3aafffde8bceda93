"""Fixtures that every test may use."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.core.secret import KNOWN
from tests.lab_client import lab as lab
from tests.lab_client import lab_session as lab_session

# What the command line keeps in the user's cache folder is kept elsewhere, and all test processes share it.
os.environ["XDG_CACHE_HOME"] = str(Path(tempfile.gettempdir()) / f"reconciler-tests-{os.getuid()}")

# Nobody is logged in at GitHub, and nothing is asked there, whoever runs the tests. A test that wants an answer has a
# `gh` of its own before this one.
os.environ["PATH"] = f"{Path(__file__).parent / 'no_github'}{os.pathsep}{os.environ['PATH']}"

pytest_plugins = ["tests.clients", "tests.permissions.plugin"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --share."""
    parser.addoption(
        "--share", action="store_true", help="of what there is very much of only a share, and no test marked `long`"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --share leave out what is marked `long`."""
    if config.getoption("share"):
        left_out = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if not item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(autouse=True)
def no_secrets() -> Iterator[None]:
    """A command begins with none that it knows of, and so does a test."""
    yield
    KNOWN.clear()
