"""The record of a run in the bucket, read and written whole, as `reconciler/run/run_record.py` has it."""

from __future__ import annotations

import time
from typing import Any

from reconciler.core.function_settings import Watched
from reconciler.core.run_paths import output_prefix, record_key
from reconciler.run.retry import Attempt, Event
from reconciler.run.scheduled_record import Record, cost_of, from_json, metrics_in, to_json
from reconciler.run.state import State, state_after
from reconciler.scheduled.aws import call, find, there


def read(watched: Watched, run_id: str) -> Record | None:
    """The record of a run that has one."""
    answer = find("s3", "GetObject", Bucket=watched.bucket, Key=record_key(run_id))
    return from_json(answer["Body"].read()) if answer else None


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
    return {**place, "Body": to_json(run).encode(), "ContentType": "application/json"}


def over(watched: Watched, run: Record, why: str, state: State | None = None) -> Record:
    """Record a run's end, with what it cost and the metrics that the program wrote.

    why: nothing follows; state: unless it is what the last attempt says.
    """
    last: Attempt = run["attempts"][-1]
    state = state or state_after(last.event or Event.LOST)
    run = run | {"state": state, "exit_code": last.exit_code, "cost": cost_of(watched, run, time.time())}
    if state is State.SUCCEEDED:
        place = {"Bucket": watched.bucket, "Key": f"{output_prefix(run['id'])}/metrics.json"}
        answer = find("s3", "GetObject", **place)
        run |= {"metrics": metrics_in(answer["Body"].read()) if answer else {}, "reason": ""}
    else:
        run |= {"reason": "; ".join(filter(None, (last.reason, why)))}
    put(watched, run)
    return run
