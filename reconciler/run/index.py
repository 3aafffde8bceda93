"""The index of runs: what lists, `best` and charts need of each run that is over, in few objects. Pure.

docs/decisions/runs-index.md says why. It tells nothing that the records don't: whatever isn't just as this program
writes it is Damaged, and then the records are read.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import sys
import zlib
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, groupby
from typing import Any, TypeVar

from reconciler.core import plain_json
from reconciler.core.plain_json import is_text, plain
from reconciler.core.run_paths import is_run_id, moment, task_id
from reconciler.run.run import Run
from reconciler.run.state import State

VERSION = 1
KEPT = 200  # of the newest runs that the head has at least, so that one page of a listing has their records
SEALED = 2_000  # runs that leave the head at once
LARGEST = 1 << 16  # runs in a segment
HEAVY = 8 << 20  # bytes of the head's rows, at more of which some become a segment before they are SEALED
LARGEST_SIZE = 24 << 20  # bytes of a merged segment: the schedule's function has room for it
PLAIN_SIZE = 250  # bytes of a row at most, without metrics and variables
MOST = 64 << 20  # bytes of an object, and of what it unpacks to
WHOLE, WHOLE_MOST = 20, 16_384  # newest records that the head has whole, and bytes of one
LATEST = 4_102_444_800.0  # seconds since the epoch: 2100 has begun
SEGMENT = re.compile(r"segment-[0-9a-f]{32}\.json\.gz")
LOOK_AGAIN = 3600.0  # seconds after which one that wasn't over is looked at again

T = TypeVar("T")


class Damaged(Exception):
    """An object isn't what this program writes."""


@dataclass(frozen=True)
class Row:
    """What lists tell of a run that is over. Times are seconds since the epoch; task: the id of its newest task."""

    id: str
    state: State
    created: float
    ended: float
    seconds: float | None
    exit_code: int | None
    cost: float | None
    task: str
    metrics: Mapping[str, float]
    environment: Mapping[str, str]

    @classmethod
    def of(cls, run: Run) -> Row:
        """The row of a run."""
        return cls(
            run.id,
            run.state,
            run.created,
            ended(run),
            run.seconds,
            run.exit_code,
            run.cost,
            task_id(run.task_arn),
            run.metrics,
            run.overrides.environment,
        )

    @property
    def size(self) -> int:
        """Bytes that it is written in, at most."""
        return PLAIN_SIZE + _size([{**self.metrics}, {**self.environment}])


def ended(run: Run) -> float:
    """When its newest task stopped, as far as that is known."""
    last = run.attempts[-1] if run.attempts else None
    return run.created if last is None else last.stopped or last.launched


def expired(end: float, keep: float | None, now: float) -> bool:
    """Whether what ended then isn't kept any more. keep: seconds; None for all."""
    return keep is not None and end + keep < now


@dataclass(frozen=True)
class MappingColumn:
    """A mapping for each run, by which names it has. names: each set once; shape: which one; values: all, in a row."""

    names: Sequence[Sequence[str]]
    shape: Sequence[int]
    values: Sequence[Any]

    @classmethod
    def of(cls, mappings: Iterable[Mapping[str, Any]]) -> MappingColumn:
        """These mappings in columns."""
        names: dict[tuple[str, ...], int] = {}
        shape: list[int] = []
        values: list[Any] = []
        for mapping in mappings:
            shape.append(names.setdefault(tuple(mapping), len(names)))
            values.extend(mapping.values())
        return cls([*names], shape, values)

    @classmethod
    def joined(cls, parts: Sequence[MappingColumn]) -> MappingColumn:
        """The mappings of all parts, one part after the other."""
        names: dict[tuple[str, ...], int] = {}
        shape: list[int] = []
        for part in parts:
            at = [names.setdefault(tuple(name_set), len(names)) for name_set in part.names]
            shape.extend(at[number] for number in part.shape)
        return cls([*names], shape, [value for part in parts for value in part.values])

    @cached_property
    def starts(self) -> list[int]:
        """Where the values of each begin, and where the last end."""
        sizes = [len(name_set) for name_set in self.names]
        return [0, *accumulate(sizes[number] for number in self.shape)]

    def check(self, count: int, values: type) -> None:
        """Raises Damaged where these can't be the mappings of `count` runs, with values of this type."""
        if not all(isinstance(part, list) for part in (self.names, self.shape, self.values, *self.names)):
            raise Damaged
        texts = [name for names in self.names for name in names] + ([*self.values] if values is str else [])
        if not all(isinstance(text, str) for text in texts) or not is_text("".join(texts)):
            raise Damaged
        if len(self.shape) != count or not _whole_numbers(self.shape) or min(self.shape, default=0) < 0:
            raise Damaged
        if max(self.shape, default=-1) >= len(self.names) or len(self.values) != self.starts[-1]:
            raise Damaged
        if values is float and not _numbers(self.values):
            raise Damaged


