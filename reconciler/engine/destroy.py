"""Destroy as a library call: read, plan, show and ask, lock, plan again, execute, forget.

    destroy(deployment, options, events, lock=lock)

It prints nothing; `events.planned` shows the plan and asks, and ends it by raising. Where there is more once it has the
lock, which it may have waited for, or what was shown has changed, that is shown and asked for too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from reconciler.core.drift import Shown, larger
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

NAMED = 5  # resources that a warning names


def destroy(
    deployment: Deployment,
    options: Options,
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
    seen = deployment.observe(options)
    plan = deployment.plan_destroy(seen, options)
    events.planned(plan)
    if not _does(plan) and not lock.is_waited_for():
        # What an earlier one left that was stopped after its last deletion.
        if seen.kept != seen.recorded or lock.left_behind():
            with lock.guarding(deployment.aws):
                write_record(deployment.aws, deployment.deploy.name, seen.kept)
        _forget(deployment, seen.resources.keys())
        return Applied(plan, Outcome())
    if stop.is_set():
        raise Interrupted("interrupted before anything was deleted")
    _check(deployment, plan, events, ask_iam=ask_iam)
    with lock.guarding(deployment.aws):
        # Only what was shown, and of that what is still there and still ours. What is held back is told of.
        seen = deployment.observe(options, again=True)
        new_plan = deployment.plan_destroy(seen, options)
        shown = {step.address: step for step in plan.steps}
        if larger_steps := [step for step in new_plan.steps if larger(Shown(shown.get(step.address)), step)]:
            names = [str(step.address) for step in larger_steps]
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            events.warned(f"made or changed since the list was shown: {', '.join(names[:NAMED])}{more}")
            events.planned(new_plan)
            _check(deployment, new_plan, events, ask_iam=ask_iam)
        plan = new_plan
        events.executing()
        outcome = execute(plan, deployment.aws, deployment.kinds, events, recorded=seen.recorded, stop=stop)
        deleted = {step.address for step in outcome.done}
        remaining = seen.kept - deleted
        record: list[Callable[[], None]] = []
        if remaining != seen.recorded:
            record.append(lambda: write_record(deployment.aws, deployment.deploy.name, remaining, seen.recorded))
        _forget(deployment, seen.resources.keys() - deleted, *record)
    return Applied(plan, outcome)


def _forget(deployment: Deployment, remaining: Collection[Address], *tasks: Callable[[], None]) -> None:
    """Do `tasks`, and delete what runs left behind, at the same time. A later destroy does what this one couldn't.

    remaining: the resources that there still are.
    """
    deployment.aws.together(
        *tasks, lambda: _forget_certificates(deployment), lambda: _forget_schedules(deployment, remaining)
    )


def _forget_certificates(deployment: Deployment) -> None:
    """Delete the certificates of runs that nobody came back to, after the client that saw them through was killed.
    The file may no longer have `run.workers`.
    """
    for parameter in list(
        deployment.aws.pages("ssm", "GetParametersByPath", "Parameters", Path=certificates_path(deployment.deploy.name))
    ):
        deployment.aws.find("ssm", "DeleteParameter", Name=parameter["Name"])


def _forget_schedules(deployment: Deployment, remaining: Collection[Address]) -> None:
    """Delete schedules that would call the function about runs that weren't over: the next function of its name
    isn't to go on with them.

    remaining: the resources that there still are.
    """
    run, watcher = deployment.deploy.run, deployment.names.watcher
    if not (run.unattended or deployment.deploy.schedule) or Address("function", watcher) in remaining:
        return
    params = {"GroupName": "default", "NamePrefix": schedule_prefix(deployment.deploy.name)}
    for schedule in list(deployment.aws.pages("scheduler", "ListSchedules", "Schedules", **params)):
        if schedule["Target"]["Arn"].endswith(f":function:{watcher}"):  # a deadline stops a task, whoever is there
            deployment.aws.find("scheduler", "DeleteSchedule", Name=schedule["Name"])


def _does(plan: Plan) -> set[Address]:
    return {step.address for step in plan.steps if step.does}


def _check(deployment: Deployment, plan: Plan, events: Events, *, ask_iam: bool) -> None:
    if ask_iam and _does(plan) and (unsure := preflight.check(deployment.aws, plan, deployment.names)):
        events.warned(unsure)
