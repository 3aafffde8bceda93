"""Launch a task, once.

An attempt is recorded before `RunTask` is called, and its token is `clientToken` and `startedBy`. A launch whose
answer was lost, or whose caller was stopped, is found again by either and not made a second time. A token whose task
ECS has forgotten is given up: its attempt is lost, and the next has another.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.core.errors import AwsError, Interrupted, ReconcilerError, Unreachable, code_of
from reconciler.core.plain_json import plain
from reconciler.core.run_paths import SCHEDULED, output_prefix, task_id
from reconciler.core.secret import KNOWN
from reconciler.run import task_of_token, worker_definitions
from reconciler.run.cap import TOO_LITTLE, pays
from reconciler.run.crew import delete_certificate, end_of_run
from reconciler.run.launch_settings import LaunchSettings
from reconciler.run.log_place import of_definition
from reconciler.run.overrides import check_length
from reconciler.run.own_definition import has_own
from reconciler.run.place import Place
from reconciler.run.retry import Attempt, Event
from reconciler.run.run import Overrides, Run
from reconciler.run.run_record import Runs
from reconciler.run.run_task import counted, is_old, launched, read_overrides, run_task
from reconciler.run.state import State
from reconciler.run.step import LAUNCHED_BEFORE, Seen, accounts_for, given_up, why_unaccounted
from reconciler.run.stored import Changed
from reconciler.run.task_of_token import CONFLICT, Forgotten, launched_before, named_tasks
from reconciler.run.verdict import TaskEnd
from reconciler.run.workers import size_of as workers_of

CODE_VERSION = "CODE_VERSION"  # the variable with the commit of deploy.yaml
NO_DEADLINE = "its deadline (run.max_duration, run.max_cost) was refused"


def new_run(
    runs: Runs,
    launch: LaunchSettings,
    fingerprint: str,
    inputs: dict[str, Any],
    now: float,
    overrides: Overrides = Overrides(),  # noqa: B008  frozen
    *,
    previous: str = "",
    sweep: str = "",
    taken: Mapping[str, str] = MappingProxyType({}),
) -> Run:
    """A run that isn't launched yet. Its id is its time and the start of its fingerprint.

    previous: the id of the run before with this fingerprint; sweep: the id of the sweep that it is part of; taken:
    fingerprints by the ids that runs beside it have, which may begin alike.
    """
    first = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{fingerprint[:8]}"
    number = int(previous.removeprefix(first).lstrip("-") or 1) + 1 if previous.startswith(first) else 1
    numbered = (first if n == 1 else f"{first}-{n}" for n in itertools.count(number))  # several within a second
    run_id = next(run_id for run_id in numbered if taken.get(run_id, fingerprint) == fingerprint)
    return Run(
        id=run_id,
        fingerprint=fingerprint,
        state=State.LAUNCHING,
        created=now,
        inputs=inputs,
        output=f"s3://{runs.bucket}/{output_prefix(run_id)}",
        cluster=launch.cluster,
        container=launch.container,
        task_definition=launch.task_definition,
        log_group=launch.log_group,
        log_prefix=launch.log_prefix,
        overrides=overrides,
        sweep=sweep,
        code_version=launch.environment.get(CODE_VERSION, ""),
    )


def start(aws: Aws, runs: Runs, launch: LaunchSettings, run: Run, *, recorded: bool) -> tuple[Run, Seen]:
    """Launch the run's newest attempt. recorded: it was written down before, and is looked for, as it may be launched.

    Returns the run and what is known of the attempt: it has a task, or has ended for want of capacity. Where the task
    of its token is forgotten, that attempt is recorded as lost and the run has another. Raises AwsError,
    ReconcilerError.
    """
    attempt = run.attempts[-1]
    task = find_task(aws, launch.place, attempt) if recorded else None
    if not recorded:
        run = _written(runs, launch, run)
        attempt = run.attempts[-1]
    if task is None and workers_of(run) is not None:
        run = prepared(aws, runs, launch, run)
    if launch.deadline:
        with _nothing_left(aws, runs, launch, run) if task is None else contextlib.nullcontext():
            launch.deadline.make(aws, run, again=recorded, task=task)
    own_launch = launch.with_definition_of(run) if workers_of(run) else launch
    if task is None:
        try:
            task, reason = _run_task(aws, runs, own_launch, run, recorded=recorded)
        except Forgotten as forgotten:
            if launch.deadline:
                launch.deadline.remove(aws, attempt)
            runs.say(f"the task of run {run.id}: {LAUNCHED_BEFORE}; another is launched")
            run = given_up(run, str(forgotten), aws.clock.now())
            if launch.deadline and not pays(run, launch.deadline.limits):
                return run, Seen(end=TaskEnd(Event.MAX_COST, None, TOO_LITTLE))
            return start(aws, runs, launch, run, recorded=False)
        if task is None:
            if launch.deadline:
                launch.deadline.remove(aws, attempt)
            return run, Seen(end=TaskEnd(Event.NO_CAPACITY, None, reason))
    arn, attempt = str(task["taskArn"]), counted(attempt, task)
    run = run.with_attempt(attempt)
    if launch.deadline:
        try:
            launch.deadline.aim(aws, run, arn)
        except ReconcilerError:
            if not recorded:  # nothing is to run that nothing would end
                with contextlib.suppress(ReconcilerError):
                    aws.find("ecs", "StopTask", cluster=launch.cluster, task=task_id(arn), reason=NO_DEADLINE)
            raise
    run = _launched_with(aws, own_launch, run, task)
    run = replace(run.with_attempt(replace(attempt, task_arn=arn)), state=State.RUNNING)
    try:
        runs.put(run)
    except Changed:  # the function has taken it over since, which may have given this attempt up
        current = runs.get(run.id)
        if current and not accounts_for(current, attempt.number, arn):
            aws.find("ecs", "StopTask", cluster=launch.cluster, task=task_id(arn), reason=why_unaccounted(current))
        if current and current.state.over:
            end_of_run(aws, launch.deploy, launch.cluster, runs.say, run)
        raise
    return run, Seen(known_at=aws.clock.now())


def _written(runs: Runs, launch: LaunchSettings, run: Run) -> Run:
    """A run whose newest attempt is about to be launched for the first time, as it was written down."""
    if launch.retry:
        sized = runs.with_size(run, launch.retry)
        run = sized if launch.deadline is None or pays(sized, launch.deadline.limits) else run
    run = runs.with_checkpoint(run) if launch.checkpoint else run
    check_length(_request(launch, run, run.attempts[-1])["overrides"])
    runs.put(run)
    return run


def _launched_with(aws: Aws, launch: LaunchSettings, run: Run, task: Mapping[str, Any]) -> Run:
    """A run with the definition that its newest task has, which may be newer than its record, and where that logs."""
    definition = str(task.get("taskDefinitionArn") or run.task_definition)
    if definition == run.task_definition:
        return run
    place = launch.place if definition == launch.task_definition else of_definition(aws, launch.place, definition)
    run = replace(run, task_definition=definition)
    if place is None:
        return run
    return replace(run, container=place.container, log_group=place.log_group, log_prefix=place.log_prefix)


def prepared(aws: Aws, runs: Runs, launch: LaunchSettings, run: Run) -> Run:
    """A run that is recorded, with what its workers need, if it has any. Raises AwsError, ReconcilerError, Changed.

    How many and how large they are says the deploy: a record may say anything.
    """
    if workers_of(run) is None or run.state.over:
        return run
    if has_own(run, launch.task_definition):
        if launch.worker_size is not None:  # it may have lost its certificate while nobody saw to it
            worker_definitions.put_certificate(aws, launch.deploy, run)
        return run
    if launch.worker_size is None:
        raise ReconcilerError(
            f"the record of run {run.id} says that it has workers, but deploy.yaml has no run.workers",
            hint="write run.workers as it was, or stop the run",
        )
    with _nothing_left(aws, runs, launch, run):
        run = worker_definitions.prepare(aws, launch, run, launch.worker_size)
    try:
        runs.put(run)
    except Changed:
        if (current := runs.get(run.id)) is not None and current.state.over:  # who ended it found no certificate
            end_of_run(aws, launch.deploy, launch.cluster, runs.say, run)
        raise
    return run


def find_task(aws: Aws, place: Place, attempt: Attempt) -> Mapping[str, Any] | None:
    """The task of an attempt by its mark, running or stopped within the last hour or so, as ECS describes it, or with
    its ARN alone. Raises NotOurs, AwsError.
    """
    task = task_of_token.find_task(aws, place.cluster, attempt.token)
    return _checked(place, attempt, task) if task is not None else None


def _checked(place: Place, attempt: Attempt, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """The task of an attempt's token, if it is the deploy's as far as ECS describes it. Raises NotOurs."""
    known = "taskDefinitionArn" in task
    return place.check(task, replace(attempt, task_arn=str(task["taskArn"]))) if known else task


def known_task(aws: Aws, place: Place, attempt: Attempt) -> Mapping[str, Any] | None:
    """An attempt's task as ECS has it, which may have forgotten it. Raises NotOurs for one that isn't this deploy's,
    and for one that is another attempt's; AwsError.
    """
    if not place.may_hold(attempt.task_arn):
        raise place.refusal(attempt)
    answer = aws.find("ecs", "DescribeTasks", cluster=place.cluster, tasks=[task_id(attempt.task_arn)])
    return next((place.check(task, attempt) for task in (answer or {}).get("tasks") or ()), None)


def overrides_of(aws: Aws, launch: LaunchSettings, run: Run) -> Overrides | None:
    """What was different for a run, as ECS tells it of a task of the run's. Raises NotOurs, AwsError.

    None where its record says that something was, and ECS knows no task of it any more: the record alone isn't
    enough to launch another.
    """
    if run.schedule or run.overrides == Overrides():
        return Overrides()
    for attempt in reversed(run.attempts):
        task = known_task(aws, launch.place, attempt) if attempt.task_arn else None
        if task is not None:
            container = run.container or launch.container
            overrides = read_overrides(task, container, (*launch.environment, CODE_VERSION))
            if attempt.memory is not None:  # its own
                overrides = replace(overrides, cpu=run.overrides.cpu, memory=run.overrides.memory)
            KNOWN.learn_all(plain(overrides))
            return overrides
    return None


def _run_task(
    aws: Aws, runs: Runs, launch: LaunchSettings, run: Run, *, recorded: bool
) -> tuple[Mapping[str, Any] | None, str]:
    """(the task, ""), or (None, why) when there is no room for it. Raises Forgotten; AwsError, ReconcilerError, and
    then nothing is left of what was made for it, unless nobody knows whether it was launched.
    """
    attempt = run.attempts[-1]
    try:
        with _nothing_left(aws, runs, launch, run):
            task, why = launched(aws.call("ecs", "RunTask", **_request(launch, run, attempt)))
        if task is None or not (recorded and is_old(task, aws.clock.now())):
            return task, why
        named: tuple[str, ...] = (str(task["taskArn"]),)
    except AwsError as error:
        if error.code != CONFLICT:
            raise
        # Launched before, with something else that differs: this token's task is this attempt's.
        named = named_tasks(error)
    task = launched_before(aws, launch.cluster, attempt.token, named, aws.clock.sleep)
    return _checked(launch.place, attempt, task), ""


@contextlib.contextmanager
def _nothing_left(aws: Aws, runs: Runs, launch: LaunchSettings, run: Run) -> Iterator[None]:
    """Leave no schedule and no certificate of a launch that is refused: the next makes them again. Where nobody knows
    whether there is a task they stay.
    """
    try:
        yield
    except (Unreachable, Interrupted):
        raise
    except ReconcilerError as error:
        if code_of(error) != CONFLICT:
            if launch.deadline and run.attempts:
                with contextlib.suppress(AwsError):  # what was refused is what is told
                    launch.deadline.remove(aws, run.attempts[-1])
            if workers_of(run) is not None:
                delete_certificate(aws, launch.deploy, runs.say, run)
        raise


def _request(launch: LaunchSettings, run: Run, attempt: Attempt) -> dict[str, Any]:
    group = launch.schedule if run.id.startswith(SCHEDULED) else ""
    return run_task(
        attempt,
        run.id,
        group,
        launch.overrides(run),
        cluster=launch.cluster,
        task_definition=launch.task_definition,
        subnets=launch.subnets,
        security_group=launch.security_group,
        public_ip=launch.public_ip,
        exec_enabled=launch.exec_enabled,
    )
