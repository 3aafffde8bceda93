"""The index of runs in the bucket: read, and written without races by whoever has recorded the end of a run.

What changes is one object, the head, and it is written only where it is as it was when it was read: whoever is second
reads it again and adds to that. Whoever writes it also lists the newest records, and puts in what somebody else has
recorded and not put in, so that one who was stopped in between leaves no gap.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from reconciler.core.pages import pages
from reconciler.core.run_paths import RUNS, SCHEDULED, index_key, is_run_id, moment
from reconciler.run.index import LARGEST_SIZE, MOST, Damaged, Head, RecordedRun, Rows, Segment, to_merge, unpack

HEAD = "head.json.gz"
RECORD = "/run.json"  # how the keys of records end
# What S3 rolls up when it lists records: `output/` and `checkpoint/` of a run end so, and nothing that is looked for.
FOLDERS = "t/"
BESIDE = tuple(f"{whose}{folder}" for folder in ("fingerprints", "index", "sizes") for whose in ("", SCHEDULED))
LONGEST = 200  # characters of a folder's name in which a record is looked for
TRIES = 20  # at writing the head, each of which somebody else was quicker than
AT_ONCE = 500  # records that are read for one writing

Read = Callable[[str], RecordedRun | None]  # of a run's id


@dataclass
class Index:
    """One of the two: of scheduled runs, or of all others.

    calls: as in `reconciler/run/stored.py`. keep: seconds for which runs are kept; None for always.
    """

    calls: Any
    bucket: str
    scheduled: bool
    keep: float | None = None

    def load(self) -> tuple[Head | None, str]:
        """(the head, its ETag; empty where it isn't there). None where it isn't, or isn't what this program writes."""
        answer = self.calls.find("s3", "GetObject", Bucket=self.bucket, Key=index_key(HEAD, self.scheduled))
        if answer is None:
            return None, ""
        try:
            return Head.unpack(answer["Body"].read(MOST + 1)), str(answer["ETag"])
        except Damaged:
            return None, str(answer["ETag"])

    def segment(self, segment: Segment) -> Rows | None:
        """The rows of a segment; None where they aren't there, or aren't what this program writes."""
        answer = self.calls.find("s3", "GetObject", Bucket=self.bucket, Key=index_key(segment.name, self.scheduled))
        try:
            return Rows.read(unpack(answer["Body"].read(MOST + 1)).get("rows")) if answer else None
        except Damaged:
            return None

    def listed(self, start: str) -> dict[str, str]:
        """The ETag of each record of a run after this one, by the run's id; of what isn't an id, too."""
        prefix = f"{RUNS}/{SCHEDULED if self.scheduled else ''}"
        params = {"StartAfter": f"{RUNS}/{start}"} if start else {}
        etags = {}
        for s3_object in self._pages("Contents", Prefix=prefix, Delimiter=FOLDERS, **params):
            name = s3_object["Key"].removeprefix(f"{RUNS}/").removesuffix(RECORD)
            if s3_object["Key"].endswith(RECORD) and name.startswith(SCHEDULED) == self.scheduled:
                etags[name] = str(s3_object["ETag"])
            elif not self.scheduled and s3_object["Key"] > f"{RUNS}/:":
                break  # behind all digits, with which ids begin
        return etags

    def names(self) -> list[str]:
        """The folders of all runs, without a look at their records: what is no run's id, too."""
        prefix = f"{RUNS}/{SCHEDULED if self.scheduled else ''}"
        folders = (
            prefix["Prefix"].removeprefix(f"{RUNS}/").removesuffix("/")
            for prefix in self._pages("CommonPrefixes", Prefix=prefix, Delimiter="/")
        )
        # A key has 1,024 bytes: what is no id may leave no room for a record in it.
        names = (name for name in folders if name.startswith(SCHEDULED) == self.scheduled and len(name) <= LONGEST)
        return [name for name in names if name not in BESIDE]

    def update(self, runs: Iterable[RecordedRun], read: Read, now: float, over: Collection[str] = ()) -> int:
        """Put these runs into the index, and what others left out. Returns how many runs are left that nobody has
        read yet, or -1 where others were quicker again and again. read: one run's record; over: ids of runs that are
        known to be over, which others may have left out. Raises what `calls` raises.
        """
        records, deleted = {run.id: run for run in runs}, set[str]()
        given_ids = {*records}
        for _ in range(TRIES):
            head, etag = self.load()
            if head is None:
                head = Head(left=dict.fromkeys(filter(is_run_id, self.names()), 0.0))
                listed: dict[str, str] = {}
            else:
                head, listed = self.seen(head)
            # What was written since it was read is read again, and not put over what its writer put in.
            records = {
                run.id: run
                for run in records.values()
                if (not run.etag or listed.get(run.id, run.etag) == run.etag)
                and (run.row is not None or run.id in given_ids or run.id not in head.rows)
            }
            head = head.with_runs(records.values())
            newly_over = [run_id for run_id in head.left if run_id in over and run_id not in records]
            due = [
                run_id
                for run_id in dict.fromkeys((*newly_over, *head.due(listed, now)))
                if is_run_id(run_id) and run_id not in deleted
            ]
            for name, run in zip(due[:AT_ONCE], self.calls.each(read, due[:AT_ONCE]), strict=True):
                if run is None:
                    deleted.add(name)
                else:
                    records[name] = run
            unread = [RecordedRun(run_id, "", None) for run_id in due[AT_ONCE:]]
            head = head.with_runs([*records.values(), *unread]).without(deleted).kept(self.keep, now)
            if self.write(self.sealed(head), etag):
                return len(unread)
        return -1

    def seen(self, head: Head) -> tuple[Head, dict[str, str]]:
        """(the head without what was deleted, the ETags of the newest records by id)."""
        listed, start = self.listed(head.start), moment(head.start)
        if head.start == head.after:
            listed.pop(head.after, None)  # which is in a segment
        return head.without([run_id for run_id in head.rows if moment(run_id) > start and run_id not in listed]), listed

    def write(self, head: Head, etag: str) -> bool:
        """Write the head where it is as it was. etag: of what it was; empty for nothing."""
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        return self._put(HEAD, head.pack(), **condition)

    def put(self, rows: Rows) -> Segment:
        """Write rows that stay as they are."""
        segment, body = Segment.of(rows)
        self._put(segment.name, body)
        return segment

    def sealed(self, head: Head) -> Head:
        """The head, whose oldest rows have become a segment if they are many or large."""
        for oldest in head.full():
            parts = [Rows.of(oldest)]
            size = parts[0].size
            for older in head.segments[::-1][: to_merge(head.segments, len(oldest))]:
                rows = self.segment(older)
                if rows is None or (size := size + rows.size) > LARGEST_SIZE:  # that it is lost, a reader says
                    break
                parts.insert(0, rows)
            segment = self.put(Rows.joined(parts))
            head = head.sealed([row.id for row in oldest], segment, len(parts) - 1)
        return head

    def _put(self, name: str, body: bytes, **condition: str) -> bool:
        request = {"Bucket": self.bucket, "Key": index_key(name, self.scheduled), "Body": body}
        request |= {"ContentType": "application/gzip", **condition}
        return self.calls.conditional("s3", "PutObject", **request) is not None

    def _pages(self, key: str, **params: Any) -> Iterator[Any]:
        def read(continuation: dict[str, Any]) -> Any:
            return self.calls.find("s3", "ListObjectsV2", Bucket=self.bucket, **params, **continuation)

        for page in pages(read, {"ContinuationToken": "NextContinuationToken"}):
            yield from page.get(key) or ()
