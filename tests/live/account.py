"""The account that the live suite runs in, the budget it has there, and what it leaves."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from reconciler.aws.calls import Aws
from reconciler.local import ensure_running
from tests.live.cleanup import clean

ROOT = Path(__file__).resolve().parents[2]
MODE = os.environ.get("RECONCILER_LIVE", "")  # `1`: a real account; `rehearsal`: the embedded AWS; empty: nothing
PRICE = 0.06  # US dollars an hour, above what a task of this suite costs in any region


@dataclass
class Budget:
    """What may be spent. dollars: on tasks and their instances; minutes: from the first test on."""

    dollars: float = float(os.environ.get("RECONCILER_LIVE_MAX_COST", "0.50"))
    minutes: float = float(os.environ.get("RECONCILER_LIVE_MAX_MINUTES", "30"))
    began: float = field(default_factory=time.monotonic)
    spent: float = 0.0

    @property
    def seconds_left(self) -> float:
        """How long it is until the budget's time is over."""
        return self.minutes * 60 - (time.monotonic() - self.began)

    def check(self, minutes: float = 0.0, price: float = PRICE) -> None:
        """Fails before something begins that may take so many minutes of tasks, if that is more than what is left.

        price: US dollars an hour.
        """
        if self.seconds_left <= 0:
            pytest.fail(f"the {self.minutes:g} minutes of RECONCILER_LIVE_MAX_MINUTES are over")
        self.spent += minutes / 60 * price
        if self.spent > self.dollars:
            pytest.fail(f"more than the ${self.dollars:.2f} of RECONCILER_LIVE_MAX_COST")


@dataclass
class Account:
    """A way into it; every name begins with `prefix`."""

    prefix: str
    number: str
    region: str
    budget: Budget
    session: Any
    endpoint: str | None = None
    home: Path | None = None

    @classmethod
    def enter(cls, prefix: str, folder: Path) -> Account:
        """The account of the credentials that are there, if it is the one that RECONCILER_LIVE_ACCOUNT names."""
        if MODE == "rehearsal":
            home = folder / "local"
            running = ensure_running(home)
            keys = running.keys
            session = boto3.session.Session(keys.access_key_id, keys.secret_access_key, region_name="us-east-1")
            return cls(prefix, "123456789012", "us-east-1", Budget(), session, running.endpoint_url, home)
        region = os.environ.get("RECONCILER_LIVE_REGION", "us-east-1")
        session = boto3.session.Session(region_name=region)
        number = session.client("sts").get_caller_identity()["Account"]
        if os.environ.get("RECONCILER_LIVE_ACCOUNT") != number:
            pytest.exit(f"these credentials are of account {number}: set RECONCILER_LIVE_ACCOUNT={number} to use it", 2)
        return cls(prefix, number, region, Budget(), session)

    def client(self, service: str) -> Any:
        """A boto3 client."""
        return self.session.client(service, endpoint_url=self.endpoint)

    def aws(self, *, read_only: bool = False) -> Aws:
        """Our own way to AWS, with real time."""
        return Aws(self.region, session=self.session, endpoint_url=self.endpoint, read_only=read_only)

    def command(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m reconciler …` in a folder; it is ended when the time of the budget is over."""
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "AWS_REGION": self.region}
        if self.home is not None:
            environ["RECONCILER_LOCAL_ENGINE"] = "process"
            environ["RECONCILER_LOCAL_HOME"] = str(self.home)
            arguments = (*arguments, "--local")
        return subprocess.run(
            [sys.executable, "-m", "reconciler", *arguments],
            cwd=folder, env=environ, capture_output=True, text=True, timeout=max(self.budget.seconds_left, 1),
        )  # fmt: skip

    def leave(self) -> list[str]:
        """Delete all that has the prefix. Returns what is left."""
        return clean(self.client, self.prefix)


STOP = threading.Event()  # never set
