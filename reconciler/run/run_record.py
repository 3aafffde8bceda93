"""The record of runs, in the bucket under `runs/`, where the next machine sees it.

`runs/ID/run.json` is one run; `runs/fingerprints/FINGERPRINT.json` is the newest run with that fingerprint. Each is
written whole by one PutObject, so a crash leaves the old one or the new one. What is read is checked whole, too
(reconciler/run/stored.py): whoever may write to the bucket could have written it.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, TypeVar

from reconciler.aws.calls import Aws
from reconciler.core.errors import ReconcilerError
from reconciler.core.run_paths import fingerprint_key, is_run_id, moment, record_key
from reconciler.core.secret import KNOWN
from reconciler.run.index import Head, RecordedRun, ended, expired
from reconciler.run.index_store import LONGEST, TRIES, Index
from reconciler.run.outage import outlast
from reconciler.run.run import Run
from reconciler.run.stored import Store, Unreadable, to_json

ARCHITECTURES, ENGINE = ("X86_64", "ARM64"), "dask"  # words of ours in a run's inputs, which a secret may read like
T = TypeVar("T")
LISTED = 100  # fingerprints from which on one listing is less than a read for each
CHUNK = 1_000  # records that are read at once
WRITTEN = ("inputs", "overrides", "reason", "why", "code_version")  # what of a record people and programs wrote


class Runs(Store):
    """Reads and writes the record of one bucket.

    A record that can't be read is no run, and isn't absent either: asking for it raises Unreadable, and where many are
    asked for it is in `unreadable`. tell: told what isn't shown or kept, each once. keep: seconds for which runs are
    kept; None for always.
    """

    def __init__(
        self,
        aws: Aws,
        bucket: str,
        tell: Callable[[str], None] = lambda text: None,
        keep: float | None = None,
        *,
        checkpoints: bool = False,
    ) -> None:
        super().__init__(aws, bucket, tell, keep, checkpoints=checkpoints)
        self.aws = aws
        self.unreadable: dict[str, str] = {}  # why, by key
        self._fingerprints: frozenset[str] | None = None  # keys of fingerprints that there are, if that was looked for

    def now(self) -> float:
        """Seconds since the epoch, by the clock of the way to AWS."""
        return self.aws.clock.now()

    def outlast(self, ask: Callable[[], T]) -> T:
        """What `ask` gives, which is asked for again while AWS is out of reach: `outage.outlast`."""
        return outlast(self.aws, ask, self.say_again)

    def look_ahead(self, count: int) -> None:
        """List which fingerprints there are, so that of many that are looked up only those are read. Raises AwsError.

        count: so many are looked up next.
        """
        self._fingerprints = None
        if count >= LISTED:
            place = fingerprint_key("")[: -len(".json")]
            objects = self.aws.find_all("s3", "ListObjectsV2", "Contents", Bucket=self.bucket, Prefix=place)
            # The first apply of all has no bucket yet.
            self._fingerprints = frozenset(s3_object["Key"] for s3_object in objects or ())

    def latest(self, fingerprint: str) -> Run | None:
        """The newest run with this fingerprint that hasn't expired. Raises Unreadable, AwsError."""
        key = fingerprint_key(fingerprint)
        run = self.at(key) if self._fingerprints is None or key in self._fingerprints else None
        return None if run is not None and self._expired(run) else run

    def kept(self, run_id: str) -> Run | None:
        """The run with this id, if it hasn't expired. Raises Unreadable, AwsError."""
        run = self.get(run_id)
        return None if run is not None and self._expired(run) else run

    def body(self, run: Run) -> bytes:
        """A run as it is written: with a mark for each secret."""
        return to_json(run, self._marked)

    def _marked(self, record: dict[str, Any]) -> dict[str, Any]:
        """The record with its secrets marked: in what people and programs wrote. A state or an ARN that reads like a
        secret stays, or the record couldn't be read again.
        """
        written: dict[str, Any] = {name: record[name] for name in WRITTEN if name in record}
        written["attempts"] = [{"reason": attempt.get("reason", "")} for attempt in record["attempts"]]
        marked = KNOWN.marked(written, self.bucket)
        _put_back(record["inputs"], marked["inputs"])
        attempts = [
            {**attempt, **{name: part for name, part in texts.items() if name in attempt}}
            for attempt, texts in zip(record["attempts"], marked.pop("attempts"), strict=True)
        ]
        return {**record, **marked, "attempts": attempts}

    def readable(self, name: str) -> Run | None:
        """The run in this folder, if there is one that can be read and hasn't expired; else it is in `unreadable`."""
        key = record_key(name)
        try:
            run = self.at(key) if len(name) <= LONGEST else None
        except Unreadable as error:
            self.unreadable[key] = error.why
            self.say(str(error))
            return None
        return None if run is not None and self._expired(run) else run

    def _expired(self, run: Run) -> bool:
        return self.keep is not None and run.state.over and expired(ended(run), self.keep, self.now())

    def rebuild(self, report: Callable[[int, int], None] = lambda done, total: None) -> int:
        """Make the index anew from all records. Returns how many runs are in it. report: told how many records are
        read, of how many. What others write meanwhile is kept. Raises AwsError, ReconcilerError.
        """
        indexes = [self.index(scheduled) for scheduled in (False, True)]
        heads = [index.load()[0] or Head() for index in indexes]  # by which what is new is told from what is gone
        names = [sorted(filter(is_run_id, index.names()), key=moment) for index in indexes]
        total, count, done = sum(map(len, names)), 0, 0
        for index, run_ids, old in zip(indexes, names, heads, strict=True):
            new_head = Head()
            for first in range(0, len(run_ids), CHUNK):
                batch = [run for run in self.aws.each(self.look, run_ids[first : first + CHUNK]) if run is not None]
                new_head = index.sealed(new_head.with_runs(batch))
                count, done = count + len(batch), done + len(run_ids[first : first + CHUNK])
                report(done, total)
            for _ in range(TRIES):
                head, etag = index.load()
                if not run_ids and not etag:
                    break
                known_ids = {*run_ids, *old.rows, *old.left}
                merged = new_head.beside(head or Head(), known_ids)
                new_runs = self._sealed_since(index, old, head or Head(), known_ids.difference(new_head.left))
                if index.write(index.sealed(merged.with_runs(new_runs)), etag):
                    count += len(new_runs)
                    break
            else:
                raise ReconcilerError("others wrote the index of runs each time", hint="run it again")
        return count

    def _sealed_since(self, index: Index, before: Head, head: Head, known_ids: Container[str]) -> list[RecordedRun]:
        """The runs that aren't known, and that others have put into a segment since that head."""
        segments = [index.segment(segment) for segment in head.segments if segment not in before.segments]
        new_ids = {run_id for rows in segments if rows is not None for run_id in rows.ids if run_id not in known_ids}
        return [run for run in self.aws.each(self.look, sorted(new_ids, key=moment)) if run is not None]


def _put_back(inputs: dict[str, Any], marked: dict[str, Any]) -> None:
    """Have words of ours be as they were in a run's inputs."""
    if inputs.get("architecture") in ARCHITECTURES:
        marked["architecture"] = inputs["architecture"]
    if isinstance(workers := inputs.get("workers"), dict) and workers.get("engine") == ENGINE:
        marked["workers"]["engine"] = ENGINE
