"""See to the worker tasks of a run: make what they need, launch and replace them, stop them, take away what is left.

What is missing says `reconciler/run/workers.py`. Nothing about the tasks is recorded: ECS knows them by the attempt's
mark, so that whoever goes on with a run finds them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from reconciler.aws.calls import Aws
from reconciler.core.container import Container
from reconciler.core.errors import AwsError, Denied, Interrupted, ReconcilerError, Unreachable
from reconciler.core.fargate import FARGATE
from reconciler.core.run_paths import again_family, task_id
from reconciler.core.secret import KNOWN
from reconciler.core.spec import OWNER_TAG
from reconciler.core.workers import (
    ADDRESS,
    CERTIFICATES,
    COUNT,
    ENCRYPTED,
    SCHEDULER,
    WORKER,
    group_of,
    mark_of,
    number_of,
    port_of,
    secret_name,
)
from reconciler.kinds import TaskDefinition, TaskDefinitionSpec
from reconciler.kinds.ecs_task_definition import AGAIN_TAG, request
from reconciler.run.certificate import new_certificate
from reconciler.run.logs import Line, TaskLog
from reconciler.run.retry import NO_ROOM, Attempt, Event
from reconciler.run.run import Run
from reconciler.run.run_task import STATUSES, why_none
from reconciler.run.verdict import Verdict
from reconciler.run.workers import (
    Known,
    Size,
    address_of,
    how_ended,
    is_lost,
    missing,
    run_worker,
    scheduler_command,
    size_of,
)

if TYPE_CHECKING:
    from reconciler.run.launch import Launch

LOOK = 3.0  # seconds between looks at the workers
PAUSE = 30.0  # seconds more after a launch that was refused
LOGS = 4  # workers' logs that are read in a second, at most
BEFORE = ("PROVISIONING", "PENDING", "ACTIVATING")
AT_ONCE = 100  # tasks that DescribeTasks takes
WORKERS_TAG = "reconciler:workers"  # of a run's definition: the ARN of that of its workers
NO_PAUSE = {"DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False", "DASK_LOGGING__DISTRIBUTED": "warning"}
DASK = ("python", "-m", "dask")


def is_prepared(launch: Launch, run: Run) -> bool:
    """Whether a run with workers has its own definition."""
    family = launch.task_definition.rpartition("/")[2].partition(":")[0]
    return run.task_definition.rpartition("/")[2].partition(":")[0] == again_family(family)


def prepare(aws: Aws, launch: Launch, run: Run, size: Size) -> Run:
    """Make what a run with workers needs: its certificate as a secret, and definitions of its own, since a secret is
    named nowhere else. Returns the run with its definition. To do it again does no harm. Raises AwsError.
    """
    name, pem = secret_name(launch.deploy, run.id), new_certificate(run.id)
    KNOWN.add(pem)
    aws.ensure("ssm", "PutParameter", Name=name, Value=pem, Type="SecureString", Description=f"TLS of run {run.id}")
    found = TaskDefinition(plain=True).revision(aws, launch.task_definition)
    if found is None:
        raise ReconcilerError(f"there is no task definition {launch.task_definition}", hint="run `apply`")
    for_workers, for_program = definitions(found.spec, launch, run, size, aws.arn("ssm", f"parameter{name}"))
    made = aws.call("ecs", "RegisterTaskDefinition", **request(for_workers))["taskDefinition"]["taskDefinitionArn"]
    spec = for_program.model_copy(update={"tags": {**for_program.tags, WORKERS_TAG: made}})
    registered = aws.call("ecs", "RegisterTaskDefinition", **request(spec))["taskDefinition"]
    return replace(run, task_definition=str(registered["taskDefinitionArn"]))


def definitions(
    spec: TaskDefinitionSpec, launch: Launch, run: Run, size: Size, secret: str
) -> tuple[TaskDefinitionSpec, TaskDefinitionSpec]:
    """What a run's workers are launched with, and what its program is, with the scheduler beside it. Pure.

    spec: the deploy's definition; secret: the ARN of what has the run's certificate.
    """
    program = next(one for one in spec.containers if one.name == launch.container)
    environment = {**NO_PAUSE, **program.environment, ENCRYPTED: "True"}
    dask = {
        "secrets": dict(sorted((program.secrets | dict.fromkeys(CERTIFICATES, secret)).items())),
        "environment": dict(sorted(environment.items())),
    }

    def beside(name: str, command: tuple[str, ...]) -> Container:
        changed = {"name": name, "entrypoint": DASK, "command": command, "extra": {}, **dask}
        return program.model_copy(update=changed)

    found = {ADDRESS: f"tls://127.0.0.1:{port_of(run.id)}", COUNT: str(size.count)}
    wait = {"dependsOn": [{"containerName": SCHEDULER, "condition": "START"}]}
    changed = {**dask, "environment": dict(sorted({**environment, **found}.items()))}
    main = program.model_copy(update={**changed, "extra": {**program.extra, **wait}})
    others = [one for one in spec.containers if one.name != launch.container]
    # A program may shut it down and go on: only its own end is that of the task.
    scheduler = beside(SCHEDULER, scheduler_command(run.id)).model_copy(update={"essential": False})
    own = {
        "name": again_family(spec.name),
        "tags": {k: v for k, v in spec.tags.items() if k != OWNER_TAG} | {AGAIN_TAG: launch.deploy},
    }
    worker = {"cpu": size.cpu, "memory": size.memory, "compatibilities": ("FARGATE",), "extra": {}}
    alone = {"containers": (beside(WORKER, ("worker", "--help")),)}  # each is launched with a command of its own
    return (
        spec.model_copy(update={**own, **worker, **alone}),
        spec.model_copy(update={**own, "containers": (main, *others, scheduler)}),
    )


@dataclass
class Crew:
    """The workers of a run's newest attempt. said: told what becomes of them; line: given their log lines, as a watcher
    is; lost: how those ended that were lost.
    """

    aws: Aws
    launch: Launch
    run: Run
    said: Callable[[str], None] = lambda text: None
    line: Line = lambda container, text, timestamp: None
    lost: dict[str, str] = field(default_factory=dict)  # by the task's ARN
    _known: dict[int, Known] = field(default_factory=dict)
    _looked: float | None = None
    _since: float = 0.0  # when the first look was: what they wrote before it was seen by another
    _team: Team | None = None
    _logs: dict[str, TaskLog] = field(default_factory=dict)  # by the task's ARN
    _last: str = ""

    def tend(self, task: Mapping[str, Any]) -> None:
        """Launch those that are missing, if the program's task runs. task: that, as ECS shows it. What hinders it is
        said, and it is tried again.
        """
        address, now = address_of(task), self.aws.clock.now()
        # Each look reads the log of each worker, and CloudWatch answers so many questions a second.
        pause = max(LOOK, self._team.size.count / LOGS if self._team else 0.0)
        if not address or (self._looked is not None and now - self._looked < pause):
            return
        first, self._looked, self._since = self._looked is None, now, self._since or now
        try:
            self._look(first=first)
            self._read()
            team = self._team = self._team or team_of(self.aws, self.run)
            for number in missing(team.size.count, self._known, now):
                if not self._start(team, number, address):
                    return  # there is no room now
        except Interrupted:
            raise
        except ReconcilerError as error:  # the program waits for them, and ends by itself if they don't come
            self._looked = now + PAUSE
            self._say(f"a worker can't be launched now: {error}")

    def ended(self, end: Verdict) -> Verdict:
        """Stop them, since the program's task has ended so. Returns that with how those ended that were lost.

        They end by themselves as soon as their scheduler is gone: that stopping them fails is said, and no more.
        """
        try:
            self._look(first=self._looked is None, over=True)
            self._read()
            stop_workers(self.aws, self.launch.cluster, self.run.attempts[-1], "its run's attempt has ended")
        except AwsError as error:
            self.said(f"the workers of run {self.run.id} end by themselves; stopping them failed: {error}")

        return self.with_why(end)

    def with_why(self, end: Verdict) -> Verdict:
        """How the program's task ended, with how the workers did that it may have failed for."""
        lost = self.lost.values() if end.event is Event.ERROR else ()
        return replace(end, reason="; ".join(dict.fromkeys((end.reason, *lost))))

    def _look(self, *, first: bool, over: bool = False) -> None:
        """Learn how they are. first: those that somebody else may have launched, too; over: their scheduler is gone."""
        token = self.run.attempts[-1].token
        for task in workers_of(self.aws, self.launch.cluster, token) if first else ():
            self._learn(task, new=True, over=over)
        arns = [str(one.task["taskArn"]) for one in self._known.values() if one.task is not None]
        for at in range(0, len(arns), AT_ONCE):
            for task in described(self.aws, self.launch.cluster, arns[at : at + AT_ONCE]):
                self._learn(task, new=False, over=over)

    def _read(self) -> None:
        """Hand on what is new in their logs. What can't be read now, or may not be, is left out."""
        for number, one in self._known.items():
            if one.task is None or one.task.get("lastStatus") in BEFORE:
                continue
            arn = str(one.task["taskArn"])
            if arn not in self._logs:
                log = self._logs[arn] = TaskLog(self.aws, self.launch.log_group, self.launch.log_prefix, arn)
                log.follow([WORKER])
                log.since = self._since if one.launched < self._since else None
            with contextlib.suppress(Unreachable, Denied):
                self._logs[arn].read(partial(self._line, number))

    def _line(self, number: int, container: str, text: str, timestamp: float) -> None:
        self.line(group_of(number), text, timestamp)

    def _learn(self, task: Mapping[str, Any], *, new: bool, over: bool) -> None:
        number = number_of(str(task.get("group", "")))
        one, created = self._known.get(number, Known()), task.get("createdAt")
        newer = not new or one.task is None or (created and created.timestamp() >= one.launched)
        launched = created.timestamp() if created else one.launched
        self._known[number] = Known(one.launches + new, task if newer else one.task, max(launched, one.launched))
        if is_lost(task, over=over) and task["taskArn"] not in self.lost:
            self.lost[str(task["taskArn"])] = how_ended(task)
            self.said(how_ended(task))

    def _start(self, team: Team, number: int, address: str) -> bool:
        """Launch a worker's task. False where no provider has room."""
        one, why = self._known.get(number, Known()), ""
        providers = self.launch.workers or FARGATE[:1]
        for provider in providers[min(one.launches, len(providers) - 1) :]:
            task, why = self._run_task(team, number, one.launches, address, provider)
            if task is not None:
                self._known[number] = Known(one.launches + 1, task, self.aws.clock.now())
                self.said(f"worker {number} on {provider}")
                return True
        self._say(f"there is no room for worker {number} yet: {why}")
        return False

    def _say(self, text: str) -> None:
        if text != self._last:
            self._last = text
            self.said(text)

    def _run_task(
        self, team: Team, number: int, launches: int, address: str, provider: str
    ) -> tuple[Mapping[str, Any] | None, str]:
        """(task, ""), or (None, why) where there is no room for it. Raises ReconcilerError, AwsError."""
        launch = self.launch
        request = run_worker(
            self.run, number, launches, address, provider, team.size, launch.given(self.run), cluster=launch.cluster,
            task_definition=team.definition, subnets=launch.subnets, security_group=launch.security_group,
            public_ip=launch.public_ip,
        )  # fmt: skip
        answer = self.aws.call("ecs", "RunTask", **request)
        for task in answer.get("tasks") or ():
            return task, ""
        why = why_none(answer)
        if NO_ROOM.search(why):
            return None, why
        raise ReconcilerError(f"ECS launched no worker: {why or 'it gave no reason'}")


