"""All runs of a bucket as one list: by the index as far as it is right, and by the records where it isn't.

Whether the index is right is seen by one page of a listing, in which S3 tells the ETag of each of the newest records:
what was recorded since, or changed, is read. What is older was put in by whoever wrote the index.
"""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.core.run_paths import moment, record_key
from reconciler.run.index import Head, Row, Rows, Segment, expired
from reconciler.run.index_store import AT_ONCE, Index
from reconciler.run.run import Run
from reconciler.run.run_record import Runs
from reconciler.run.stored import Unreadable, from_json

AHEAD = 20  # runs that are looked at together
RUNNING = 10  # newest runs that were under way at the last look, and are looked at again for `best`
LOST = "{} of the index of runs can't be read, and records are read instead: `runs --rebuild` makes it anew"


@dataclass
class _Part:
    """Scheduled runs, or the others. head: what of the index's is right; unsettled: what has to be read."""

    index: Index
    head: Head
    listed: Mapping[str, str]
    lost: bool = False
    loaded: dict[str, Rows] = field(default_factory=dict)  # segments, by name

    @property
    def unsettled(self) -> set[str]:
        return self.head.unsettled(self.listed)


class Catalog:
    """The runs of a record, the newest first. Each call raises AwsError. scheduled: whether those of the schedule are
    among them.
    """

    def __init__(self, runs: Runs, *, scheduled: bool = True) -> None:
        self._runs, self._now = runs, runs.now()
        self._parts = runs.aws.each(self._part, (False, True) if scheduled else (False,))

    def _part(self, scheduled: bool) -> _Part:
        index = self._runs.index(scheduled)
        head, etag = index.load()
        if head is not None:
            head, listed = index.seen(head)
            return _Part(index, head.kept(index.keep, self._now), listed)
        names = index.names()
        if etag:
            self._runs.say(LOST.format("the head"))
        return _Part(index, Head(), dict.fromkeys(names, ""), lost=bool(names))

    @property
    def count(self) -> int:
        """How many runs there are, as far as is known without reading each."""
        return sum(
            len({*part.head.rows, *part.unsettled}) + sum(segment.rows for segment in part.head.segments)
            for part in self._parts
        )

    def newest(self, count: int, *, whole: bool = False) -> list[Run | Row]:
        """The newest `count` runs, by when they were made. whole: as runs, and not as rows."""
        newest: list[Run | Row] = []
        for batch in self.batches():
            newest += batch
            if len(newest) >= count:
                break
        return self.whole_runs(newest[:count]) if whole else newest[:count]

    def whole_runs(self, runs: list[Run | Row]) -> list[Run | Row]:
        """The rows among these as runs: by what the index has of the newest, or by their records. A row stays for
        a run whose record is gone.
        """
        return self._runs.aws.each(lambda run: run if isinstance(run, Run) else self._whole_run(run.id) or run, runs)

    def _whole_run(self, run_id: str) -> Run | None:
        for part in self._parts:
            if (record := part.head.whole.get(run_id)) is not None and run_id not in part.unsettled:
                with contextlib.suppress(Unreadable):
                    return self._runs.placed(from_json(record.encode("utf-8", "replace"), record_key(run_id)))
        return self._runs.readable(run_id)

    def batches(self) -> Iterator[list[Run | Row]]:
        """All runs, some at a time, the newest first, which are read as they are asked for. A row is of a run that
        is over.
        """
        rows = {run_id: row for part in self._parts for run_id, row in part.head.rows.items()}
        unsettled = {run_id for part in self._parts for run_id in part.unsettled}
        ids = sorted({*rows, *unsettled}, key=moment)
        waiting = sorted(((segment, part) for part in self._parts for segment in part.head.segments), key=_last)
        known_ids = {*ids}
        while ids or waiting:
            if waiting and (not ids or len(ids) < AHEAD or moment(waiting[-1][0].last) > moment(ids[-AHEAD])):
                segment, part = waiting.pop()
                for row in self._rows(part, segment):
                    if row.id not in known_ids:
                        rows[row.id] = row
                        ids.append(row.id)
                lost_ids = part.unsettled - known_ids  # where the segment was lost
                unsettled |= lost_ids
                ids = sorted({*ids, *lost_ids}, key=moment)
                known_ids.update(ids)
                continue
            batch, ids = ids[-AHEAD:], ids[:-AHEAD]
            unsettled_runs = self._read([run_id for run_id in batch if run_id in unsettled])
            runs: list[Run | Row] = [*unsettled_runs, *(rows[run_id] for run_id in batch if run_id not in unsettled)]
            yield sorted(runs, key=lambda run: run.created, reverse=True)

    def with_metric(self, metric: str, count: int, *, lowest: bool) -> list[Run | Row]:
        """At most `count` runs that have a metric, the best first."""
        pick = heapq.nsmallest if lowest else heapq.nlargest
        candidates: list[Run | Row] = []
        newer = {run_id for part in self._parts for run_id in (*part.head.rows, *part.unsettled)}
        for part, rows in self._all_rows():
            if rows is not None:
                places, values = rows.with_metric(metric)
                places = [at for at in places if rows.ids[at] not in newer]
                if (keep := part.index.keep) is not None:
                    ends = rows.columns["ended"]
                    places = [at for at in places if not expired(ends[at], keep, self._now)]
                candidates += rows.rows(pick(count, places, key=values.__getitem__))
        for part in self._parts:
            unsettled = part.unsettled
            candidates += (row for row in part.head.rows.values() if row.id not in unsettled)
            candidates += self._not_indexed(part)
        return pick(count, (run for run in candidates if metric in run.metrics), key=lambda run: run.metrics[metric])

    def _not_indexed(self, part: _Part) -> list[Run]:
        """Runs that are not in the index: those that may be over, and the newest of those that were under way."""
        due = part.head.due(part.listed, self._now)
        running = sorted(part.unsettled.difference(due), key=moment, reverse=True)
        if part.lost and len(due) > AT_ONCE:
            self._runs.say(f"the records of {len(due):,} runs are read, which takes long: `runs --rebuild` helps")
        elif len(due) > AT_ONCE:
            self._runs.say(f"{len(due) - AT_ONCE:,} runs aren't in the index yet and were left out: `runs --rebuild`")
            due = due[:AT_ONCE]
        return self._read([*due, *running[:RUNNING]])

    def unfinished(self, most: int | None = None, but: Collection[str] = ()) -> list[Run]:
        """The runs that aren't over, by their records. most: of the newest that are looked at, None for all; but: ids
        of those that aren't.
        """
        waiting = {run_id for part in self._parts for run_id in part.unsettled}.difference(but)
        ids = sorted(waiting, key=moment, reverse=True)
        return [run for run in self._read(ids[:most]) if not run.state.over]

    def newest_of(self, fingerprint: str) -> Run | None:
        """The newest run with this fingerprint, found in the records: for when `Runs.latest` raises Unreadable."""
        for run_id in self.ids(fingerprint[:8]):
            if (run := self._runs.readable(run_id)) and run.fingerprint == fingerprint:
                return run
        return None

    def ids(self, part_of_id: str) -> list[str]:
        """The ids in which this text is, or whose newest task it is, the newest first."""
        ids = {run_id for part in self._parts for run_id in (*part.head.rows, *part.unsettled) if part_of_id in run_id}
        heads = (row for part in self._parts for row in part.head.rows.values())
        ids |= {row.id for row in heads if row.task == part_of_id}
        for _, rows in self._all_rows():
            if rows is not None:
                ids_and_tasks = zip(rows.ids, rows.columns["task"], strict=True)
                ids |= {run_id for run_id, task in ids_and_tasks if part_of_id in run_id or task == part_of_id}
        if not ids:
            runs = self._read(
                sorted((run_id for part in self._parts for run_id in part.unsettled), key=moment)[-AT_ONCE:]
            )
            ids = {run.id for run in runs if run.task_arn.endswith(f"/{part_of_id}")}
        return sorted(ids, key=moment, reverse=True)

    def _all_rows(self) -> list[tuple[_Part, Rows | None]]:
        places = [(part, segment) for part in self._parts for segment in part.head.segments]
        return self._runs.aws.each(lambda pair: (pair[0], self._segment(*pair)), places)

    def _rows(self, part: _Part, segment: Segment) -> list[Row]:
        rows = self._segment(part, segment)
        now, keep = self._now, part.index.keep
        return [row for row in rows.rows() if not expired(row.ended, keep, now)] if rows else []

    def _segment(self, part: _Part, segment: Segment) -> Rows | None:
        if segment.name not in part.loaded:
            rows = part.index.segment(segment)
            if rows is None:
                self._lose(part)
                return None
            part.loaded[segment.name] = rows
        return part.loaded[segment.name]

    def _lose(self, part: _Part) -> None:
        """A segment isn't there: whatever is in no other is read from its record."""
        self._runs.say(LOST.format("a part"))
        for segment in part.head.segments:
            if segment.name not in part.loaded and (rows := part.index.segment(segment)) is not None:
                part.loaded[segment.name] = rows
        segment_ids = {run_id for rows in part.loaded.values() for run_id in rows.ids}
        part.listed = {**dict.fromkeys(set(part.index.names()) - segment_ids - {*part.head.rows}, ""), **part.listed}
        part.lost = True

    def _read(self, ids: list[str]) -> list[Run]:
        return [run for run in self._runs.aws.each(self._runs.readable, ids) if run is not None]


def _last(pair: tuple[Segment, _Part]) -> str:
    return moment(pair[0].last)
