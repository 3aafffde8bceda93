"""The lab of `bench.timed_lab`, into whose bucket the records of many runs are put without a request for each.

    POST /__lab/records?first=0&count=1000     records of these numbers, as this program writes them
    POST /__lab/index                          the index of all of them, as `runs --rebuild` makes it

python -m bench.runs_lab 0 --home DIR --until-eof      as `tests.lab`, whose wire and control requests it has
"""

from __future__ import annotations

import io
import os
import random
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from moto.s3.models import S3Backend, s3_backends

from bench.targets import METRIC
from bench.timed_lab import TimedRunner
from reconciler.core.run_paths import metrics_key, moment, output_prefix, token
from reconciler.local import embedded
from reconciler.run.index import Head
from reconciler.run.retry import Attempt, Event
from reconciler.run.run import Overrides, Run
from reconciler.run.state import State
from reconciler.run.stored import Store
from tests import lab

ACCOUNT = "123456789012"
ARN = f"arn:aws:ecs:us-east-1:{ACCOUNT}:task/tiny/{{:032x}}"
APART = 60.0  # seconds between two runs


def a_run(number: int, newest: float, total: int) -> Run:
    """A run that is over, with a metric and a variable of its own. newest: when number `total` begins."""
    at = newest - APART * (total - number)
    mark = f"{number * 2654435761 % 2**32:08x}"
    run_id = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(at))}-{mark}"
    failed = number % 10 == 9
    attempt = Attempt(
        1,
        "FARGATE",
        token(run_id, 1),
        at,
        ARN.format(number),
        Event.ERROR if failed else Event.SUCCESS,
        exit_code=int(failed),
        started=at + 20,
        stopped=at + 50,
    )
    metrics = {METRIC: random.Random(number).random(), "rows": float(number)}
    return Run(
        id=run_id,
        fingerprint=mark * 8,
        state=State.FAILED if failed else State.SUCCEEDED,
        created=at,
        inputs={"cpu": 256, "memory": 512, "image": "python:3.13-slim"},
        output=output_prefix(run_id),
        cluster="tiny",
        container="tiny",
        attempts=(attempt,),
        exit_code=int(failed),
        cost=0.01,
        metrics={} if failed else metrics,
        overrides=Overrides({"N": str(number)}),
    )


class Inside:
    """The bucket's calls without a wire, as `reconciler.run.stored` wants them."""

    FAILURES: tuple[type[Exception], ...] = ()

    def __init__(self, backend: S3Backend) -> None:
        self._backend = backend

    def find(self, service: str, operation: str, **params: Any) -> Any:
        """GetObject."""
        key = self._backend.get_object(params["Bucket"], params["Key"])
        return None if key is None else {"Body": io.BytesIO(key.value), "ETag": key.etag}

    def call(self, service: str, operation: str, **params: Any) -> Any:
        """PutObject; nobody else writes meanwhile."""
        return {"ETag": self._backend.put_object(params["Bucket"], params["Key"], params["Body"]).etag}

    conditional = call

    def each(self, read: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """Read the items one after the other."""
        return [read(item) for item in items]


class Recorder:
    """Puts records into the only bucket."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._began = time.time()

    def _store(self) -> Store:
        backend = s3_backends[ACCOUNT]["aws"]
        store = Store(Inside(backend), next(iter(backend.buckets)), lambda text: None)
        store.later = True
        return store

    def records(self, first: int, count: int, total: int) -> None:
        """Store the records of `count` runs from the number `first` on, with what their programs wrote."""
        store = self._store()
        backend = s3_backends[ACCOUNT]["aws"]
        for number in range(first, first + count):
            run = a_run(number, self._began - 2 * APART, total)
            store.put(run)
            backend.put_object(store.bucket, metrics_key(run.id), b'{"loss": 0.5}')
            self._ids.append(run.id)

    def index(self) -> None:
        """Write the index of all these runs, beside what is in it."""
        store = self._store()
        index, made = store.index(scheduled=False), Head()
        ids = sorted(self._ids, key=moment)
        for first in range(0, len(ids), 1_000):
            seen = [row for row in map(store.look, ids[first : first + 1_000]) if row is not None]
            made = index.sealed(made.with_runs(seen))
        head, etag = index.load()
        index.write(made.beside(head or Head(), {*ids}), etag)


class RunsLab(lab.Lab):
    """The lab with two more control requests."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._recorder = Recorder()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """As the lab answers."""
        if environ["PATH_INFO"] == "/__lab/records":
            asked = parse_qs(environ["QUERY_STRING"])
            self._recorder.records(**{name: int(values[0]) for name, values in asked.items()})
        elif environ["PATH_INFO"] == "/__lab/index":
            self._recorder.index()
        else:
            return super().__call__(environ, start)
        start("200 OK", [("Content-Type", "application/json")])
        return [b"{}"]


if __name__ == "__main__":
    embedded.LocalRunner = TimedRunner  # type: ignore[assignment, misc]
    lab.Lab = RunsLab  # type: ignore[misc]
    with suppress(SystemExit):
        lab.serve(int(sys.argv[1]), Path(sys.argv[3]), 0.0, until_eof=True)
    os._exit(0)  # threads of open connections have nothing left to do
