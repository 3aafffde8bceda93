"""A launch whose token was used before: its task is found, or given up when ECS has forgotten it; never two tasks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest

from reconciler.aws.calls import Aws
from reconciler.cli import work as cli_work
from reconciler.cli.like import LikeWork
from reconciler.cli.under_way import _goes_on
from reconciler.cli.work import SingleWork
from reconciler.core.errors import Denied, ReconcilerError, UserError
from reconciler.core.function_settings import Retry
from reconciler.core.run_paths import again_family
from reconciler.core.workers import certificates_path, secret_name
from reconciler.local.parameter_expiry import is_over
from reconciler.run.cap import SLACK, Limits
from reconciler.run.deadline import Deadline
from reconciler.run.launch import NO_DEADLINE, new_run, prepared, start
from reconciler.run.launch_settings import LaunchSettings
from reconciler.run.left_certificates import delete_left
from reconciler.run.like import launch_like
from reconciler.run.own_definition import has_own
from reconciler.run.place import NotOurs
from reconciler.run.retry import Attempt, Event
from reconciler.run.run import Run
from reconciler.run.run_record import Runs
from reconciler.run.state import State
from reconciler.run.step import BY_USER, LAUNCHED_BEFORE, TOO_LATE, Rules
from reconciler.run.stop_schedule import schedule_name
from reconciler.run.stored import Changed
from reconciler.run.worker_definitions import put_certificate
from reconciler.run.workers import Size
from tests.lab_client import SkippingClock
from tests.local_fixtures import REGION, EmbeddedAws, unique
from tests.local_fixtures import embedded_aws as embedded_aws
from tests.local_fixtures import embedded_aws_session as embedded_aws_session
from tests.run.conftest import SLEEPS, Lane, records
from tests.run.samples import run as a_run
from tests.waiting import until

NOON = 1_800_000_000.0


class Launcher:
    """Launches one run of a deploy, as often as it is asked."""

    def __init__(self, embedded: EmbeddedAws, program: str = "print('x')") -> None:
        self.embedded, self.clock, self.notes = embedded, SkippingClock(), list[str]()
        self.aws = Aws(REGION, session=embedded.session, endpoint_url=embedded.endpoint_url, clock=self.clock)
        bucket = unique("bucket")
        self.aws.call("s3", "CreateBucket", Bucket=bucket)
        self.runs = Runs(self.aws, bucket, self.notes.append)
        group = self.aws.call("ec2", "CreateSecurityGroup", GroupName=unique("group"), Description="of a test")
        self.launch = LaunchSettings(
            deploy="tests", cluster=embedded.cluster(),
            task_definition=embedded.register(embedded.container(embedded.python_image(program))),
            container="main", subnets=(embedded.subnet(),), security_group=group["GroupId"], public_ip=True,
            log_group="/tests", log_prefix="run", environment={},
        )  # fmt: skip
        # Of its own, since two of a second would have one id, and one token in the account that all tests share.
        own = hashlib.sha256(unique("run").encode()).hexdigest()
        run = new_run(self.runs, self.launch, own, {}, self.clock.now())
        self.run = run.with_attempt(Attempt(1, "FARGATE", f"{run.id}-1", self.clock.now()))

    def again(self, **change: object) -> Run:
        """Launch as a client that comes back after it was stopped at RunTask: the record has the token and no task."""
        run, _ = start(self.aws, self.runs, replace(self.launch, **change), self.run, recorded=True)  # type: ignore[arg-type]
        return run

    def tasks(self) -> set[str]:
        """The tasks with a token of the run that ECS knows."""
        ecs = self.embedded.client("ecs")
        tokens = [f"{self.run.id}-{number}" for number in (1, 2, 3)]
        return {
            arn
            for token in tokens
            for status in ("RUNNING", "STOPPED")
            for arn in ecs.list_tasks(cluster=self.launch.cluster, startedBy=token, desiredStatus=status)["taskArns"]
        }


@pytest.fixture
def launcher(embedded_aws: EmbeddedAws) -> Iterator[Launcher]:
    embedded_aws.behaviour({"do": "expire", "seconds": 0.1})
    made = Launcher(embedded_aws)
    yield made
    embedded_aws.behaviour()


@pytest.mark.parametrize("after", ["no room", "another task", "over", "not yet", "stopped"])
def test_a_client_that_fell_behind_leaves_no_task(embedded_aws: EmbeddedAws, after: str) -> None:
    """It stood still between its record and RunTask, and the function had the run meanwhile."""
    launcher = Launcher(embedded_aws, SLEEPS)
    (first,) = launcher.run.attempts
    others = {
        "no room": replace(first, event=Event.NO_CAPACITY), "not yet": first, "over": first, "stopped": first,
        "another task": replace(first, task_arn=f"arn:aws:ecs:us-east-1:123456789012:task/tests/{'0' * 32}"),
    }  # fmt: skip
    state = State.STOPPED if after in ("over", "stopped") else State.LAUNCHING
    meanwhile = replace(launcher.run, unattended=after != "stopped", attempts=(others[after],), state=state)
    launch, call, why = launcher.launch, launcher.aws.call, list[str]()

    def behind(service: str, operation: str, /, **params: Any) -> dict[str, Any]:
        if operation == "StopTask":
            why.append(params["reason"])
        if operation == "RunTask":
            theirs = Runs(launcher.aws, launcher.runs.bucket)
            theirs.get(launcher.run.id)
            theirs.put(meanwhile)
        return call(service, operation, **params)

    launcher.aws.call = behind  # type: ignore[method-assign]
    with pytest.raises(Changed):
        start(launcher.aws, launcher.runs, launch, launcher.run, recorded=False)
    (task,) = launcher.tasks()
    wanted = embedded_aws.describe(task)["desiredStatus"]
    assert wanted == ("RUNNING" if after == "not yet" else "STOPPED")
    assert why == ([] if after == "not yet" else [BY_USER if state is State.STOPPED else TOO_LATE])
    embedded_aws.client("ecs").stop_task(cluster=launch.cluster, task=task)


@pytest.mark.parametrize(
    ("changed", "workers"),
    [(True, False), (False, False), (False, True)],
    ids=["with another definition", "as it was", "with workers"],
)
def test_a_token_whose_task_is_forgotten_is_given_up(launcher: Launcher, changed: bool, workers: bool) -> None:
    if workers:
        inputs = {"workers": {"engine": "dask", "count": 50, "cpu": 256, "memory": 512}}
        launcher.run = replace(launcher.run, inputs=inputs)
        launcher.launch = replace(launcher.launch, worker_size=Size(1, 256, 512))
    first = launcher.again().task_arn
    until(lambda: not launcher.tasks(), "its being forgotten")
    launcher.clock.skipped += 7200
    run = launcher.again(**({"environment": {"NEW": "1"}} if changed else {}))
    lost, second = run.attempts
    assert (lost.task_arn, lost.event, lost.reason) == (first, Event.LOST, LAUNCHED_BEFORE)
    assert (second.number, second.token, second.provider) == (2, f"{run.id}-2", "FARGATE")
    assert run.state is State.RUNNING
    assert second.task_arn not in ("", first)
    assert len(launcher.notes) == 1
    if workers:
        made = launcher.aws.call("ecs", "DescribeTaskDefinition", taskDefinition=run.task_definition)
        assert [c["name"] for c in made["taskDefinition"]["containerDefinitions"]] == ["main", "scheduler"]
        main, _ = made["taskDefinition"]["containerDefinitions"]
        assert {"name": "DASK_WORKERS", "value": "1"} in main["environment"], "the deploy says how many"
    kept = launcher.runs.get(run.id)
    assert kept is not None
    assert (kept.attempts, kept.state) == (run.attempts, State.RUNNING)


def test_a_task_that_is_there_is_found_by_what_aws_names(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """ListTasks doesn't show it, and so doesn't DescribeTasks at first: it was launched a moment ago."""
    launcher.embedded.behaviour({"do": "missing", "looks": 2})
    first = launcher.again().task_arn
    monkeypatch.setattr("reconciler.run.launch.find_task", lambda *given: None)
    run = launcher.again(environment={"NEW": "1"})
    assert (run.task_arn, len(run.attempts), launcher.clock.waits.count(2.0)) == (first, 1, 2)
    assert launcher.again().task_arn == first


def test_a_family_that_was_changed_meanwhile_is_named_and_with_it_the_run_goes_on(embedded_aws: EmbeddedAws) -> None:
    launcher = Launcher(embedded_aws)
    first = launcher.again().task_arn
    with pytest.raises(NotOurs) as raised:
        launcher.again(task_definition="other:1")
    assert f"with `task.family: {launcher.launch.place.family}` and the cluster" in raised.value.hint
    assert launcher.again().task_arn == first


@pytest.mark.parametrize("earlier", ["nothing", "its schedule", "its task"])
def test_a_late_launch_has_all_of_its_time(embedded_aws: EmbeddedAws, earlier: str) -> None:
    """Killed between the record and RunTask, or just after, and gone on with after more than the limit: its deadline
    counts from the launch.
    """
    launcher, ago, limit = Launcher(embedded_aws, SLEEPS), 5000.0, 600
    role, client = "arn:aws:iam::123456789012:role/tiny-stop-role", embedded_aws.client("scheduler")
    deadline = Deadline("tests", launcher.launch.cluster, role, Limits(limit, None, REGION))
    launcher.launch = replace(launcher.launch, deadline=deadline)
    (attempt,) = launcher.run.attempts
    began = launcher.clock.now()
    launcher.run = launcher.run.with_attempt(replace(attempt, launched=began - ago))
    if earlier == "its schedule":
        soon = launcher.run.with_attempt(replace(attempt, launched=began - limit))
        deadline.make(launcher.aws, soon)
    if earlier == "its task":
        launcher.again()
    (second,) = launcher.again().attempts
    schedule = client.get_schedule(Name=schedule_name("tests", attempt.token))
    at = datetime.strptime(schedule["ScheduleExpression"], "at(%Y-%m-%dT%H:%M:%S)").replace(tzinfo=UTC).timestamp()
    assert second.launched > began - 5
    assert limit <= at - began <= launcher.clock.now() - began + limit + SLACK
    assert json.loads(schedule["Target"]["Input"])["Task"] == second.task_arn
    client.delete_schedule(Name=schedule["Name"])
    embedded_aws.client("ecs").stop_task(cluster=launcher.launch.cluster, task=second.task_arn)


def test_a_task_whose_deadline_is_refused_is_stopped(embedded_aws: EmbeddedAws) -> None:
    """Its schedule is aimed at it once it runs; who may not do that leaves nothing that would run for ever."""
    launcher, iam, name = Launcher(embedded_aws, SLEEPS), embedded_aws.client("iam"), unique("user")
    role = embedded_aws.role(unique("stop"), service="scheduler.amazonaws.com")
    iam.create_user(UserName=name)
    may = [{"Effect": effect, "Action": action, "Resource": "*"}
           for effect, action in (("Allow", "*"), ("Deny", "scheduler:UpdateSchedule"))]  # fmt: skip
    document = json.dumps({"Version": "2012-10-17", "Statement": may})
    iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    session = boto3.session.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
    aws = Aws(REGION, session=session, endpoint_url=embedded_aws.endpoint_url, clock=launcher.clock)
    launch = replace(
        launcher.launch, deadline=Deadline("tests", launcher.launch.cluster, role, Limits(600, None, REGION))
    )
    with pytest.raises(Denied, match="UpdateSchedule"):
        start(aws, launcher.runs, launch, launcher.run, recorded=False)
    (arn,) = launcher.tasks()
    assert embedded_aws.finished(arn)["stoppedReason"] == NO_DEADLINE


def test_apply_gets_on_after_a_launch_that_was_stopped_and_forgotten(lane: Lane) -> None:
    """Killed at RunTask; the task ended, ECS forgot it, and the definition changed."""
    lane.program("print('once')\n# gets on\n")
    lane.behave({"do": "expire", "seconds": 6})
    before = len(lane.tasks())
    assert lane.run("apply", "--local").code == 0
    until(lambda: len(lane.tasks()) == before, "its being forgotten")

    def stopped_at_its_launch(run: dict[str, object]) -> None:
        attempts = run["attempts"]
        assert isinstance(attempts, list)
        run["attempts"] = [{key: attempts[0][key] for key in ("number", "provider", "token", "launched")}]
        run["state"] = "launching"

    lane.recorded(stopped_at_its_launch)
    ecs = lane.client("ecs")
    shown = ecs.describe_task_definition(taskDefinition="tiny", include=["TAGS"])
    kept = ("family", "containerDefinitions", "executionRoleArn", "taskRoleArn", "cpu", "memory", "networkMode",
            "requiresCompatibilities", "runtimePlatform")  # fmt: skip
    same = {key: value for key, value in shown["taskDefinition"].items() if key in kept}
    ecs.register_task_definition(**same, tags=shown["tags"])
    ended = lane.run("apply", "--local")
    assert ended.code == 0, ended.err
    assert "ECS doesn't know it any more: it ended over an hour ago; another is launched" in ended.err
    assert [attempt["event"] for attempt in records(lane)[0]["attempts"]] == ["lost", "success"]
    assert len(lane.tasks()) == before + 1


DIES = """
import os
from reconciler.aws.calls import Aws
once = Aws._once
def dies(self, service, operation, params):
    try:
        return once(self, service, operation, params)
    finally:
        if operation == "RunTask":
            os._exit(77)
