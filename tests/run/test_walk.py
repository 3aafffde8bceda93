"""The walk of docs/how-it-works.md is the way that a command goes."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import reconciler
from tests.lab_client import ROOT
from tests.run.conftest import Lane

PACKAGE = Path(reconciler.__file__).parent
ROW = re.compile(r"^\| \d+ \| `([^`]+)` \| `([^`]+)` \|", re.MULTILINE)
MOST = 12  # files that a newcomer reads


@contextmanager
def first_calls(functions: Collection[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Those of these functions that are called, whoever's thread it is, in the order of their first calls.

    functions: (file below the package, name within it).
    """
    wanted = {(str(PACKAGE / file), name): (file, name) for file, name in functions}
    called: list[tuple[str, str]] = []

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call" and (function := wanted.pop((code.co_filename, code.co_qualname), None)):
            called.append(function)

    before = sys.getprofile()
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield called
    finally:
        sys.setprofile(before)
        threading.setprofile(None)


def test_the_walk_is_the_way_that_a_command_goes(lane: Lane) -> None:
    walk = ROW.findall((ROOT / "docs" / "how-it-works.md").read_text())
    files = [file for file, _ in walk]
    assert 0 < len(files) <= MOST
    assert len(set(files)) == len(files), "it comes back to none"
    lane.program("print('walked')\n")
    with first_calls(walk) as called:
        assert lane.run("apply", "--local").code == 0
    assert called == walk
