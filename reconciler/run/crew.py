"""See to the worker tasks of a run: launch and replace them, stop them, take away what is left.

What is missing says `reconciler/run/workers.py`. Nothing about the tasks is recorded: ECS knows them by the attempt's
mark, so that whoever goes on with a run finds them. The same for a client and for the deploy's function, which has
nothing but boto3: `calls` is either's way to AWS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.core.errors import code_of
from reconciler.core.pages import pages
from reconciler.core.run_paths import task_id
from reconciler.core.workers import COUNT, mark_of, number_of, secret_name
from reconciler.run.retry import Attempt, Event
from reconciler.run.run import Overrides, Run
from reconciler.run.run_task import STATUSES, NotLaunched, has_stopped, is_old, launched
from reconciler.run.task_of_token import CONFLICT, Calls, described
from reconciler.run.verdict import TaskEnd
from reconciler.run.workers import (
    LAUNCHES,
    UNSEEN,
    KnownWorker,
    Size,
    address_of,
    how_ended,
    how_they_are,
    is_lost,
    just_ended,
    launches_of,
    missing,
    run_worker,
    size_of,
)

LOOK = 3.0  # seconds between looks at the workers
LOGS = 4  # workers' logs that are read in a second, at most
PAUSE = 30.0  # seconds more after a launch that was refused
AT_ONCE = 100  # tasks that DescribeTasks takes
WORKERS_TAG = "reconciler:workers"  # of a run's definition: the ARN of that of its workers
FAILED = (Event.ERROR, Event.TIMEOUT, Event.MAX_COST)  # ends that the loss of a worker may be behind
FORGOTTEN: Mapping[str, Any] = {"lastStatus": "STOPPED"}


class NoWorker(Exception):
    """A worker can't be launched; the text says why."""


@dataclass(frozen=True)
class Where:
    """Where workers are launched. providers: in the order in which they are tried."""

    cluster: str
    subnets: tuple[str, ...]
    security_group: str
    public_ip: bool
    providers: tuple[str, ...]


