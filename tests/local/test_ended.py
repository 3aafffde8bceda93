"""Whoever asks an embedded AWS that has ended learns it at once; one that is there is waited for, as AWS is."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from reconciler.aws import clients
from reconciler.aws.calls import Aws
from reconciler.core.errors import AwsError, EmbeddedAwsEnded, Unreachable
from reconciler.local.ended import unanswered
from reconciler.local.processes import birth


class Clock:
    """Time that goes by only while something waits."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.mark.parametrize(
    ("born", "kind", "hint"),
    [
        (
            "before",
            EmbeddedAwsEnded,
            "`apply --local` starts it",
        ),  # its process id is another's by now, as after its end
        ("now", Unreachable, "`local status` says whether the embedded AWS runs"),
    ],
)
def test_what_no_answer_means(born: str, kind: type[AwsError], hint: str, tmp_path: Path) -> None:
    with socket.socket() as nobody:  # bound, and doesn't listen
        nobody.bind(("127.0.0.1", 0))
        port, pid = nobody.getsockname()[1], os.getpid()
        record = {
            "version": 1, "pid": pid, "birth": birth(pid) if born == "now" else "another", "port": port,
            "started_at": 1.0, "access_key_id": "AKIALOCAL", "secret_access_key": "s",
        }  # fmt: skip
        (tmp_path / "server.json").touch(mode=0o600)
        (tmp_path / "server.json").write_text(json.dumps(record))
        clock, meaning, session = Clock(), unanswered(tmp_path), clients.new_session("AKIALOCAL", "s")
        endpoint = f"http://127.0.0.1:{port}"
        with (
            Aws("us-east-1", session=session, endpoint_url=endpoint, clock=clock, unanswered=meaning) as aws,
            pytest.raises(AwsError) as caught,
        ):
            aws.find("ecs", "DescribeTasks", cluster="c", tasks=["t"])
    assert (type(caught.value), caught.value.hint) == (kind, hint)
    assert (clock.time > 0) is (kind is Unreachable)
