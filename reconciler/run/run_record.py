"""The record of runs, in the bucket under `runs/`, where the next machine sees it.

`runs/ID/run.json` is one run; `runs/fingerprints/FINGERPRINT.json` is the newest run with that fingerprint. Each is
written whole by one PutObject, so a crash leaves the old one or the new one.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from reconciler.aws.calls import Aws
from reconciler.core.run_paths import RUNS, output_prefix, record_key
from reconciler.core.secret import KNOWN
from reconciler.run.overrides import Overrides
from reconciler.run.retry import Attempt, Event, ran_for
from reconciler.run.scheduled_record import metrics_in
from reconciler.run.state import State


class Run(BaseModel):
    """One run: one or more attempts at the same work. Times are seconds since the epoch, cost is in US dollars.

    output: the S3 URI that the program writes to. log_prefix: the first part of its log streams' names.
    exit_code: of the last attempt, None when it never ran or ECS doesn't say. sweep: the id of the sweep it is part of.
    schedule: the name of the schedule that started it; such a run has no fingerprint.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = 1
    id: str
    fingerprint: str
    state: State
    created: float
    inputs: dict[str, Any]
    output: str
    cluster: str
    container: str = ""
    task_definition: str = ""
    log_group: str = ""
    log_prefix: str = ""
    attempts: tuple[Attempt, ...] = ()
    exit_code: int | None = None
    reason: str = ""
    cost: float | None = None
    metrics: dict[str, float] = {}
    overrides: Overrides = Overrides()
    sweep: str = ""
    schedule: str = ""

    @property
    def task_arn(self) -> str:
        """The newest task; empty when none was launched."""
        return self.attempts[-1].task_arn if self.attempts else ""

    @property
    def event(self) -> Event:
        """What ended the last attempt; LOST when nothing did."""
        return (self.attempts[-1].event if self.attempts else None) or Event.LOST

    @property
    def seconds(self) -> float | None:
        """How long its programs ran, all attempts together."""
        return ran_for(self.attempts)

    def with_attempt(self, attempt: Attempt) -> Run:
        """This run with an attempt added, or replaced by its number."""
        others = tuple(a for a in self.attempts if a.number != attempt.number)
        return self.model_copy(update={"attempts": (*others, attempt)})


class Runs:
    """Reads and writes the record of one bucket."""

    def __init__(self, aws: Aws, bucket: str) -> None:
        self.aws, self.bucket = aws, bucket

    def latest(self, fingerprint: str) -> Run | None:
        """The newest run with this fingerprint."""
        return self._get(f"{RUNS}/fingerprints/{fingerprint}.json")

    def get(self, run_id: str) -> Run | None:
        """One run."""
        return self._get(record_key(run_id))

    def put(self, run: Run) -> None:
        """Write a run, and that it is the newest with its fingerprint.

        The fingerprint's, by which the next apply comes back to the run, is written first and, at the end, last: a
        run that was stopped between the two is never left behind half written.
        """
        keys: tuple[str, ...] = (f"{RUNS}/fingerprints/{run.fingerprint}.json", record_key(run.id))
        keys = keys if run.fingerprint else keys[1:]
        for key in reversed(keys) if run.state.over else keys:
            body = json.dumps(KNOWN.marked(run.model_dump(mode="json"), self.bucket), indent=2).encode()
            self.aws.call("s3", "PutObject", Bucket=self.bucket, Key=key, Body=body, ContentType="application/json")

    def all(self) -> list[Run]:
        """Every run, newest first."""
        prefixes = self.aws.find_all(
            "s3", "ListObjectsV2", "CommonPrefixes", Bucket=self.bucket, Prefix=f"{RUNS}/", Delimiter="/"
        )
        ids = [one["Prefix"].split("/")[1] for one in prefixes or ()]
        found = self.aws.each(self.get, [one for one in ids if one != "fingerprints"])
        return sorted((run for run in found if run is not None), key=lambda run: run.created, reverse=True)

    def metrics(self, run: Run) -> dict[str, float]:
        """The numbers that the program wrote to `metrics.json` in its output; empty without one."""
        answer = self.aws.find("s3", "GetObject", Bucket=self.bucket, Key=f"{output_prefix(run.id)}/metrics.json")
        return metrics_in(answer["Body"].read()) if answer else {}

    def _get(self, key: str) -> Run | None:
        answer = self.aws.find("s3", "GetObject", Bucket=self.bucket, Key=key)
        if answer is None:
            return None
        try:
            return Run.model_validate_json(answer["Body"].read())
        except ValidationError:
            return None  # of another version, or not ours: as if it weren't there