PLAIN = ("id", "state", "created", "ended", "seconds", "exit_code", "cost", "task")
TIMES = ("created", "ended")
NUMBERS = ("seconds", "exit_code", "cost")  # which may be null


@dataclass(frozen=True)
class Rows:
    """Many rows, column by column: a hundred thousand are read in a moment, and a row is made where it is asked for."""

    columns: Mapping[str, Sequence[Any]]
    metrics: MappingColumn
    environment: MappingColumn

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Rows:
        """These rows in columns."""
        columns = {name: [getattr(row, name) for row in rows] for name in PLAIN}
        return cls(
            columns, MappingColumn.of(row.metrics for row in rows), MappingColumn.of(row.environment for row in rows)
        )

    @classmethod
    def read(cls, plain_rows: Any) -> Rows:
        """The rows that `plain` has written. Raises Damaged."""
        try:
            columns = {name: plain_rows[name] for name in PLAIN}
            rows = cls(columns, MappingColumn(**plain_rows["metrics"]), MappingColumn(**plain_rows["environment"]))
            rows.check()
        except (KeyError, TypeError, IndexError):
            raise Damaged from None
        return rows

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """The rows of all parts, one part after the other."""
        columns = {name: [value for part in parts for value in part.columns[name]] for name in PLAIN}
        mappings = ([part.metrics for part in parts], [part.environment for part in parts])
        return cls(columns, *map(MappingColumn.joined, mappings))

    def check(self) -> None:
        """Raises Damaged or TypeError where these can't be rows."""
        count = len(self.columns["id"])
        if any(not isinstance(column, list) or len(column) != count for column in self.columns.values()):
            raise Damaged
        if not all(map(is_run_id, self.columns["id"])) or not set(self.columns["state"]) <= {*State}:
            raise Damaged
        if not all(_numbers(self.columns[name], least=0.0, most=LATEST) for name in TIMES):
            raise Damaged
        if not all(_numbers([value for value in self.columns[name] if value is not None]) for name in NUMBERS):
            raise Damaged
        if not all(isinstance(task, str) for task in self.columns["task"]) or not is_text(
            "".join(self.columns["task"])
        ):
            raise Damaged
        self.metrics.check(count, float)
        self.environment.check(count, str)

    def plain(self) -> dict[str, Any]:
        """The rows as they are written."""
        return {**self.columns, "metrics": plain(self.metrics), "environment": plain(self.environment)}

    @property
    def ids(self) -> Sequence[str]:
        """The ids of all rows."""
        return self.columns["id"]

    @property
    def size(self) -> int:
        """Bytes that they are written in, at most."""
        return PLAIN_SIZE * len(self.ids) + _size([plain(self.metrics), plain(self.environment)])

    def rows(self, places: Iterable[int] | None = None) -> Iterator[Row]:
        """The rows at these places, or all."""
        names = self.metrics.starts, self.environment.starts
        for at in range(len(self.ids)) if places is None else places:
            parts = (
                dict(zip(mapping.names[mapping.shape[at]], mapping.values[start[at] : start[at + 1]], strict=True))
                for mapping, start in zip((self.metrics, self.environment), names, strict=True)
            )
            values = {name: self.columns[name][at] for name in PLAIN}
            yield Row(*(values | {"state": State(values["state"])}).values(), *parts)

    def with_metric(self, name: str) -> tuple[Sequence[int], Sequence[Any]]:
        """(the places of those that have it, the values of all, None without). No object is made for each."""
        of, size = self.metrics, len(self.ids)
        at = [list(names).index(name) if name in names else None for names in of.names]
        if len(at) == 1 and at[0] is not None:  # all have the same metrics
            return range(size), of.values[at[0] :: len(of.names[0])]
        places = [place for place, number in enumerate(of.shape) if at[number] is not None]
        values: list[Any] = [None] * size
        for place in places:
            values[place] = of.values[of.starts[place] + (at[of.shape[place]] or 0)]
        return places, values