@dataclass
class Crew:
    """The workers of a run's newest attempt.

    overrides: what is different for the run's tasks. tell: told what becomes of them. observe: given each that runs or
    has run, by number, as ECS shows it, to read its log. losses: how those ended that were lost.
    """

    calls: Calls
    where: Where
    run: Run
    overrides: Overrides
    now: Callable[[], float]
    tell: Callable[[str], None] = lambda text: None
    observe: Callable[[int, Mapping[str, Any]], None] = lambda number, task: None
    losses: dict[str, str] = field(default_factory=dict)  # by the task's ARN
    _workers: dict[int, KnownWorker] = field(default_factory=dict)
    _looked: float | None = None
    _listed: bool = False
    _team: Team | None = None
    _last: str = ""
    _conflict: float | None = None  # since when tokens are refused that somebody else has used

    def tend(self, task: Mapping[str, Any]) -> bool:
        """Launch those that are missing, if the program's task runs. task: that, as ECS shows it. What hinders it is
        said, and it is to be tried again: then, and before its time, it is False.
        """
        # Each look reads the log of each worker, and CloudWatch answers so many questions a second.
        pause = max(LOOK, self._team.size.count / LOGS if self._team else 0.0)
        address, now = address_of(task), self.now()
        if not address or (self._looked is not None and now - self._looked < pause):
            return False
        self._looked = now
        try:
            self._look()
            team = self._team = self._team or team_of(self.calls, self.run)
            started = all(self._start(team, number, address) for number in missing(team.size.count, self._workers, now))
            self._conflict = None
            return started and not any(
                worker.task and just_ended(worker.task, now) for worker in self._workers.values()
            )
        except (*self.calls.FAILURES, NoWorker, NotLaunched) as error:
            # The program waits for them, and ends by itself if they don't come.
            self._looked = now + PAUSE
            # Whoever else sees to them may have launched it, with a variable that this one doesn't have.
            self._workers, self._listed = {}, False
            self._say(f"a worker can't be launched now: {error}")
        return False

    def ended(self, end: TaskEnd) -> TaskEnd:
        """Stop them, since the program's task has ended so. Returns that with how those ended that were lost.

        They end by themselves as soon as their scheduler is gone: that stopping them fails is said, and no more.
        """
        try:
            self._look(over=True)
            stop_workers(self.calls, self.where.cluster, self.run.attempts[-1:], "its run's attempt has ended")
        except self.calls.FAILURES as error:
            self.tell(f"the workers of run {self.run.id} end by themselves; stopping them failed: {error}")
        return self.with_why(end)

    def with_why(self, end: TaskEnd) -> TaskEnd:
        """How the program's task ended, with how the workers did that it may have failed for."""
        losses = self.losses.values() if end.event in FAILED else ()
        return replace(end, reason="; ".join(dict.fromkeys((end.reason, *losses))))

    def _look(self, *, over: bool = False) -> None:
        """Learn how they are, at first also those that somebody else has launched. over: their scheduler is gone."""
        if not self._listed:
            for task in workers_of(self.calls, self.where.cluster, self.run.attempts[-1].token):
                self._learn(task, new=True, over=over)
            self._listed = True
        arns = [str(worker.task["taskArn"]) for worker in self._workers.values() if worker.task is not None]
        for at in range(0, len(arns), AT_ONCE):
            for task in described(self.calls, self.where.cluster, arns[at : at + AT_ONCE]):
                self._learn(task, new=False, over=over)
        for number, worker in self._workers.items():
            if worker.task is not None:
                self.observe(number, worker.task)

    def _learn(self, task: Mapping[str, Any], *, new: bool, over: bool) -> None:
        number = number_of(str(task.get("group", "")))
        worker, created = self._workers.get(number, KnownWorker()), task.get("createdAt")
        newer = not new or worker.task is None or (created and created.timestamp() >= worker.launched)
        launched = created.timestamp() if created else worker.launched
        # ECS forgets the earlier ones: how often it was launched tells the newest.
        launches = max(worker.launches, launches_of(task))
        self._workers[number] = KnownWorker(launches, task if newer else worker.task, max(launched, worker.launched))
        if is_lost(task, over=over or just_ended(task, self.now())) and task["taskArn"] not in self.losses:
            self.losses[str(task["taskArn"])] = text = how_ended(task)
            self.tell(f"{text}; after {LAUNCHES} launches there is no other" if launches >= LAUNCHES else text)

    def _start(self, team: Team, number: int, address: str) -> bool:
        """Launch a worker's task. False where no provider has room.

        Where a token has launched one before, which has ended since and ECS may have forgotten, the next is tried.
        """
        providers = self.where.providers
        while (launches := self._workers.get(number, KnownWorker()).launches) < LAUNCHES:
            task, why = None, ""
            for provider in providers[min(launches, len(providers) - 1) :]:
                task, why = self._run_task(team, number, launches, address, provider)
                if task is not None:
                    break
            if task is FORGOTTEN:
                self._workers[number] = KnownWorker(launches + 1, None, 0.0)
                continue
            if task is None:
                self._say(f"there is no room for worker {number} yet: {why}")
                return False
            self._workers[number] = KnownWorker(launches + 1, task, self.now())
            if not self._is_gone(task):
                self.tell(f"worker {number} on {provider}")
                break
        return True

    def _is_gone(self, task: Mapping[str, Any]) -> bool:
        """Whether a task that RunTask has answered is an earlier launch's that has ended. Raises what calls raise."""
        if not has_stopped(task) and is_old(task, self.now()):
            task = next(iter(described(self.calls, self.where.cluster, [str(task["taskArn"])])), FORGOTTEN)
        return has_stopped(task)

    def _say(self, text: str) -> None:
        if text != self._last:
            self._last = text
            self.tell(text)

    def _run_task(
        self, team: Team, number: int, launches: int, address: str, provider: str
    ) -> tuple[Mapping[str, Any] | None, str]:
        """(task, ""), or (None, why) where there is no room for it; FORGOTTEN for one that somebody has launched with
        something else that differs, and that ECS shows no more. Raises NotLaunched, and what calls raise.
        """
        where = self.where
        request = run_worker(
            self.run,
            number,
            launches,
            address,
            provider,
            team.size,
            self.overrides,
            cluster=where.cluster,
            task_definition=team.definition,
            subnets=where.subnets,
            security_group=where.security_group,
            public_ip=where.public_ip,
        )
        try:
            answer = self.calls.call("ecs", "RunTask", **request)
        except self.calls.FAILURES as error:
            if code_of(error) != CONFLICT:
                raise
            # It may have been launched a moment ago: what ECS shows is looked at again before it is given up.
            self._conflict = self.now() if self._conflict is None else self._conflict
            if self.now() - self._conflict < UNSEEN:
                raise
            return FORGOTTEN, ""
        return launched(answer)


