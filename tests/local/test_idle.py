"""A server that nothing uses ends by itself, but not while it has something to do; all of a user's are found."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, cast

import pytest

from reconciler import local
from reconciler.cli import local as command
from reconciler.cli.main import main
from reconciler.local import server_log
from reconciler.local.embedded import Embedded
from reconciler.local.idle import BadSpan, idle_seconds, spelled
from reconciler.local.keys import new_keys
from reconciler.local.server import SAVE_SECONDS, Server
from tests.local.test_lifecycle import alive
from tests.local_fixtures import EmbeddedAws
from tests.waiting import until


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [
        ("", 28800, "8 h"), ("0", 0, ""), ("0h", 0, ""), ("90", 90, "90 s"), ("90s", 90, "90 s"),
        ("90m", 5400, "90 min"),
        (" 2 h ", 7200, "2 h"), ("2d", 172800, "2 d"), ("48h", 172800, "2 d"),
    ],
)  # fmt: skip
def test_the_time_that_is_asked_for(text: str, seconds: float, shown: str) -> None:
    assert idle_seconds({"RECONCILER_LOCAL_IDLE": text}) == seconds
    assert not shown or spelled(seconds) == shown


@pytest.mark.parametrize("text", ["never", "-1", "1.5h", "h", "8 hours", "8h30m", "36501d"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(BadSpan, match="write 90m, 8h or 2d, or 0"):
        idle_seconds({"RECONCILER_LOCAL_IDLE": text})


def test_it_goes_on_when_what_is_in_it_cannot_be_kept(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    class Full:
        tries = 0

        def working(self) -> bool:
            return False

        def keep(self) -> None:
            self.tries += 1
            raise RuntimeError("dictionary changed size during iteration")

    server, full = Server(tmp_path, new_keys()), Full()
    server._embedded = cast(Embedded, full)
    server.keep()
    server._save_again = 0.0  # the pause after a save is over
    server.keep()
    assert full.tries == 2
    assert "dictionary changed size" in capfd.readouterr().err


class FullLog(io.StringIO):
    """The log on a disk without room."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_it_goes_on_when_its_log_is_on_the_full_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Full:
        def working(self) -> bool:
            return False

        def keep(self) -> None:
            server_log.tell("not all of what is in it can be kept")
            raise RuntimeError("nor can this")

    server = Server(tmp_path, new_keys())
    server._embedded = cast(Embedded, Full())
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", FullLog())
        patch.setattr(sys, "stderr", FullLog())
        server.keep()
    server._save_again = 0.0
    server.keep()
    written = capfd.readouterr()
    assert written.out == "not all of what is in it can be kept\n"
    assert "nor can this" in written.err


def test_what_a_task_writes_that_nobody_watches_is_kept(tmp_path: Path) -> None:
    class Works:
        works, kept = True, 0

        def working(self) -> bool:
            return self.works

        def keep(self) -> None:
            self.kept += 1

    server, works = Server(tmp_path, new_keys()), Works()
    server._embedded = cast(Embedded, works)
    server._used_at = time.monotonic() - 10 * SAVE_SECONDS
    for kept in (1, 2):
        server.keep()
        assert works.kept == kept
        server._save_again = 0.0  # the pause after a save is over
    works.works = False
    server.keep()
    assert works.kept == 3, "its last lines"
    server._worked_at -= 2 * SAVE_SECONDS
    server.keep()
    assert works.kept == 3, "nothing has come since"


@pytest.mark.parametrize(
    ("idle", "unused", "busy", "ends"),
    [
        ("1h", 3599, False, False), ("1h", 3601, False, True), ("1h", 3601, True, False), ("0", 10**7, False, False),
        ("1s", 2, False, True), ("1s", 0.5, False, False),
    ],
)  # fmt: skip
def test_it_ends_when_nothing_has_used_it_and_nothing_is_to_come(
    idle: str, unused: float, busy: bool, ends: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Busy:
        def busy(self) -> bool:
            return busy

    monkeypatch.setenv("RECONCILER_LOCAL_IDLE", idle)
    server = Server(tmp_path, new_keys())
    begun = server._used_at
    assert not server.is_idle(begun + 10**8)  # it still loads
    server._embedded = cast(Embedded, Busy())
    assert server.is_idle(begun + unused) is ends


def test_tasks_and_schedules_keep_it(embedded_aws: EmbeddedAws) -> None:
    ec2: Any = embedded_aws.client("ec2")  # whose tables are read only now
    assert ec2.describe_instance_types(InstanceTypes=["t3.micro"])["InstanceTypes"][0]["VCpuInfo"]["DefaultVCpus"] == 2
    offered = ec2.describe_instance_type_offerings(Filters=[{"Name": "instance-type", "Values": ["t3.micro"]}])
    assert [offering["Location"] for offering in offered["InstanceTypeOfferings"]] == ["us-east-1"]
    assert embedded_aws.running.home in local.homes()


def test_a_real_one_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RECONCILER_LOCAL_ENGINE", "process")
    monkeypatch.setenv("RECONCILER_LOCAL_IDLE", "1s")
    monkeypatch.setenv("RECONCILER_LOCAL_HOME", str(tmp_path / "home"))
    said: list[str] = []
    running = local.ensure_running(tmp_path / "home", said.append)
    try:
        assert said == ["starting the embedded AWS; it ends when nothing has used it for 1 s"]
        assert (running.idle, local.homes().count(tmp_path / "home")) == (1.0, 1)
        until(lambda: not alive(running.pid), "its end")
        assert local.status(tmp_path / "home") is None
        assert "nothing has used it for 1 s: it ends" in (tmp_path / "home" / "server.log").read_text()
    finally:
        local.stop(tmp_path / "home")


def test_all_are_listed_and_stopped(
    embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ours = embedded_aws.running
    monkeypatch.setattr(command, "homes", lambda: [ours.home, tmp_path / "gone"])  # others may run beside this test
    assert main(["local", "list"]) == 0
    assert f"{ours.home}  {ours.endpoint_url}  process {ours.pid}, for " in capfd.readouterr().out
    assert main(["local", "list", "--json"]) == 0
    (server,) = json.loads(capfd.readouterr().out)["servers"]
    assert (server["home"], server["pid"]) == (str(ours.home), ours.pid)
    monkeypatch.setattr(command, "stop", lambda home: home == ours.home)  # which the other tests still need
    assert main(["local", "stop", "--all"]) == 0
    assert capfd.readouterr().out == f"stopped {ours.home}; everything in it is deleted\n"
    assert main(["local", "stop", "--all", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["homes"] == [str(ours.home)]
    assert main(["local", "status", "--all"]) == 2
    monkeypatch.setattr(command, "homes", list)
    assert main(["local", "list"]) == main(["local", "stop", "--all"]) == 0
    assert capfd.readouterr().out == "none runs\nnone was running\n"