@dataclass(frozen=True)
class Segment:
    """An object with the rows of runs that don't change any more. last: their newest id; until: when the last ended."""

    name: str
    rows: int
    last: str
    until: float

    @classmethod
    def of(cls, rows: Rows) -> tuple[Segment, bytes]:
        """(one, what it is written as). Its name says what is in it, so that it is never written over."""
        body = pack({"version": VERSION, "rows": rows.plain()})
        name = f"segment-{hashlib.sha256(body).hexdigest()[:32]}.json.gz"
        return cls(name, len(rows.ids), max(rows.ids, key=moment), max(rows.columns["ended"])), body


@dataclass(frozen=True)
class Head:
    """The object that changes: the newest runs, and where the others are.

    rows, etags: of runs that are over, and of their records, by id. whole: the newest records, as text. left: runs that
    weren't over, or weren't read yet, and when they were looked at last, 0 for never. after: the id up to which no
    listing is needed, since what is there is in a segment or in `left`.
    """

    segments: tuple[Segment, ...] = ()
    rows: Mapping[str, Row] = field(default_factory=dict)
    etags: Mapping[str, str] = field(default_factory=dict)
    whole: Mapping[str, str] = field(default_factory=dict)
    left: Mapping[str, float] = field(default_factory=dict)
    after: str = ""

    def pack(self) -> bytes:
        """The head as it is written."""
        rows = Rows.of([*self.rows.values()]).plain()
        return pack({**plain(replace(self, rows={})), "version": VERSION, "rows": rows})

    @classmethod
    def unpack(cls, body: bytes) -> Head:
        """The head that `pack` has written. Raises Damaged."""
        fields = unpack(body)
        try:
            rows = {row.id: row for row in Rows.read(fields["rows"]).rows()}
            segments = tuple(Segment(**segment) for segment in fields["segments"])
            etags, whole, left, after = (fields[name] for name in ("etags", "whole", "left", "after"))
            right = (
                all(isinstance(mapping, dict) for mapping in (etags, whole, left))
                and all(map(is_run_id, (*whole, *left)))
                and all(isinstance(text, str) for text in (*etags.values(), *whole.values()))
                and _numbers([*left.values()])
                and (after == "" or is_run_id(after))
                and all(
                    SEGMENT.fullmatch(segment.name) and is_run_id(segment.last) and _whole_numbers([segment.rows])
                    for segment in segments
                )
                and _numbers([segment.until for segment in segments])
            )
        except (KeyError, TypeError):
            raise Damaged from None
        if not right:
            raise Damaged
        return cls(segments, rows, etags, whole, left, after)

    @property
    def start(self) -> str:
        """The id after which the records of what the head has are listed. Those that aren't over count too: a sweep of
        ten thousand would be as many pages for each list.
        """
        newest = sorted({*self.rows, *self.left}, key=moment, reverse=True)[:KEPT]
        return max(self.after, newest[-1], key=moment) if len(newest) == KEPT else self.after

    def unsettled(self, listed: Mapping[str, str]) -> set[str]:
        """Ids of runs whose records have to be read: they aren't here, or aren't as they were. listed: etags, by id."""
        return {*self.left} | {run_id for run_id, etag in listed.items() if self.etags.get(run_id) != etag}

    def due(self, listed: Mapping[str, str], now: float) -> list[str]:
        """The unsettled runs that weren't looked at, or a long time ago, or in the future by another's clock; the
        newest first.
        """
        due = [run_id for run_id in self.unsettled(listed) if abs(now - self.left.get(run_id, 0.0)) > LOOK_AGAIN]
        return sorted(due, key=moment, reverse=True)

    def without(self, ids: Iterable[str]) -> Head:
        """This head without these runs."""
        ids = {*ids}

        def others(of: Mapping[str, T]) -> dict[str, T]:
            return {run_id: value for run_id, value in of.items() if run_id not in ids}

        return replace(
            self, rows=others(self.rows), etags=others(self.etags), whole=others(self.whole), left=others(self.left)
        )

    def with_runs(self, runs: Iterable[RecordedRun]) -> Head:
        """This head with what was read or written of runs: those that are over have a row, others are left."""
        runs = [*runs]
        head = self.without(run.id for run in runs)
        over = {run.id: run for run in runs if run.row is not None}
        whole = {**head.whole, **{run.id: run.record for run in over.values() if run.record is not None}}
        return replace(
            head,
            rows={**head.rows, **{run.id: run.row for run in over.values() if run.row}},
            etags={**head.etags, **{run.id: run.etag for run in over.values()}},
            whole={run_id: whole[run_id] for run_id in sorted(whole, key=moment)[-WHOLE:]},
            left={**head.left, **{run.id: run.looked for run in runs if run.row is None}},
        )

    def beside(self, other: Head, names: Container[str]) -> Head:
        """This head, made of the runs with these names, with what another has learned of them and others meanwhile."""
        rows = [row for run_id, row in other.rows.items() if run_id not in names or run_id in self.left]
        over = [RecordedRun(row.id, other.etags.get(row.id, ""), row, record=other.whole.get(row.id)) for row in rows]
        unfinished = [
            RecordedRun(run_id, "", None, looked) for run_id, looked in other.left.items() if run_id not in names
        ]
        return self.with_runs([*over, *unfinished])

    def kept(self, keep: float | None, now: float) -> Head:
        """This head without what has expired."""
        old = [row.id for row in self.rows.values() if expired(row.ended, keep, now)]
        segments = tuple(segment for segment in self.segments if not expired(segment.until, keep, now))
        return replace(self.without(old), segments=segments)

    def full(self) -> list[list[Row]]:
        """The oldest rows, where there are so many, or they are so large, that they are to become a segment; or several
        segments, of which none is too large. Else none.
        """
        newest = sorted(self.rows.values(), key=lambda row: moment(row.id), reverse=True)
        sizes = [*accumulate(row.size for row in newest)]
        if len(newest) < SEALED + KEPT and (not sizes or sizes[-1] <= HEAVY):
            return []
        stay = min(KEPT, bisect_right(sizes, HEAVY // 2))  # fewer are compared with their records, where they are large
        begin = sizes[stay - 1] if stay else 0
        parts = groupby(zip(sizes[stay:], newest[stay:], strict=True), key=lambda pair: (pair[0] - begin - 1) // HEAVY)
        return [[row for _, row in part][::-1] for _, part in parts][::-1]

    def sealed(self, ids: Iterable[str], segment: Segment, merged: int) -> Head:
        """This one with a segment that has these rows and those of as many of the last segments."""
        segments = (*self.segments[: len(self.segments) - merged], segment)
        return replace(self.without(ids), segments=segments, after=max(self.after, segment.last, key=moment))


@dataclass(frozen=True)
class RecordedRun:
    """A run as its record has it. row: None for one that isn't over, which was looked at then; record: its text, to be
    kept whole, or None.
    """

    id: str
    etag: str
    row: Row | None
    looked: float = 0.0
    record: str | None = None

    @classmethod
    def of(cls, run: Run, etag: str, body: bytes, looked: float) -> RecordedRun:
        """What the index takes of a run, which was read from this body of a record."""
        small = run.state.over and len(body) <= WHOLE_MOST
        row = Row.of(run) if run.state.over else None
        return cls(run.id, etag, row, looked, body.decode("utf-8", "replace") if small else None)


def to_merge(segments: Sequence[Segment], rows: int) -> int:
    """How many of the last segments become one with so many more rows: as in a binary counter, so that their number
    grows with the logarithm of the number of runs, and a row is written again as seldom.
    """
    count = 0
    while count < len(segments) and segments[-1 - count].rows <= rows <= LARGEST - segments[-1 - count].rows:
        rows += segments[-1 - count].rows
        count += 1
    return count


def pack(value: Any) -> bytes:
    """A value as it is kept: the same for the same value."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return gzip.compress(text.encode("utf-8", "replace"), 6, mtime=0)


def unpack(body: bytes) -> Any:
    """The value of an object of this version. Raises Damaged."""
    try:
        unpacker = zlib.decompressobj(31)
        text = unpacker.decompress(body, MOST)
        if not unpacker.eof:
            raise Damaged
        content = plain_json.parse(text, parse_constant=_no_number)
    except (zlib.error, ValueError):
        raise Damaged from None
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise Damaged
    return content


def _size(value: Any) -> int:
    return len(json.dumps(value, separators=(",", ":")))  # in which no character takes less than in UTF-8


def _no_number(text: str) -> float:
    raise Damaged(text)


def _numbers(values: Sequence[Any], *, least: float = -sys.float_info.max, most: float = sys.float_info.max) -> bool:
    """Whether all are numbers, of which none is too large for whatever is done with it."""
    return set(map(type, values)) <= {int, float} and (not values or (least <= min(values) and max(values) <= most))


def _whole_numbers(values: Sequence[Any]) -> bool:
    return set(map(type, values)) <= {int}