@dataclass(frozen=True)
class Team:
    """What the workers of a run are, by its definitions: a record may say anything. definition: ARN of theirs."""

    definition: str
    size: Size


def team_of(calls: Calls, run: Run) -> Team:
    """What the workers of a run are launched with. Two reads. Raises NoWorker, and what calls raise."""
    answer = calls.call("ecs", "DescribeTaskDefinition", taskDefinition=run.task_definition, include=["TAGS"])
    arn = next((str(tag["value"]) for tag in answer.get("tags") or () if tag["key"] == WORKERS_TAG), "")
    variables = [
        variable for c in answer["taskDefinition"]["containerDefinitions"] for variable in c.get("environment") or ()
    ]
    count = next((variable.get("value", "") for variable in variables if variable["name"] == COUNT), "")
    if not arn or not count.isdigit():
        raise NoWorker(f"the definition of run {run.id}, {run.task_definition}, doesn't tell of its workers")
    definition = calls.call("ecs", "DescribeTaskDefinition", taskDefinition=arn)["taskDefinition"]
    return Team(arn, Size(int(count), int(definition["cpu"]), int(definition["memory"])))


def workers_of(calls: Calls, cluster: str, token: str) -> list[Mapping[str, Any]]:
    """The worker tasks of an attempt that ECS knows, those that have stopped within the last hour too, the oldest
    first. Raises what calls raise.
    """
    tasks: list[Mapping[str, Any]] = []
    for status in STATUSES:
        arns = list(_arns(calls, cluster, token, status))
        for at in range(0, len(arns), AT_ONCE):
            tasks += described(calls, cluster, arns[at : at + AT_ONCE])
    return sorted(tasks, key=lambda task: str(task.get("createdAt", "")))


def how_workers_are(calls: Calls, cluster: str, run: Run) -> str:
    """How the workers of a run that is under way are; empty where it has none. Raises what calls raise."""
    size, last = size_of(run), run.attempts[-1] if run.attempts else None
    if size is None or last is None or not last.task_arn or last.event is not None or run.state.over:
        return ""
    return how_they_are(workers_of(calls, cluster, last.token), size.count)


def stop_workers(calls: Calls, cluster: str, attempts: Sequence[Attempt], reason: str) -> None:
    """Stop the worker tasks of these attempts. Raises what calls raise."""
    arns = [arn for attempt in attempts for arn in _arns(calls, cluster, attempt.token, "RUNNING")]
    calls.each(lambda arn: calls.find("ecs", "StopTask", cluster=cluster, task=task_id(arn), reason=reason), arns)


def _arns(calls: Calls, cluster: str, token: str, status: str) -> Iterator[str]:
    params = {"cluster": cluster, "startedBy": mark_of(token), "desiredStatus": status}
    for page in pages(
        lambda continuation: calls.find("ecs", "ListTasks", **params, **continuation), {"nextToken": "nextToken"}
    ):
        yield from page.get("taskArns") or ()


def end_of_run(calls: Calls, deploy: str, cluster: str, tell: Callable[[str], None], run: Run) -> None:
    """Stop what is left of the workers of a run that is over, and take its certificate away, also where they can't be
    stopped. tell: told what hinders it.
    """
    if size_of(run) is None:
        return
    try:
        stop_workers(calls, cluster, run.attempts, "its run is over")
    except calls.FAILURES as error:
        tell(f"what run {run.id} left of its workers stays: {error}")
    delete_certificate(calls, deploy, tell, run)


def delete_certificate(calls: Calls, deploy: str, tell: Callable[[str], None], run: Run) -> None:
    """Take away the certificate of a run's tasks. tell: told what hinders it."""
    try:
        calls.find("ssm", "DeleteParameter", Name=secret_name(deploy, run.id))
    except calls.FAILURES as error:
        tell(f"the certificate of run {run.id} stays: {error}")
