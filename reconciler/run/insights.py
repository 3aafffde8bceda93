"""Read what the tasks of a run used, as Container Insights measured it, and keep it in the run's record.

Nobody waits for it: it is read by whoever shows a run, once. In the record it outlives the events of the log group.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.core.aws_names import USAGE_GROUP
from reconciler.core.errors import Denied, Gone
from reconciler.core.run_paths import task_id
from reconciler.run.place import Place
from reconciler.run.retry import Attempt
from reconciler.run.run import Run
from reconciler.run.run_record import Runs
from reconciler.run.usage import AT_ONCE, LATE, pattern, used

PAGES = 100  # of an answer that are read at most
MARGIN = 60.0  # seconds before and after a task in which its events are looked for


def with_usage(aws: Aws, place: Place, runs: Runs, run: Run) -> Run:
    """A run with what its attempts used, as far as its record doesn't say it and Container Insights does.

    What can't change any more is put into the record, if the caller may write that. Raises AwsError.
    """
    unread = [
        attempt
        for attempt in run.attempts
        if ran(attempt) and attempt.usage is None and place.may_hold(attempt.task_arn)
    ]
    unread, now = unread[-AT_ONCE:], aws.clock.now()
    if not unread:
        return run
    ids = [task_id(attempt.task_arn) for attempt in unread]
    messages = _events(aws, place, ids, unread, now)
    if messages is None:
        return run
    usage_by_task = used(messages, ids)
    usages = {attempt.number: usage_by_task[task_id(attempt.task_arn)] for attempt in unread}
    run = replace(run, attempts=tuple(replace(a, usage=usages.get(a.number, a.usage)) for a in run.attempts))
    if run.state.over and not any(late(attempt, now) for attempt in unread):
        with contextlib.suppress(Denied):  # whoever may only read reads it again
            runs.keep_usage(run)
    return run


def ran(attempt: Attempt) -> bool:
    """Whether an attempt's program has begun, or may have."""
    return bool(attempt.task_arn) and (attempt.started is not None or attempt.event is None)


def late(attempt: Attempt, now: float) -> bool:
    """Whether more may come of what an attempt used. now: seconds since the epoch."""
    return attempt.stopped is None or now < attempt.stopped + LATE


def _events(aws: Aws, place: Place, ids: Sequence[str], attempts: Sequence[Attempt], now: float) -> list[str] | None:
    """The events of these tasks, at most so many pages; None where there are none to be read."""
    params: dict[str, Any] = {"logGroupName": USAGE_GROUP.format(cluster=place.cluster), "filterPattern": pattern(ids)}
    params["startTime"] = int(max(min(attempt.launched for attempt in attempts) - MARGIN, 0.0) * 1000)
    params["endTime"] = int((max(attempt.stopped or now for attempt in attempts) + MARGIN) * 1000)
    try:
        pages = list(islice(aws.answers("logs", "FilterLogEvents", **params), PAGES))
    except (Denied, Gone):  # there is no log group before the first event
        return None
    token = pages[-1].get("nextToken")
    return None if token else [event["message"] for page in pages for event in page.get("events") or ()]
