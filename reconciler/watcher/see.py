"""See a scheduled run through, as `reconciler/run/supervise.py` does: launch, and again as the rules say."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from reconciler.run.retry import Event, again
from reconciler.run.tasks import Record, cost_of, with_attempt
from reconciler.watched import Watched
from reconciler.watcher.launch import launch
from reconciler.watcher.record import OVER, over, put, read


def see_through(watched: Watched, run: Record) -> Record | None:
    """Launch what isn't launched, and again after what has ended: until a task is under way, which is None, or the run
    is over, which is its record. None, too, when somebody else has ended it. Raises ClientError.
    """
    while True:
        if run["attempts"][-1]["event"] is None:
            run = launch(watched, run)
            if run["attempts"][-1]["event"] is None:
                return None
        following = _following(watched, run)
        if isinstance(following, str):
            return over(watched, run, following)
        put(watched, run | {"state": "running"})
        time.sleep(following.pause)
        known = read(watched, run["id"])
        if known and known["state"] in OVER:
            return None
        if known and known["state"] == "stopping":
            return over(watched, run, "stopped by the user", "stopped")
        run = with_attempt(run | {"state": "running"}, following.provider, time.time())
        put(watched, run)  # before the launch, so that it is found again by its token


def _following(watched: Watched, run: Record) -> Any:
    attempts = [SimpleNamespace(**one | {"event": Event(one["event"])}) for one in run["attempts"]]
    if attempts[-1].event is Event.SUCCESS:
        return ""
    return again(watched.retry, watched.capacity, attempts, cost=cost_of(watched, run), now=time.time())