@dataclass(frozen=True)
class Team:
    """What the workers of a run are, by its definitions: a record may say anything. definition: ARN of theirs."""

    definition: str
    size: Size


def team_of(aws: Aws, run: Run) -> Team:
    """Two reads. Raises ReconcilerError, AwsError."""
    found = TaskDefinition(plain=True).revision(aws, run.task_definition)
    arn = found.spec.tags.get(WORKERS_TAG, "") if found else ""
    theirs = TaskDefinition(plain=True).revision(aws, arn) if arn else None
    counts = [str(one.environment[COUNT]) for one in found.spec.containers if COUNT in one.environment] if found else []
    if theirs is None or not counts or not counts[0].isdigit():
        raise ReconcilerError(f"the definition of run {run.id}, {run.task_definition}, doesn't tell of its workers")
    return Team(arn, Size(int(counts[0]), theirs.spec.cpu, theirs.spec.memory))


def described(aws: Aws, cluster: str, arns: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    """Those of these tasks that ECS knows, a hundred at most. Raises AwsError."""
    answer = aws.find("ecs", "DescribeTasks", cluster=cluster, tasks=list(map(task_id, arns))) if arns else None
    return (answer or {}).get("tasks") or ()


def workers_of(aws: Aws, cluster: str, token: str, statuses: Sequence[str] = STATUSES) -> list[Mapping[str, Any]]:
    """The worker tasks of an attempt that ECS knows, those that have stopped within the last hour too, the oldest
    first. Raises AwsError.
    """
    found: list[Mapping[str, Any]] = []
    for status in statuses:
        where = {"cluster": cluster, "startedBy": mark_of(token), "desiredStatus": status}
        arns = list(aws.pages("ecs", "ListTasks", "taskArns", **where))
        for at in range(0, len(arns), AT_ONCE):
            found += described(aws, cluster, arns[at : at + AT_ONCE])
    return sorted(found, key=lambda task: str(task.get("createdAt", "")))


def stop_workers(aws: Aws, cluster: str, attempt: Attempt, reason: str) -> None:
    """Stop the worker tasks of an attempt. Raises AwsError."""
    where = {"cluster": cluster, "startedBy": mark_of(attempt.token), "desiredStatus": "RUNNING"}
    arns = list(aws.pages("ecs", "ListTasks", "taskArns", **where))
    aws.each(lambda arn: aws.find("ecs", "StopTask", cluster=cluster, task=task_id(arn), reason=reason), arns)


def end_of_run(aws: Aws, deploy: str, cluster: str, run: Run) -> None:
    """Stop what is left of a run that is over, and take its certificate away. Raises AwsError."""
    if size_of(run) is None:
        return
    if run.attempts:
        stop_workers(aws, cluster, run.attempts[-1], "its run is over")
    aws.find("ssm", "DeleteParameter", Name=secret_name(deploy, run.id))
