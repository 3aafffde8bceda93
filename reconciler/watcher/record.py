"""The record of a run in the bucket, read and written whole, as `reconciler/run/record.py` has it."""

from __future__ import annotations

import json
from typing import Any

from reconciler.keys import output_prefix, record_key
from reconciler.run.retry import Event
from reconciler.run.tasks import STATES, Record, cost_of, metrics_in
from reconciler.watched import Watched
from reconciler.watcher.aws import call, find, there

OVER = ("succeeded", "failed", "stopped")


def read(watched: Watched, run_id: str) -> Record | None:
    """The record of a run that has one."""
    answer = find("s3", "GetObject", Bucket=watched.bucket, Key=record_key(run_id))
    found: Record | None = json.loads(answer["Body"].read()) if answer else None
    return found if found and found["attempts"] else None


def put(watched: Watched, run: Record) -> None:
    """Write it."""
    call("s3", "PutObject", **_object(watched, run))


def put_first(watched: Watched, run: Record) -> Record:
    """Write it unless there is one. Returns the one that is there then."""
    there("s3", "PutObject", **_object(watched, run), IfNoneMatch="*")
    return read(watched, run["id"]) or run


def _object(watched: Watched, run: Record) -> dict[str, Any]:
    body = json.dumps(run, indent=2).encode()
    place = {"Bucket": watched.bucket, "Key": record_key(run["id"])}
    return {**place, "Body": body, "ContentType": "application/json"}


def over(watched: Watched, run: Record, why: str, state: str = "") -> Record:
    """Record a run's end, with what it cost and the metrics that the program wrote.

    why: nothing follows; state: unless it is what the last attempt says.
    """
    attempt = run["attempts"][-1]
    state = state or STATES.get(Event(attempt["event"]), "failed")
    run = run | {"state": state, "exit_code": attempt["exit_code"], "cost": cost_of(watched, run)}
    if run["state"] == "succeeded":
        place = {"Bucket": watched.bucket, "Key": f"{output_prefix(run['id'])}/metrics.json"}
        answer = find("s3", "GetObject", **place)
        run |= {"metrics": metrics_in(answer["Body"].read()) if answer else {}, "reason": ""}
    else:
        run |= {"reason": "; ".join(filter(None, (attempt["reason"], why)))}
    put(watched, run)
    return run
