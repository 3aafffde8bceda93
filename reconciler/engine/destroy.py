"""Destroy as a library call: read, plan, show and ask, lock, plan again, execute, forget.

    destroy(here, allowed, events, lock=lock)

It prints nothing; `events.planned` shows the plan and asks, and ends it by raising.
"""

from __future__ import annotations

import threading

from reconciler.core.errors import Interrupted
from reconciler.core.plan import Options, Plan
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
    """Take away what is ours, and of that only what was shown. ask_iam: whether all permissions are there.

    Raises MissingPermissions before the first deletion; Locked, Interrupted, AwsError, and what `events` raises. A step
    that fails is told in the outcome.
    """
    stop = stop or threading.Event()
    seen = here.observe(allowed)
    plan = here.plan_destroy(seen, allowed)
    events.planned(plan)
    shown = {step.address for step in plan.steps if step.does}
    if not shown:
        # What an earlier one left that was stopped after its last deletion.
        if seen.kept != seen.recorded or lock.left_behind():
            with lock.guarding(here.aws):
                write_record(here.aws, here.deploy.name, seen.kept)
        return Applied(plan, Outcome())
    if stop.is_set():
        raise Interrupted("interrupted before anything was deleted")
    if ask_iam and (unsure := preflight.check(here.aws, plan, here.names)):
        events.warned(unsure)
    with lock.guarding(here.aws):
        # Only what was shown, and of that what is still there and still ours. What is held back is told of.
        seen = here.observe(allowed, again=True)
        now = here.plan_destroy(seen, allowed)
        plan = Plan(now.deploy, tuple(step for step in now.steps if step.held or step.address in shown))
        events.executing()
        outcome = execute(plan, here.aws, here.kinds, events, recorded=seen.recorded, stop=stop)
        left = seen.kept - {step.address for step in outcome.done}
        if left != seen.recorded:
            write_record(here.aws, here.deploy.name, left)
    return Applied(plan, outcome)
