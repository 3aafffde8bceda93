"""Many runs at once where nobody is at a terminal: their deadline, and AWS out of reach."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import boto3
import pytest

from reconciler.aws.calls import Aws
from reconciler.config import run as section
from reconciler.core.errors import Unreachable
from reconciler.core.function_settings import Retry
from reconciler.run.cap import Limits
from reconciler.run.catalog import Catalog
from reconciler.run.fleet import Fleet
from reconciler.run.launch import new_run
from reconciler.run.launch_settings import LaunchSettings
from reconciler.run.outage import OUTAGE
from reconciler.run.retry import Event
from reconciler.run.run import Run
from reconciler.run.run_record import Runs
from reconciler.run.state import State
from reconciler.run.step import Rules
from reconciler.run.supervise import Supervisor
from reconciler.run.watch import describe
from tests.lab_client import SkippingClock
from tests.local_fixtures import REGION, EmbeddedAws, unique
from tests.local_fixtures import embedded_aws as embedded_aws
from tests.local_fixtures import embedded_aws_session as embedded_aws_session

SLEEPS = "import time\nprint('begun', flush=True)\ntime.sleep(30)\n"


class Notes:
    """A screen that remembers."""

    def __init__(self) -> None:
        self.most = 0

    def changed(self, run: Run) -> None: ...

    def tick(self, waiting: int, active: Sequence[Run]) -> None:
        self.most = max(self.most, len(active))

    def trouble(self, text: str) -> None:
        pytest.fail(text)


def test_each_task_is_stopped_at_its_deadline(embedded_aws: EmbeddedAws) -> None:
    aws, bucket = Aws(REGION, session=embedded_aws.session, endpoint_url=embedded_aws.endpoint_url), unique("bucket")
    aws.call("s3", "CreateBucket", Bucket=bucket)
    family = embedded_aws.register(embedded_aws.container(embedded_aws.python_image(SLEEPS)))
    launch = LaunchSettings(
        deploy="tests", cluster=embedded_aws.cluster(), task_definition=family, container="main",
        subnets=(embedded_aws.subnet(),), security_group=aws.call(
            "ec2", "CreateSecurityGroup", GroupName=unique("group"), Description="of a test"
        )["GroupId"],
        public_ip=True, log_group="/tests", log_prefix="run", environment={},
    )  # fmt: skip
    # A second, where the file takes a minute at least.
    rules = Rules(("FARGATE",), Retry(**section.Retry().model_dump()), Limits(1, None, REGION))
    runs, notes = Runs(aws, bucket), Notes()
    wanted = [new_run(runs, launch, f"{n}" * 64, {}, aws.clock.now()) for n in range(2)]
    ended = Fleet(Supervisor(aws, runs, rules), launch, 5, notes).work(wanted)
    assert [(run.state, run.event, run.exit_code) for run in ended] == [(State.FAILED, Event.TIMEOUT, 143)] * 2
    assert notes.most == 2
    assert [run.id for run in ended] == [run.id for run in wanted]
    assert {run.id: run.state for run in Catalog(runs).newest(9)} == {run.id: State.FAILED for run in wanted}


def test_aws_out_of_reach_is_waited_for_but_not_for_ever() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        clock, told = SkippingClock(), list[str]()
        session: Any = boto3.session.Session("x", "x")
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        aws = Aws(REGION, session=session, endpoint_url=endpoint, clock=clock)
        with pytest.raises(Unreachable):
            describe(aws, "tests", ["arn"], told.append)
    assert 0.9 * OUTAGE < clock.skipped < 1.1 * OUTAGE
    (text,) = told
    assert text.startswith("AWS doesn't answer as it should; running tasks continue: ")
