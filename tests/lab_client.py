"""The lab as tests use it: a handle on its process, and the fixtures `lab` (reset before each test) and `lab_aws`.

The server is one process for the whole session, reached over HTTP only, which ends when its standard input closes.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest
from botocore.config import Config

from reconciler.aws.calls import Aws, Waiting
from tests import sessions
from tests.waiting import until

REGION = "us-east-1"
ACCOUNT = "123456789012"
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
ROOT = Path(__file__).resolve().parents[1]
T = TypeVar("T")


class LabHandle:
    """A running lab."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.given: list[Aws] = []  # to be closed by the test that asked for them
        self._clients: dict[str, Any] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.lab", "0", "--home", str(home), "--until-eof"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url, "the lab did not start"
        self.session = boto3.session.Session(**CREDENTIALS)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.communicate(timeout=20)

    def control(self, method: str, name: str, body: object = None) -> Any:
        """The JSON answer of a control request."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=60)
        try:
            connection.request(method, f"/__lab/{name}", None if body is None else json.dumps(body))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def reset(self) -> None:
        """Forget every resource, the log and the rules."""
        self.control("POST", "reset")

    def keep(self) -> None:
        """Keep what there is, to go `back` to it."""
        self.hang_up()
        self.control("POST", "keep")

    def back(self) -> None:
        """Forget all that happened since `keep`, the log and the rules too."""
        self.hang_up()
        with contextlib.suppress(ConnectionError, http.client.HTTPException):
            self.control("POST", "back")

    def hang_up(self) -> None:
        """Close the ways to it that tests were given."""
        for aws in self.given:
            aws.close()
        self.given = []
        for client in self._clients.values():
            client.close()  # its connections: it can be used again

    def zero(self) -> None:
        """Forget the log."""
        self.control("POST", "zero")

    def rules(self, *rules: dict[str, Any]) -> None:
        """Set the rules in force."""
        self.control("POST", "rules", list(rules))

    def release(self) -> None:
        """Let held requests go."""
        self.control("POST", "release")

    def ahead(self, seconds: float) -> None:
        """Set AWS's clock so far ahead."""
        self.control("POST", f"ahead?seconds={seconds}")

    def log(self, service: str = "*", op: str = "*") -> list[dict[str, Any]]:
        """The requests so far."""
        rows = self.control("GET", "log")
        return [row for row in rows if service in ("*", row["service"]) and op in ("*", row["op"])]

    def count(self) -> dict[str, Any]:
        """Requests, and the most that were in flight at a time."""
        return dict(self.control("GET", "count"))

    def seen(self, op: str, times: int = 1) -> None:
        """Wait until an operation has been requested so often."""
        until(lambda: len(self.log(op=op)) >= times, f"{times} x {op}")

    def client(self, service: str) -> Any:
        """A boto3 client that tries once."""
        if service not in self._clients:
            config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
            self._clients[service] = self.session.client(
                service,
                region_name=REGION,
                endpoint_url=self.url,
                config=config,
            )
        return self._clients[service]

    def aws(self, region: str = REGION, **options: Any) -> Aws:
        """Our own way to it, with a clock that doesn't wait."""
        options.setdefault("clock", SkippingClock())
        aws = Aws(region, session=sessions.kept(*CREDENTIALS.values()), endpoint_url=self.url, **options)
        self.given.append(aws)
        return aws

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that is to use it."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
        return kept | keys | {"AWS_ENDPOINT_URL": self.url, "PYTHONPATH": str(ROOT)}


class SkippingClock:
    """Time that passes at once when it is slept away. waits: each sleep, in seconds."""

    def __init__(self, step: float = 0.0) -> None:
        self.skipped = 0.0
        self.step = step  # seconds really slept each time, for what another process has to do meanwhile
        self.waits: list[float] = []

    def now(self) -> float:
        """Seconds since the epoch, with those that were skipped."""
        return time.time() + self.skipped

    def sleep(self, seconds: float) -> None:
        """Skip."""
        self.waits.append(seconds)
        self.skipped += seconds
        if self.step:
            time.sleep(self.step)


@pytest.fixture(scope="session")
def lab_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabHandle]:
    """The session's lab."""
    with contextlib.closing(LabHandle(tmp_path_factory.mktemp("lab") / "home")) as lab:
        yield lab


@pytest.fixture
def lab(lab_session: LabHandle) -> Iterator[LabHandle]:
    """The session's lab, empty."""
    lab_session.reset()
    yield lab_session
    lab_session.hang_up()


@pytest.fixture
def lab_waits() -> list[Waiting]:
    """A list to collect what a call waited for."""
    return []
