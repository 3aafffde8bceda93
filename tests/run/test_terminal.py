"""At a terminal: one live line, and the question that Ctrl-C asks. A real pseudo-terminal, a real process."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time

import pytest

from tests.run.conftest import ROOT, Lane, until

SLEEPS = 'import time\nprint(\'{"event": "begun", "rows": 3, "level": "info"}\', flush=True)\ntime.sleep(60)\n'


class Screen:
    """A process at a terminal of 100 columns."""

    def __init__(self, lane: Lane, *arguments: str) -> None:
        ours, theirs = pty.openpty()
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "reconciler", *arguments],
            cwd=lane.folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.fd, self.text = ours, ""

    def read(self, seconds: float = 0.05) -> str:
        """What has been shown so far."""
        while select.select([self.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # the other end is closed
                break
            if not data:
                break
            self.text += data.decode("utf-8", "replace")
        return self.text

    def see(self, pattern: str) -> None:
        """Wait until this is shown."""
        until(lambda: re.search(pattern, self.read()), pattern, 30)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.fd, text.encode())

    def end(self) -> int:
        """Its exit code."""
        deadline = time.monotonic() + 15
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
        self.read()
        os.close(self.fd)
        return self.process.wait(1)


@pytest.mark.parametrize(("answer", "stops"), [("l", False), ("", True)])
def test_ctrl_c_asks(lane: Lane, answer: str, stops: bool) -> None:
    lane.program(f"{SLEEPS}# {answer}\n")
    screen = Screen(lane, "apply", "--local")
    screen.see(r"\| begun  rows=3")  # a structured line, made readable
    screen.see(r"RUNNING for \d+\.\d s")  # the live line
    screen.process.send_signal(2)
    screen.see(r"Stop what runs, or leave it running\? \[S/l\] ")
    screen.type(f"{answer}\n")
    assert screen.end() == 130, screen.text
    if stops:
        assert "is being stopped" in screen.text
        until(lambda: not lane.tasks("RUNNING"), "the end of the task")
    else:
        assert "detached; run " in screen.text
        assert lane.tasks("RUNNING")
        assert lane.run("stop", "--local").code == 0
    assert lane.run("watch", "--local").code == 123


def test_the_live_line_of_a_sweep(lane: Lane) -> None:
    lane.program(
        "import time\ntime.sleep(0.5)\n# live\n",
        deploy="run:\n  sweep:\n    grid: {N: [1, 2, 3]}\n    max_parallel: 2\n",
    )
    screen = Screen(lane, "apply", "--local")
    screen.see(r"[12] running, \d waiting")
    assert screen.end() == 0, screen.text
    assert "3 succeeded" in screen.text
