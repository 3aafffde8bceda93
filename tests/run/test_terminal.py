"""At a terminal: one live line, and the question that Ctrl-C asks. A real pseudo-terminal, a real process."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys

import pytest

from tests.folder import Result
from tests.run.conftest import ROOT, Lane, golden
from tests.waiting import LONG, until

SLEEPS = 'import time\nprint(\'{"event": "begun", "rows": 3, "level": "info"}\', flush=True)\ntime.sleep(600)\n'


class Screen:
    """A process at a terminal of 100 columns."""

    def __init__(self, lane: Lane, *arguments: str, **more: str) -> None:
        ours, theirs = pty.openpty()
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100", "CI": ""} | more
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

    @property
    def lasting(self) -> str:
        """What stays on the screen: without the lines that were drawn over, and without colours."""
        text = re.sub(r"[^\n]*\r(\x1b\[\d+A)?\x1b\[[JK]", "", self.text.replace("\r\n", "\n"))
        return re.sub(r"\x1b\[[0-9;]*m", "", text)

    def see(self, pattern: str) -> None:
        """Wait until this is shown."""
        until(lambda: re.search(pattern, self.read()), pattern)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.fd, text.encode())

    def end(self) -> int:
        """Its exit code."""
        until(lambda: self.read() and self.process.poll() is not None, "its end")
        self.read()
        os.close(self.fd)
        return self.process.wait(LONG)


@pytest.mark.share(2)
@pytest.mark.parametrize(("answer", "stops"), [("l", False), ("", True)])
def test_ctrl_c_asks(lane: Lane, answer: str, stops: bool) -> None:
    lane.program(f"{SLEEPS}# {answer}\n")
    screen = Screen(lane, "apply", "--local")
    screen.see(r"\| begun  rows=3")  # a structured line, made readable
    screen.see(r"\r\x1b\[K  RUNNING  \d+\.\d s(\x1b|\r|$)")  # the live line: on this machine nothing is paid for
    screen.process.send_signal(2)
    screen.see(r"Stop what runs, or leave it running\? \[S/l\] ")
    screen.type(f"{answer}\n")
    assert screen.end() == 130, screen.text
    golden("terminal-" + ("stop" if stops else "leave"), Result(130, screen.lasting, ""))
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


def test_as_on_aws(lane: Lane) -> None:
    """Where the way to AWS is botocore's own: links into the console at once, and what it costs."""
    lane.program(f"{SLEEPS.replace('600', '2')}# links\n")
    assert lane.run("apply", "--local", "--skip-run").code == 0
    services = ("ECR", "ECS", "EC2", "IAM", "CLOUDWATCH_LOGS", "S3", "SSM", "STS")
    ours = {f"AWS_ENDPOINT_URL_{name}": lane.endpoint for name in services}
    screen = Screen(lane, "apply", **ours, **lane.keys)
    screen.see(r"  RUNNING  \d+\.\d s, at most \$0\.0002 so far")
    assert screen.end() == 0, screen.text
    golden("on-aws", Result(0, screen.lasting, ""))


@pytest.mark.share(2)
@pytest.mark.parametrize(("ci", "number"), [("true", 2), ("", 15)])
def test_nobody_is_asked_in_ci_and_by_sigterm(lane: Lane, ci: str, number: int) -> None:
    """Some CI systems give a terminal, at which nobody sits; and whoever sends SIGTERM may sit elsewhere."""
    long = "a  b" + " word" * 30 + "\t  ^^^^"
    lane.program(f"print({long!r})\n{SLEEPS}# in ci: {ci}\n")
    screen = Screen(lane, "apply", "--local", CI=ci)
    screen.see("begun")
    assert f"  | {long}" in screen.text.replace("\r\n", "\n"), "a program's lines aren't broken between words"
    screen.process.send_signal(number)
    assert screen.end() == 130, screen.text
    assert "is being stopped" in screen.text
    if ci:
        assert "\r" not in screen.text.replace("\r\n", "\n"), "nothing is drawn over"
