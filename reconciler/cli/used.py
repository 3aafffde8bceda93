"""What the tasks of a run used and what size is enough for that, as `runs show` and `diagnose` say it."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.cli.past_runs import Past
from reconciler.config import Deploy
from reconciler.core.errors import AwsError
from reconciler.core.fargate import FARGATE
from reconciler.run.cost import a_month
from reconciler.run.insights import late, ran, with_usage
from reconciler.run.retry import Attempt, out_of_memory
from reconciler.run.run import Run
from reconciler.run.state import State
from reconciler.run.usage import SETTING, Enough, Took, enough, size_text, usage_text


def measured(past: Past, run: Run) -> Run:
    """A run with what its tasks used, where Container Insights is on. That it can't be read now is said."""
    if not past.target.deploy.cluster.container_insights:
        return run
    try:
        return with_usage(past.aws, past.place, past.runs, run)
    except AwsError as error:
        past.runs.say(f"what the run used can't be read now: {error}")
        return run


def enough_for(deploy: Deploy, run: Run) -> Enough | None:
    """The size that is enough for a run; None where that isn't known: it was too small, or not Fargate's."""
    last = run.attempts[-1] if run.attempts else None
    size = run.size_of(last) if last else None
    if last is None or size is None or out_of_memory(last) or last.provider not in FARGATE:
        return None
    schedule = deploy.schedule
    took = Took(
        deploy.region,
        str(run.inputs.get("architecture", "X86_64")),
        run.seconds or 0.0,
        run.inputs.get("ephemeral_storage"),
        a_month(schedule.when) if schedule and schedule.enabled else None,
    )
    return enough([attempt.usage for attempt in run.attempts if attempt.usage], size, took)


def attempt_line(deploy: Deploy, run: Run, attempt: Attempt, now: float) -> str:
    """What an attempt used; empty where it isn't measured, or didn't run. now: seconds since the epoch."""
    on = deploy.cluster.container_insights
    if not ran(attempt) or (attempt.usage is None and not on):
        return ""
    started, stopped = attempt.started, attempt.stopped
    took = None if started is None or stopped is None else stopped - started
    is_late = on and late(attempt, now)
    return usage_text(attempt.usage, run.size_of(attempt), took, late=is_late)


def run_lines(deploy: Deploy, run: Run) -> Iterator[str]:
    """What size is enough for a run, or how that is found out."""
    last = run.attempts[-1] if run.attempts else None
    enough_size, size = enough_for(deploy, run), run.size_of(last) if last else None
    if enough_size and size:
        yield size_text(enough_size, size, whole=run.state is State.SUCCEEDED)
    elif last and last.usage and last.usage.measurements and out_of_memory(last):
        yield "it used all of its memory, so the size that is enough isn't known"
    elif any(ran(attempt) and not attempt.usage for attempt in run.attempts) and not deploy.cluster.container_insights:
        yield f"not measured; `{SETTING}` in deploy.yaml measures memory and processor (costs extra)"
