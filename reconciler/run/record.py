"""The record of runs, in the bucket under `runs/`, where the next machine sees it.

`runs/ID/run.json` is one run; `runs/fingerprints/FINGERPRINT.json` is the newest run with that fingerprint. Each is
written whole by one PutObject, so a crash leaves the old one or the new one.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from reconciler.aws import Aws
from reconciler.lower import RUNS


class State(StrEnum):
    """How far a run is."""

    LAUNCHING = "launching"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self in (State.SUCCEEDED, State.FAILED, State.STOPPED)


class Run(BaseModel):
    """One run. Times are seconds since the epoch; `token` makes a repeated launch the same launch."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = 1
    id: str
    fingerprint: str
    state: State
    created: float
    inputs: dict[str, Any]
    output: str  # S3 URI that the program writes to
    cluster: str
    task_definition: str = ""
    capacity: str = ""
    task_arn: str = ""
    log_group: str = ""
    started: float | None = None
    stopped: float | None = None
    exit_code: int | None = None
    reason: str = ""
    stop_code: str = ""
    metrics: dict[str, float] = {}

    @property
    def seconds(self) -> float | None:
        """How long the program ran."""
        return None if self.started is None or self.stopped is None else self.stopped - self.started


class Runs:
    """Reads and writes the record of one bucket."""

    def __init__(self, aws: Aws, bucket: str) -> None:
        self.aws, self.bucket = aws, bucket

    def latest(self, fingerprint: str) -> Run | None:
        """The newest run with this fingerprint."""
        return self._get(f"{RUNS}/fingerprints/{fingerprint}.json")

    def get(self, run_id: str) -> Run | None:
        """One run."""
        return self._get(f"{RUNS}/{run_id}/run.json")

    def put(self, run: Run) -> None:
        """Write a run, and that it is the newest with its fingerprint."""
        for key in (f"{RUNS}/{run.id}/run.json", f"{RUNS}/fingerprints/{run.fingerprint}.json"):
            body = run.model_dump_json(indent=2).encode()
            self.aws.call(
                "s3", "PutObject", Bucket=self.bucket, Key=key, Body=body, ContentType="application/json"
            )

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
        if answer is None:
            return {}
        try:
            written = json.loads(answer["Body"].read())
        except (ValueError, UnicodeDecodeError):
            return {}
        found = written.get("metrics", written) if isinstance(written, dict) else {}
        numbers = {k: v for k, v in found.items() if isinstance(v, int | float) and not isinstance(v, bool)}
        return {key: float(value) for key, value in numbers.items()}

    def _get(self, key: str) -> Run | None:
        answer = self.aws.find("s3", "GetObject", Bucket=self.bucket, Key=key)
        if answer is None:
            return None
        try:
            return Run.model_validate_json(answer["Body"].read())
        except ValidationError:
            return None  # of another version, or not ours: as if it weren't there


def output_prefix(run_id: str) -> str:
    """Where in the bucket the program of a run writes."""
    return f"{RUNS}/{run_id}/output"
