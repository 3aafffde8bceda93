"""See a scheduled run through, as `reconciler/run/supervise.py` does: launch, and again as the rules say."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

from reconciler.core.function_settings import AGAIN, PROVIDER, Watched
from reconciler.core.text import line
from reconciler.run.retry import Again, Event, again
from reconciler.run.scheduled_record import cost_of, with_attempt
from reconciler.run.state import State
from reconciler.run.stop_schedule import schedule_name
from reconciler.run.stored import Record
from reconciler.scheduled.aws import there
from reconciler.scheduled.launch import launch
from reconciler.scheduled.record import is_over, over, put, read

SHORT = 60.0  # seconds that are slept; for a longer pause Scheduler, exact to a minute, calls the function again


def see_through(watched: Watched, run: Record) -> Record | None:
    """Launch what isn't launched, and again after what has ended: until the run is over, which is its record, or
    something else goes on with it, which is None. Raises ClientError.
    """
    while not is_over(run):
        if run["attempts"][-1].event is None:
            run = launch(watched, run)
            if is_over(run):
                break
            if run["attempts"][-1].event is None:
                return None  # the end of its task is the next event
        following = _following(watched, run)
        if isinstance(following, str):
            return over(watched, run, following)
        put(watched, run | {"state": State.RUNNING})
        if following.pause > SHORT:
            _call_again(watched, run, following)
            return None
        time.sleep(following.pause)
        found = after_pause(watched, run["id"], run["attempts"][-1].number, following.provider)
        if found is None:
            return None
        run = found
    return run


def after_pause(watched: Watched, run_id: str, number: int, provider: str) -> Record | None:
    """The run with one more attempt than this number, which isn't launched yet; or its end, if somebody stopped it.

    None where it has been launched, by whoever else watches it, and for a run whose record is gone.
    """
    run = read(watched, run_id)
    if run is None or is_over(run):
        return run
    newest = run["attempts"][-1]
    if newest.number != number:
        return None if newest.task_arn or newest.event else run
    if run["state"] == State.STOPPING:
        return over(watched, run, "stopped by the user", State.STOPPED)
    run = with_attempt(run | {"state": State.RUNNING}, provider, time.time())
    put(watched, run)  # before the launch, so that it is found again by its token
    return run


def _following(watched: Watched, run: Record) -> Again | str:
    attempts, now = run["attempts"], time.time()
    if attempts[-1].event is Event.SUCCESS:
        return ""
    return again(watched.retry, watched.capacity, attempts, cost=cost_of(watched, run, now), now=now)


def _call_again(watched: Watched, run: Record, following: Again) -> None:
    """Have Scheduler call the function when the pause is over: there may be hours of them, and Lambda has minutes."""
    token = run["attempts"][-1].token
    when = datetime.fromtimestamp(time.time() + following.pause, UTC)
    there(
        "scheduler",
        "CreateSchedule",
        Name=schedule_name(watched.deploy, f"{token}-again"),
        ScheduleExpression=f"at({when:%Y-%m-%dT%H:%M:%S})",
        ScheduleExpressionTimezone="UTC",
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Description=f"Goes on with a run of {watched.deploy} after a pause",
        Target={
            "Arn": watched.function,
            "RoleArn": watched.call_role,
            "Input": json.dumps({AGAIN: token, PROVIDER: following.provider}),
            "RetryPolicy": {"MaximumRetryAttempts": 10, "MaximumEventAgeInSeconds": 3600},
            "DeadLetterConfig": {"Arn": watched.dead_letters},
        },
    )
    print(line(f"{run['id']}: {following.why}, again on {following.provider} in {following.pause:.0f} s"))