Aws._once = dies
"""


def test_a_task_whose_client_was_killed_at_its_launch_is_no_ones_secret(lane: Lane) -> None:
    """The record has no task yet, which runs: it is seen, told by the next launch of another run, and stopped."""
    lane.program("import os, time\nprint('begun', flush=True)\ntime.sleep(600 if 'WAIT' in os.environ else 0)\n")
    assert lane.start("apply", "--local", "--env", "WAIT=1", first=DIES).wait() == 77
    left = records(lane)[0]["id"]
    (task,) = lane.tasks("RUNNING") or until(lambda: lane.tasks("RUNNING"), "its task")
    assert records(lane)[0]["state"] == "running"
    assert lane.run("unlock", "--local").code == 0
    other = lane.run("apply", "--local", "--env", "OTHER=1")
    assert other.code == 0
    told = f"note: run {left} (WAIT=1) is under way too; end it: python -m reconciler stop {left} --local"
    assert " ".join(other.err.split()).count(told) == 1
    stopped = lane.run("stop", left, "--local")
    assert f"run {left} is being stopped" in stopped.out
    ecs = lane.client("ecs")
    until(lambda: ecs.describe_tasks(cluster="tiny", tasks=[task["taskArn"]])["tasks"][0]["lastStatus"] == "STOPPED",
          "its end")  # fmt: skip
    assert lane.run("watch", left, "--local").code == 123


TAKEN = Attempt(1, "FARGATE", "t", 1000.0, "arn")


@pytest.mark.parametrize(
    ("attempts", "now", "says"),
    [
        ((TAKEN,), 1e9, "is under way too"),
        ((), 1010.0, "isn't launched, or not again yet"),  # its client is about to
        ((), 1361.0, "is still to be launched, by an `apply` with its options"),
        ((replace(TAKEN, event=Event.INTERRUPTION),), 1300.0, "isn't launched, or not again yet"),
        ((replace(TAKEN, event=Event.INTERRUPTION, stopped=5000.0),), 5300.0, "isn't launched, or not again yet"),
        ((replace(TAKEN, event=Event.NO_CAPACITY, task_arn=""),), 1361.0, "is still to be launched"),
    ],
)
def test_how_a_run_goes_on_is_said_as_far_as_it_is_known(attempts: tuple[Attempt, ...], now: float, says: str) -> None:
    run = replace(a_run(), attempts=attempts, created=1000.0)
    assert says in _goes_on(run, now)


@pytest.mark.parametrize("kind", [SingleWork, LikeWork])
@pytest.mark.parametrize("new", [True, False])
def test_whatever_is_launched_anew_tells_of_others(
    kind: type[SingleWork], new: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, work, run = list[set[str]](), kind.__new__(kind), a_run()
    monkeypatch.setattr(cli_work, "say_others", lambda *args: told.append(args[-1]))
    monkeypatch.setattr(work, "_started", lambda launch, run: run, raising=False)
    unattended = SimpleNamespace(run=SimpleNamespace(unattended=False))
    work.terminal = work.target = work.runs = None  # type: ignore[assignment]
    work.deployment = SimpleNamespace(deploy=unattended)  # type: ignore[assignment]
    work.begin(None, run, new=new)  # type: ignore[arg-type]
    assert told == ([{run.id}] if new else [])


def test_a_run_that_is_not_launched_is_launched_or_ended(lane: Lane) -> None:
    """What `watch` says to do about it works, each in its turn; so does what it says where its cluster is gone."""
    lane.program("print('once')\n# waits\n")
    assert lane.run("apply", "--local").code == 0

    def waiting(run: dict[str, object]) -> None:
        run.update(state="launching", attempts=[], exit_code=None, cost=None)

    run_id = lane.recorded(waiting)
    told = lane.run("watch", "--local")
    assert (told.code, told.err.splitlines()[1:]) == (
        2,
        ["  run `apply` as for this run: it launches it", f"  or end it: python -m reconciler stop {run_id} --local"],
    )
    lane.client("ecs").delete_cluster(cluster="tiny")
    assert "run `apply`" in lane.run("watch", "--local").err
    assert lane.run("apply", "--local").code == 0
    assert (records(lane)[0]["id"], records(lane)[0]["state"]) == (run_id, "succeeded")
    lane.recorded(waiting)
    assert lane.run("stop", run_id, "--local").code == 0
    assert records(lane)[0]["state"] == "stopped"


def test_a_record_alone_makes_no_workers(embedded_aws: EmbeddedAws) -> None:
    launcher = Launcher(embedded_aws)
    run = replace(launcher.run, inputs={"workers": {"engine": "dask", "count": 50, "cpu": 256, "memory": 512}})
    with pytest.raises(ReconcilerError, match=r"deploy\.yaml has no run\.workers"):
        prepared(launcher.aws, launcher.runs, launcher.launch, run)


def test_one_that_is_stopped_before_its_certificate_is_made_leaves_none(embedded_aws: EmbeddedAws) -> None:
    launcher = Launcher(embedded_aws)
    launch = replace(launcher.launch, worker_size=Size(1, 256, 512))
    run = replace(launcher.run, inputs={"workers": {"engine": "dask", "count": 1, "cpu": 256, "memory": 512}})
    launcher.runs.put(run)
    ensure, made = launcher.aws.ensure, list[str]()

    def behind(service: str, operation: str, /, **params: Any) -> Any:
        theirs = Runs(launcher.aws, launcher.runs.bucket)
        theirs.get(run.id)
        theirs.put(replace(run, state=State.STOPPED))
        made.append(params["Name"])
        return ensure(service, operation, **params)

    launcher.aws.ensure = behind  # type: ignore[method-assign]
    with pytest.raises(Changed):
        prepared(launcher.aws, launcher.runs, launch, run)
    assert not embedded_aws.client("ssm").get_parameters(Names=made)["Parameters"]
    assert made


def of_workers(embedded: EmbeddedAws, program: str = "") -> Launcher:
    """Launches a run with a worker, and with a deadline."""
    made = Launcher(embedded, program)
    made.run = replace(made.run, inputs={"workers": {"engine": "dask", "count": 1, "cpu": 256, "memory": 512}})
    role = embedded.role(unique("stop"), service="scheduler.amazonaws.com")
    limits = Limits(600, None, REGION)
    made.launch = replace(
        made.launch, deploy=unique("of-workers"), worker_size=Size(1, 256, 512),
        deadline=Deadline("tests", made.launch.cluster, role, limits),
    )  # fmt: skip
    return made


def certificates(launcher: Launcher) -> list[str]:
    """The runs that have a certificate."""
    ssm = launcher.embedded.client("ssm")
    parameters = ssm.get_parameters_by_path(Path=certificates_path(launcher.launch.deploy))["Parameters"]
    return sorted(parameter["Name"].rpartition("/")[2] for parameter in parameters)


@pytest.mark.parametrize("refused", ["subnets", "definitions"])
def test_a_launch_that_is_refused_leaves_nothing_and_is_made_later(embedded_aws: EmbeddedAws, refused: str) -> None:
    launcher = of_workers(embedded_aws)
    good = launcher.launch
    bad = {
        "subnets": replace(good, subnets=("subnet-0123456789abcdef0",)),
        "definitions": replace(good, task_definition=good.task_definition + "000"),
    }[refused]
    with pytest.raises(ReconcilerError):
        start(launcher.aws, launcher.runs, bad, launcher.run, recorded=False)
    assert certificates(launcher) == []
    scheduler = embedded_aws.client("scheduler")
    assert not [schedule for schedule in scheduler.list_schedules()["Schedules"] if launcher.run.id in schedule["Name"]]
    left = launcher.runs.get(launcher.run.id)
    assert left is not None
    launched, seen = start(launcher.aws, launcher.runs, good, left, recorded=True)
    assert (launched.state, seen.end, certificates(launcher)) == (State.RUNNING, None, [launcher.run.id])


def test_a_certificate_that_nobody_deletes_expires() -> None:
    made = list[Mapping[str, Any]]()
    aws = SimpleNamespace(clock=SimpleNamespace(now=lambda: NOON), ensure=lambda *words, **given: made.append(given))
    assert put_certificate(cast(Any, aws), "tiny", a_run()) == made[0]["Name"]
    assert made[0]["Tier"] == "Advanced"
    assert [is_over(made[0]["Policies"], NOON + days * 86_400) for days in (0, 59.9, 60.1)] == [False, False, True]


@pytest.mark.parametrize("unattended", [False, True])
def test_what_is_left_of_runs_that_nobody_saw_end(embedded_aws: EmbeddedAws, unattended: bool) -> None:
    """unattended: nor the function, such as one that was deleted."""
    launcher = of_workers(embedded_aws)
    now, place, ids = (
        launcher.clock.now(),
        launcher.launch.place,
        [f"20260101-000000-{number:08x}" for number in range(9)],
    )
    launcher.run = replace(launcher.run, inputs={})
    ended = launcher.again()  # which nobody sees
    launcher.runs.put(replace(ended, unattended=unattended))
    embedded_aws.finished(ended.task_arn)
    old, new = (Attempt(1, "FARGATE", "", now - ago) for ago in (4000, 10))
    interrupted = replace(old, event=Event.INTERRUPTION, task_arn=ended.task_arn)
    records = {
        "over": replace(ended, state=State.FAILED),
        "launched by nobody": replace(ended, state=State.LAUNCHING, attempts=(old,)),
        "never launched": replace(ended, state=State.LAUNCHING, attempts=(), created=now - 4000),
        "its retry is nobody's": replace(ended, attempts=(interrupted,)),
        "being launched": replace(ended, state=State.LAUNCHING, attempts=(new,)),
        "to be launched": replace(ended, state=State.LAUNCHING, attempts=(), created=now),
        "a retry": replace(ended, attempts=(replace(interrupted, stopped=now - 10),)),
    }
    kept = {ids[n] for n, name in enumerate(records) if name in ("being launched", "to be launched", "a retry")}
    for run_id, record in zip(ids, records.values(), strict=False):
        attempts = tuple(replace(attempt, token=f"{run_id}-1") for attempt in record.attempts)
        launcher.runs.put(replace(record, id=run_id, fingerprint=run_id[-8:] * 8, attempts=attempts))
    launcher.aws.call("s3", "PutObject", Bucket=launcher.runs.bucket, Key=f"runs/{ids[8]}/run.json", Body=b"[")
    for name in (ended.id, *ids, "theirs"):  # there is no record of ids[7]
        embedded_aws.client("ssm").put_parameter(
            Name=secret_name(launcher.launch.deploy, name), Value="x", Type="SecureString"
        )
    mine, rules = ids[0], Rules(("FARGATE",), Retry(0, 1, 0, (), 1.0, None, None), Limits(None, None, REGION))
    delete_left(launcher.aws, launcher.runs, place, rules, launcher.launch.deploy, mine)
    assert certificates(launcher) == sorted({mine, ids[8], "theirs", *kept})


def test_a_family_of_somebody_else_gets_no_definition_of_a_run(embedded_aws: EmbeddedAws) -> None:
    """`destroy` would take theirs with ours."""
    launcher = Launcher(embedded_aws)
    launch = replace(launcher.launch, worker_size=Size(1, 256, 512))
    theirs = embedded_aws.client("ecs").register_task_definition(
        family=again_family(launch.place.family),
        containerDefinitions=[{"name": "main", "image": "theirs", "memory": 64}],
    )["taskDefinition"]
    run = replace(launcher.run, inputs={"workers": {"engine": "dask", "count": 1, "cpu": 256, "memory": 512}})
    with pytest.raises(ReconcilerError, match="isn't this deploy's"):
        prepared(launcher.aws, launcher.runs, launch, run)
    families = embedded_aws.client("ecs").list_task_definitions(familyPrefix=theirs["family"])
    assert families["taskDefinitionArns"] == [theirs["taskDefinitionArn"]]


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ("arn:aws:ecs:us-east-1:123456789012:task-definition/tiny-again:3", True),
        ("arn:aws:ecs:us-east-1:123456789012:task-definition/tiny:3", False),
        ("arn:aws:ecs:us-east-1:210987654321:task-definition/tiny-again:3", False),
        ("arn:aws:ecs:us-east-1:123456789012:task-definition/tiny-again:0", False),
        ("arn:aws:ecs:us-east-1:123456789012:task-definition/tiny-again", False),
        ("tiny-again:3", False),
        ("3", False),
        ("", False),
    ],
)
def test_which_definition_is_a_runs_own(recorded: str, expected: bool) -> None:
    """A record may say anything: `3` would be the newest of a family that is called so."""
    deploys = "arn:aws:ecs:us-east-1:123456789012:task-definition/tiny:7"
    launch = LaunchSettings("tiny", "tiny", deploys, "main", (), "sg", True, "/tests", "run", {})
    run = a_run(task_definition=recorded, like="20260101-000000-aaaaaaaa")
    assert has_own(run, deploys) is expected
    if expected:
        assert launch_like(launch, run).task_definition == recorded
    else:
        with pytest.raises(UserError, match="which isn't a definition that `apply --like` makes"):
            launch_like(launch, run)
