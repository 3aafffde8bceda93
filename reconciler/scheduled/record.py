"""The record of a run in the bucket, read and written whole, as `reconciler/run/run_record.py` has it."""

from __future__ import annotations

import time
from typing import Any

from reconciler.core.function_settings import Watched
from reconciler.core.run_paths import output_prefix, record_key
from reconciler.run.metrics import FILE, metrics_in
from reconciler.run.metrics import MOST as METRICS_MOST
from reconciler.run.retry import Attempt, Event
from reconciler.run.scheduled_record import cost_of
from reconciler.run.state import State, state_after
from reconciler.run.stored import MOST, Record, from_json, to_json
from reconciler.scheduled.aws import call, find, there


def read(watched: Watched, run_id: str) -> Record | None:
    """The record of a run that has one.

    Raises Unreadable, which makes Lambda call the function again, twice, and then is a dead letter.
    """
    key = record_key(run_id)
    answer = find("s3", "GetObject", Bucket=watched.bucket, Key=key)
    return from_json(answer["Body"].read(MOST + 1), key) if answer else None


def is_over(run: Record) -> bool:
    """Whether it has ended."""
    return State(run["state"]).over


def put(watched: Watched, run: Record) -> None:
    """Write it."""
    call("s3", "PutObject", **_object(watched, run))


def put_first(watched: Watched, run: Record) -> Record:
    """Write it unless there is one. Returns the one that is there then."""
    there("s3", "PutObject", **_object(watched, run), IfNoneMatch="*")
    return read(watched, run["id"]) or run


def _object(watched: Watched, run: Record) -> dict[str, Any]:
    place = {"Bucket": watched.bucket, "Key": record_key(run["id"])}
    return {**place, "Body": to_json(run), "ContentType": "application/json"}


def over(watched: Watched, run: Record, why: str, state: State | None = None) -> Record:
    """Record a run's end, with what it cost and the metrics that the program wrote.

    why: nothing follows; state: unless it is what the last attempt says.
    """
    last: Attempt = run["attempts"][-1]
    state = state or state_after(last.event or Event.LOST)
    run = run | {"state": state, "exit_code": last.exit_code, "cost": cost_of(watched, run, time.time())}
    if state is State.SUCCEEDED:
        place = {"Bucket": watched.bucket, "Key": f"{output_prefix(run['id'])}/{FILE}"}
        answer = find("s3", "GetObject", **place)
        metrics, left_out = metrics_in(answer["Body"].read(METRICS_MOST + 1)) if answer else ({}, "")
        if left_out:
            print(f"{run['id']}: {left_out}")
        run |= {"metrics": metrics, "reason": ""}
    else:
        run |= {"reason": "; ".join(filter(None, (last.reason, why)))}
    put(watched, run)
    return run
