"""The records of the runs in the bucket, with nothing but boto3."""

from __future__ import annotations

from functools import cache

from reconciler.core.function_settings import Watched
from reconciler.core.run_paths import record_key
from reconciler.core.text import line
from reconciler.run.run import Run
from reconciler.run.stored import Store
from reconciler.scheduled import aws
from reconciler.scheduled.aws import there


def records(watched: Watched) -> Store:
    """Where they are read and written: one for all that a call does, since it knows what it has read."""
    return _store(watched.bucket, watched.checkpoint)


@cache
def _store(bucket: str, checkpoints: bool) -> Store:
    return Store(aws, bucket, lambda text: print(line(text)), checkpoints=checkpoints)


def put_first(watched: Watched, run: Run) -> Run:
    """Write it unless there is one. Returns the one that is there then."""
    store = records(watched)
    place = {"Bucket": watched.bucket, "Key": record_key(run.id)}
    there("s3", "PutObject", **place, Body=store.body(run), ContentType="application/json", IfNoneMatch="*")
    return store.get(run.id) or run
