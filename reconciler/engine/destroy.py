"""Destroy as a library call: read, plan, show and ask, lock, plan again, execute, forget.

    destroy(here, allowed, events, lock=lock)

It prints nothing; `events.planned` shows the plan and asks, and ends it by raising. Where there is more once it has the
lock, which it may have waited for, that is shown and asked for too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from reconciler.core.errors import Interrupted
from reconciler.core.plan import Options, Plan
from reconciler.core.run_paths import schedule_prefix
from reconciler.core.spec import Address
from reconciler.core.workers import certificates_path
from reconciler.engine.apply import Applied, Events
from reconciler.engine.deployment import Deployment
from reconciler.engine.execute import Outcome, execute
from reconciler.engine.lock import Lock
from reconciler.engine.ownership_record import write_record
from reconciler.permissions import preflight


def destroy(
    here: Deployment,
    allowed: Options,
    events: Events,
    *,
    lock: Lock,
    stop: threading.Event | None = None,
    ask_iam: bool = True,
) -> Applied:
    """Take away what is ours, and of that only what was shown last. ask_iam: whether all permissions are there.

    Raises MissingPermissions before the first deletion; Locked, Interrupted, AwsError, and what `events` raises. A step
    that fails is told in the outcome.
    """
    stop = stop or threading.Event()
    seen = here.observe(allowed)
    plan = here.plan_destroy(seen, allowed)
    events.planned(plan)
    if not _does(plan) and not lock.is_waited_for():
        # What an earlier one left that was stopped after its last deletion.
        if seen.kept != seen.recorded or lock.left_behind():
            with lock.guarding(here.aws):
                write_record(here.aws, here.deploy.name, seen.kept)
        _forget(here, seen.resources.keys())
        return Applied(plan, Outcome())
    if stop.is_set():
        raise Interrupted("interrupted before anything was deleted")
    _check(here, plan, events, ask_iam=ask_iam)
    with lock.guarding(here.aws):
        # Only what was shown, and of that what is still there and still ours. What is held back is told of.
        seen = here.observe(allowed, again=True)
        now = here.plan_destroy(seen, allowed)
        if more := _does(now) - _does(plan):
            events.warned(f"{len(more)} more to delete than before: somebody made them meanwhile")
            events.planned(now)
            _check(here, now, events, ask_iam=ask_iam)
        plan = now
        events.executing()
        outcome = execute(plan, here.aws, here.kinds, events, recorded=seen.recorded, stop=stop)
        done = {step.address for step in outcome.done}
        left = seen.kept - done
        record: list[Callable[[], None]] = []
        if left != seen.recorded:
            record.append(lambda: write_record(here.aws, here.deploy.name, left, seen.recorded))
        _forget(here, seen.resources.keys() - done, *record)
    return Applied(plan, outcome)


def _forget(here: Deployment, left: Collection[Address], *more: Callable[[], None]) -> None:
    """Do `more`, and delete what runs left behind, at the same time. A later destroy does what this one couldn't.

    left: the resources that there still are.
    """
    here.aws.together(*more, lambda: _forget_certificates(here), lambda: _forget_schedules(here, left))


def _forget_certificates(here: Deployment) -> None:
    """Delete the certificates of runs that nobody came back to, after the client that saw them through was killed.
    The file may no longer have `run.workers`.
    """
    for parameter in list(
        here.aws.pages("ssm", "GetParametersByPath", "Parameters", Path=certificates_path(here.deploy.name))
    ):
        here.aws.find("ssm", "DeleteParameter", Name=parameter["Name"])


def _forget_schedules(here: Deployment, left: Collection[Address]) -> None:
    """Delete schedules that would call the function about runs that weren't over: the next function of its name
    isn't to go on with them.

    left: the resources that there still are.
    """
    run, watcher = here.deploy.run, here.names.watcher
    if not (run.unattended or here.deploy.schedule) or Address("function", watcher) in left:
        return
    where = {"GroupName": "default", "NamePrefix": schedule_prefix(here.deploy.name)}
    for schedule in list(here.aws.pages("scheduler", "ListSchedules", "Schedules", **where)):
        if schedule["Target"]["Arn"].endswith(f":function:{watcher}"):  # a deadline stops a task, whoever is there
            here.aws.find("scheduler", "DeleteSchedule", Name=schedule["Name"])


def _does(plan: Plan) -> set[Address]:
    return {step.address for step in plan.steps if step.does}


def _check(here: Deployment, plan: Plan, events: Events, *, ask_iam: bool) -> None:
    if ask_iam and _does(plan) and (unsure := preflight.check(here.aws, plan, here.names)):
        events.warned(unsure)
