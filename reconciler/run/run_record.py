"""The record of runs, in the bucket under `runs/`, where the next machine sees it.

`runs/ID/run.json` is one run; `runs/fingerprints/FINGERPRINT.json` is the newest run with that fingerprint. Each is
written whole by one PutObject, so a crash leaves the old one or the new one. What is read is checked whole, too
(reconciler/run/stored.py): whoever may write to the bucket could have written it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from reconciler.aws.calls import Aws
from reconciler.core.run_paths import RUNS, fingerprint_key, is_run_id, output_prefix, record_key
from reconciler.core.secret import KNOWN
from reconciler.run.metrics import FILE, metrics_in
from reconciler.run.metrics import MOST as METRICS_MOST
from reconciler.run.overrides import Overrides
from reconciler.run.retry import Attempt, Event, ran_for
from reconciler.run.state import State
from reconciler.run.stored import MOST, Unreadable, from_json, to_json

LONGEST = 200  # characters of a folder's name in which a record is looked for
PROGRESS = ("state", "attempts", "exit_code", "reason", "cost", "metrics")


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

    def after(self, known: Run) -> Run:
        """This run with what the record tells of its progress; what it is made of stays as it is here."""
        return self.model_copy(update={name: getattr(known, name) for name in PROGRESS})

    def with_attempt(self, attempt: Attempt) -> Run:
        """This run with an attempt added, or replaced by its number."""
        others = tuple(a for a in self.attempts if a.number != attempt.number)
        return self.model_copy(update={"attempts": (*others, attempt)})


class Runs:
    """Reads and writes the record of one bucket.

    A record that can't be read is no run, and isn't absent either: asking for it raises Unreadable, and where all are
    asked for it is in `unreadable`. tell: told what isn't shown or kept, each once.
    """

    def __init__(self, aws: Aws, bucket: str, tell: Callable[[str], None] = lambda text: None) -> None:
        self.aws, self.bucket = aws, bucket
        self.unreadable: dict[str, str] = {}  # why, by key
        self._tell, self._told = tell, set[str]()

    def latest(self, fingerprint: str) -> Run | None:
        """The newest run with this fingerprint. Raises Unreadable, AwsError."""
        return self._get(fingerprint_key(fingerprint))

    def newest_of(self, fingerprint: str) -> Run | None:
        """The same from the records of all runs, where that of the fingerprint can't be read. Raises AwsError."""
        return next((run for run in self.all() if run.fingerprint == fingerprint), None)

    def get(self, run_id: str) -> Run | None:
        """One run. Raises Unreadable, AwsError; ValueError for what is no run's id."""
        if not is_run_id(run_id):
            raise ValueError(run_id)
        return self._get(record_key(run_id))

    def put(self, run: Run) -> None:
        """Write a run, and that it is the newest with its fingerprint.

        The fingerprint's, by which the next apply comes back to the run, is written first and, at the end, last: a
        run that was stopped between the two is never left behind half written.
        """
        keys: tuple[str, ...] = (fingerprint_key(run.fingerprint), record_key(run.id))
        keys = keys if run.fingerprint else keys[1:]
        body = to_json(KNOWN.marked(run.model_dump(mode="json"), self.bucket))
        for key in reversed(keys) if run.state.over else keys:
            self.aws.call("s3", "PutObject", Bucket=self.bucket, Key=key, Body=body, ContentType="application/json")

    def all(self) -> list[Run]:
        """Every run that can be read, newest first; `unreadable` has the others. Raises AwsError."""
        prefixes = self.aws.find_all(
            "s3", "ListObjectsV2", "CommonPrefixes", Bucket=self.bucket, Prefix=f"{RUNS}/", Delimiter="/"
        )
        names = [one["Prefix"].removeprefix(f"{RUNS}/").removesuffix("/") for one in prefixes or ()]
        # A key has 1,024 bytes: what is no id may leave no room for a record in it.
        found = self.aws.each(self._readable, [one for one in names if one != "fingerprints" and len(one) <= LONGEST])
        for key, why in sorted(self.unreadable.items()):
            self.say(str(Unreadable(key, why)))
        return sorted((run for run in found if run is not None), key=lambda run: run.created, reverse=True)

    def metrics(self, run: Run) -> dict[str, float]:
        """The numbers that the program wrote to `metrics.json` in its output; empty without one. Raises AwsError."""
        key = f"{output_prefix(run.id)}/{FILE}"
        answer = self.aws.find("s3", "GetObject", Bucket=self.bucket, Key=key)
        if answer is None:
            return {}
        found, left_out = metrics_in(answer["Body"].read(METRICS_MOST + 1))
        if left_out:
            self.say(f"run {run.id}: {left_out}")
        return found

    def say(self, text: str) -> None:
        """Tell it, unless it was told before."""
        if text not in self._told:
            self._told.add(text)
            self._tell(text)

    def _readable(self, name: str) -> Run | None:
        """The run in this folder, if there is one that can be read."""
        try:
            return self._get(record_key(name))
        except Unreadable as error:
            self.unreadable[error.key] = error.why
            return None

    def _get(self, key: str) -> Run | None:
        answer = self.aws.find("s3", "GetObject", Bucket=self.bucket, Key=key)
        if answer is None:
            return None
        found = from_json(answer["Body"].read(MOST + 1), key)
        try:
            run = Run.model_validate(found)
        except ValidationError as error:  # what isn't checked before
            raise Unreadable(key, f"its {error.errors()[0]['loc'][0]} isn't as it has to be") from None
        return run.model_copy(update={"output": f"s3://{self.bucket}/{output_prefix(run.id)}"})
