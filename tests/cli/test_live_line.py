"""What is under way, and what a container engine says, at a terminal and elsewhere."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable

import pytest

from reconciler.cli.build_output import BuildOutput
from reconciler.cli.live_line import LiveLine, Uploads, progress
from reconciler.cli.terminal import Terminal
from reconciler.core.errors import Interrupted
from reconciler.core.spec import Address
from reconciler.image.command import tell
from tests.work import assert_linear


class Screen(Terminal):
    """A terminal whose lines can be read. states: what the live lines said, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.stream, self.states = io.StringIO(), [""]

    def status(self, text: str) -> None:
        """Note it."""
        self.states.append(text)

    @property
    def shown(self) -> list[str]:
        """The lines that stay."""
        assert isinstance(self.stream, io.StringIO)
        return self.stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("done", "whole", "took", "text"),
    [
        (0, 10_000_000, 0.0, "  uploading k [                    ]   0% of 10.0 MB"),
        (5_000_000, 10_000_000, 0.5, "  uploading k [##########          ]  50% of 10.0 MB"),
        (
            5_000_000,
            10_000_000,
            2.0,
            "  uploading k [##########          ]  50% of 10.0 MB, 2.5 MB/s, about 2.0 s left",
        ),
        (
            1 << 30,
            50 << 30,
            100.0,
            "  uploading k [                    ]   2% of 53.7 GB, 10.7 MB/s, about 1 h 21 min left",
        ),
        (0, 0, 3.0, "  uploading k [                    ]   0% of 0 B"),
    ],
)
def test_the_progress_of_an_upload(done: int, whole: int, took: float, text: str) -> None:
    assert progress("k", done, whole, took) == text


def test_steps_and_uploads_are_drawn_together_with_their_time() -> None:
    now, screen = [100.0], Screen()
    live = LiveLine(screen, lambda: now[0])
    uploads = Uploads(live, lambda: now[0])
    live.begin(Address("bucket", "b"))
    live.begin(Address("object", "b/k"))
    uploads("b/k", 1_000_000, 4_000_000)
    now[0] += 2
    uploads("b/k", 1_000_000, 4_000_000)
    assert screen.states[-1].splitlines() == [
        "  working on bucket.b 2.0 s, object.b/k 2.0 s",
        "  uploading k [##########          ]  50% of 4.0 MB, 1.0 MB/s, about 2.0 s left",
    ]
    now[0] += 10
    live.draw()
    assert screen.states[-1].startswith("  working on bucket.b 12.0 s, ")
    uploads("b/k", 2_000_000, 4_000_000)
    live.end(Address("bucket", "b"))
    live.end(Address("object", "b/k"))
    assert screen.states[-1] == ""
    assert screen.shown == []


def test_what_was_drawn_last_is_what_was_said_last() -> None:
    ended = threading.Thread(target=lambda: live.end(Address("bucket", "b")))

    class Slow(Screen):
        def status(self, text: str) -> None:
            if text and ended.ident is None:
                ended.start()
                ended.join(0.2)  # it can't end before this is drawn
            super().status(text)

    screen = Slow()
    live = LiveLine(screen)
    live.begin(Address("bucket", "b"))
    ended.join()
    assert screen.states[-1] == ""


def test_a_line_of_a_build_is_looked_at_in_linear_time() -> None:
    def work(size: int) -> Callable[[], object]:
        build = BuildOutput(Screen(), LiveLine(Screen()), verbose=False)
        return lambda: build.say("#1 [" + "1" * size)

    assert_linear(work, 10_000)


BUILDKIT = """\
building the image with Docker 28.2 (BuildKit): 3 files, 0.1 MB of context
#4 [1/3] FROM docker.io/library/python:3.13
#4 CACHED
#5 [2/3] RUN pip install pandas
#5 1.492 Collecting pandas
#5 4.1 ERROR: no matching distribution
#7 [stage-1 3/3] COPY train.py /
#7 DONE 1.2s
0123456789ab: Pushed
pushing to 1.dkr.ecr/x
image x@sha256:1, tagged a""".splitlines()
CLASSIC = """\
Step 1/3 : FROM python:3.13
 ---> 0123456789ab
Step 2/3 : RUN pip install pandas
 ---> Running in 0123456789ab
Collecting pandas
ERROR: no matching distribution
Step 3/3 : COPY train.py /
Successfully built 0123456789ab
Successfully tagged x:y
pushing to 1.dkr.ecr/x""".splitlines()
PROCESS = ["not done without a container engine: RUN apt-get install x", "Collecting pandas"]

INSTALLS = """\
RUN pip install pandas
Collecting pandas
Successfully installed pandas-3.0
RUN pip install -r requirements.txt
ERROR: No matching distribution found for x
pushing to 1.dkr.ecr/x
the image is whole""".splitlines()


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        (INSTALLS, [INSTALLS[i] for i in (0, 3, 5, 6)]),
        ([*CLASSIC[:4], "RUN of a program", *CLASSIC[4:]], [CLASSIC[i] for i in (0, 2, 6, 9)]),
        (BUILDKIT, [BUILDKIT[i] for i in (0, 1, 3, 6, 9, 10)]),
        (CLASSIC, [CLASSIC[i] for i in (0, 2, 6, 9)]),
        (PROCESS, PROCESS),
    ],
    ids=["installations", "a step that says RUN", "BuildKit", "classic builder", "without an engine"],
)
def test_a_good_build_is_folded_to_its_steps(lines: list[str], kept: list[str]) -> None:
    screen = Screen()
    build = BuildOutput(screen, LiveLine(screen), verbose=False)
    for line in lines:
        build.say(line)
    build.over()
    assert [line.removeprefix("    image | ") for line in screen.shown] == kept
    assert screen.states[-1] == ""
    if len(kept) < len(lines):
        assert any("Collecting pandas" in state for state in screen.states)


@pytest.mark.parametrize("lines", [BUILDKIT, CLASSIC, INSTALLS], ids=["BuildKit", "classic builder", "installations"])
def test_all_of_a_build_is_shown_when_it_fails_and_with_verbose(lines: list[str]) -> None:
    for verbose in (False, True):
        screen = Screen()
        build = BuildOutput(screen, LiveLine(screen), verbose=verbose)
        for line in lines:
            build.say(line)
        build.failed()
        assert {line.removeprefix("    image | ") for line in screen.shown} == set(lines)
        assert len(screen.shown) == len(lines)


def test_an_interrupted_build_is_ended() -> None:
    stopped = threading.Event()
    with pytest.raises(Interrupted):
        tell(
            ["sh", "-c", "echo begun; exec sleep 600"],
            {"PATH": "/bin:/usr/bin"},
            lambda _: stopped.set(),
            stopped.is_set,
        )


def test_what_ends_well_beside_an_interruption_has_ended_well() -> None:
    assert tell(["sh", "-c", "echo done"], {"PATH": "/bin:/usr/bin"}, lambda _: None) == (0, ["done"])
    assert tell(["sh", "-c", "exit 3"], {"PATH": "/bin:/usr/bin"}, lambda _: None) == (3, [])
