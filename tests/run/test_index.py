"""The index of runs: exact numbers of requests, races, and what becomes of it when it is lost, behind or forged."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.aws.calls import Aws
from reconciler.aws.foreign import READ
from reconciler.cli.past_runs import Past
from reconciler.core.errors import UserError
from reconciler.core.run_paths import index_key, output_prefix, record_key, token
from reconciler.run.catalog import LOST, Catalog
from reconciler.run.index import (
    KEPT,
    LARGEST,
    LARGEST_SIZE,
    SEALED,
    Damaged,
    Head,
    MappingColumn,
    RecordedRun,
    Row,
    Rows,
    Segment,
    pack,
    to_merge,
    unpack,
)
from reconciler.run.index_store import HEAD, Index
from reconciler.run.retry import Attempt, Event
from reconciler.run.run import Overrides, Run
from reconciler.run.run_record import Runs
from reconciler.run.state import State
from tests.run.bucket import FakeS3

BEGUN = 1_767_225_600.0  # 2026-01-01
ARN = "arn:aws:ecs:us-east-1:123456789012:task/tiny/{}"


def run(number: int, *, state: State = State.SUCCEEDED, scheduled: bool = False, **more: Any) -> Run:
    """The run with this number, a minute after the one before."""
    at = BEGUN + 60 * number
    mark = f"{number * 2654435761 % 2**32:08x}"
    run_id = f"{'scheduled-' if scheduled else ''}{time.strftime('%Y%m%d-%H%M%S', time.gmtime(at))}-{mark}"
    event = {State.SUCCEEDED: Event.SUCCESS, State.FAILED: Event.ERROR}.get(state)
    attempt = Attempt(
        1, "FARGATE", token(run_id, 1), at, ARN.format(f"{number:032x}"), event, started=at,
        stopped=at + 30 if event else None,
    )  # fmt: skip
    values: dict[str, Any] = {
        "exit_code": 0, "cost": 0.01, "metrics": {"loss": random.Random(number).random(), "rows": float(number)},
        "overrides": Overrides({"N": str(number)}), "attempts": (attempt,),
    }  # fmt: skip
    return Run(
        id=run_id, fingerprint="" if scheduled else mark * 8, state=state, created=at, inputs={}, cluster="tiny",
        output=f"s3://b/{output_prefix(run_id)}", **values | more,
    )  # fmt: skip


def record(s3: FakeS3, keep: float | None = None, told: list[str] | None = None) -> Runs:
    """The records, as a machine has them that knows nothing yet."""
    aws: Aws = s3  # type: ignore[assignment]
    return Runs(aws, "b", (lambda text: None) if told is None else told.append, keep)


def put(s3: FakeS3, *runs: Run, later: bool = False) -> None:
    """What a command records: later: and is killed before it writes the index."""
    kept = record(s3)
    kept.later = later
    for recorded in runs:
        kept.put(recorded)


def ids(runs: Any) -> list[str]:
    return [row.id for row in runs]


ALL = 100_000
NEWEST = SEALED + KEPT - 1  # the most that the head has
_random = random.Random(7)
LOSSES = [_random.random() for _ in range(ALL)]


@pytest.fixture(scope="module")
def many() -> FakeS3:
    """A hundred thousand runs and their index, as `update` leaves it; the records that are read of them."""
    s3 = FakeS3()
    index, kept = Index(s3, "b", scheduled=False), record(s3)
    older, left, head = [Row.of(run(0))] * (ALL - NEWEST), ALL - NEWEST, Head()
    rows = Rows.of(older)
    marks = [n * 2654435761 % 2**32 for n in range(left)]
    times = [time.strftime("%Y%m%d-%H%M%S", time.gmtime(BEGUN + 60 * n)) for n in range(left)]
    columns = dict(rows.columns) | {
        "id": [f"{at}-{mark:08x}" for at, mark in zip(times, marks, strict=True)],
        "task": [f"{n:032x}" for n in range(left)],
    }  # fmt: skip
    done = 0
    for size in (1 << 16, 1 << 14, 1 << 13, 1 << 12, left):  # no sum of powers has more parts
        part = slice(done, done := min(done + size, left))
        numbers = range(left)[part]
        metrics = MappingColumn(
            [("loss", "rows")], [0] * len(numbers), [v for n in numbers for v in (LOSSES[n], float(n))]
        )
        names = MappingColumn([("N",)], [0] * len(numbers), [str(n) for n in numbers])
        segment = index.put(Rows({name: values[part] for name, values in columns.items()}, metrics, names))
        head = head.sealed([], segment, 0)
    newest = [run(n, metrics={"loss": LOSSES[n]}) for n in range(left, ALL)]
    bodies = [kept.body(recorded) for recorded in newest]
    etags = [s3.write(record_key(recorded.id), body) for recorded, body in zip(newest, bodies, strict=True)]
    seen = [RecordedRun.of(recorded, tag, body, 0.0) for recorded, tag, body in zip(newest, etags, bodies, strict=True)]
    assert index.write(head.with_runs(seen), "")
    for n in sorted(range(left), key=LOSSES.__getitem__)[:10]:
        s3.write(record_key(run(n).id), kept.body(run(n)))
    s3.write(record_key(run(4_321).id), kept.body(run(4_321)))
    return s3


@pytest.fixture
def s3() -> FakeS3:
    return FakeS3()


def asked(s3: FakeS3) -> int:
    count = sum(s3.calls.values())
    s3.calls.clear()
    return count


def test_a_hundred_thousand_runs_take_few_requests(many: FakeS3) -> None:
    many.calls.clear()
    began = time.process_time()
    newest = Catalog(record(many)).newest(20, whole=True)
    assert ids(newest) == ids(run(number) for number in range(99_999, 99_979, -1))
    assert all(isinstance(shown, Run) for shown in newest)
    assert asked(many) == 4, "two heads, and a page of the records of each"
    catalog = Catalog(record(many))
    assert catalog.count == ALL
    best = catalog.with_metric("loss", 10, lowest=True)
    assert ids(best) == ids(run(number) for number in sorted(range(ALL), key=LOSSES.__getitem__)[:10])
    assert asked(many) <= 9
    assert [shown.id for shown in catalog.whole_runs(best)] == ids(best)
    assert asked(many) == 10, "each record, where all of a run is asked for"
    catalog = Catalog(record(many))
    assert catalog.ids(run(5).id[9:]) == [run(5).id]
    assert catalog.ids(f"{777:032x}") == [run(777).id], "by its task"
    assert asked(many) <= 9
    by_fingerprint = Catalog(record(many)).newest_of(run(4_321).fingerprint)
    assert by_fingerprint is not None
    assert by_fingerprint.id == run(4_321).id
    assert asked(many) <= 10
    assert time.process_time() - began < 20, "each of them in a moment"


def test_what_a_run_costs_to_record_does_not_grow(many: FakeS3) -> None:
    """The last test that uses them: the oldest of the head become a segment."""
    many.calls.clear()
    put(many, run(200_000))
    assert many.calls == {"PutObject": 4, "GetObject": 1, "ListObjectsV2": 1}
    assert ids(Catalog(record(many)).newest(2)) == [run(200_000).id, run(99_999).id]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """A head that is soon full: how many runs it has at least, and how many leave it at once."""
    monkeypatch.setattr("reconciler.run.index.KEPT", 20)
    monkeypatch.setattr("reconciler.run.index.SEALED", 100)
    return 20, 100


def test_rows_become_segments_and_these_are_merged(s3: FakeS3, small: tuple[int, int]) -> None:
    """Five times as many as the head has room for: each run is there once, by few objects."""
    (kept, sealed), index, head = small, Index(s3, "b", scheduled=False), Head()
    count = 11 * sealed
    for first in range(0, count, 50):
        head = index.sealed(head.with_runs(RecordedRun.of(run(n), "e", b"{}", 0.0) for n in range(first, first + 50)))
        assert kept <= len(head.rows) < sealed + kept or not head.segments
    assert len(head.segments) <= 3
    assert sum(segment.rows for segment in head.segments) + len(head.rows) == count
    assert Head.unpack(head.pack()) == head
    assert index.write(head, "")
    for number in range(count - kept, count):
        s3.write(record_key(run(number).id), b"changed")
    catalog = Catalog(record(s3))
    assert catalog.count == count
    ids_of_rows = [row.id for batch in catalog.batches() for row in batch]
    assert ids_of_rows == ids(run(n) for n in reversed(range(count)) if n < count - kept), (
        "those that changed are no rows"
    )


@pytest.mark.parametrize("at_once", [1, 40])
def test_runs_with_many_metrics_make_no_object_that_nobody_reads(
    s3: FakeS3, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """An object that unpacks to more than MOST counts as damaged, whoever wrote it."""
    for name, size in {"MOST": 1 << 19, "HEAVY": 1 << 17, "LARGEST_SIZE": 1 << 18}.items():
        for module in ("reconciler.run.index", "reconciler.run.index_store"):
            monkeypatch.setattr(f"{module}.{name}", size, raising=False)
    index, kept, head = Index(s3, "b", scheduled=False), record(s3), Head()
    runs = [run(number, metrics={f"m{n}": n + number / 7 for n in range(300)}) for number in range(120)]
    for first in range(0, len(runs), at_once):
        new = runs[first : first + at_once]
        etags = [s3.write(record_key(recorded.id), kept.body(recorded)) for recorded in new]
        seen = [RecordedRun.of(recorded, etag, b"", 0.0) for recorded, etag in zip(new, etags, strict=True)]
        head = Head.unpack(index.sealed(head.with_runs(seen)).pack())
    assert index.write(head, "")
    asked(s3)
    told: list[str] = []
    catalog = Catalog(record(s3, told=told))
    assert catalog.count == len(runs)
    assert ids(catalog.with_metric("m3", 999, lowest=True)) == ids(runs)
    assert asked(s3) == 4 + len(head.segments), "none was read by its record"
    assert told == []
    assert 2 < len(head.segments) < 20


def test_the_largest_segment_is_read_whole() -> None:
    assert READ > LARGEST_SIZE, "a row's numbers may be such that packing makes hardly less of them"


@pytest.mark.parametrize(
    ("segments", "rows", "count"),
    [
        ((), 1, 0), ((1,), 1, 1), ((2,), 1, 0), ((2, 1), 1, 2), ((4, 2, 1), 1, 3), ((8, 2, 1), 1, 2), ((1,), 2, 1),
        ((LARGEST,), 1, 0), ((LARGEST,), LARGEST, 0), ((LARGEST // 2,), LARGEST // 2, 1),
    ],
)  # fmt: skip
def test_which_segments_are_merged(segments: tuple[int, ...], rows: int, count: int) -> None:
    assert to_merge([Segment("n", size, run(0).id, 0.0) for size in segments], rows) == count


@pytest.mark.parametrize("at", range(1, 9))
@pytest.mark.parametrize("scheduled", [False, True])
def test_two_writers_lose_nothing(s3: FakeS3, at: int, scheduled: bool) -> None:
    """Another command records its run before each of the calls of this one."""
    put(s3, *(run(number, scheduled=scheduled) for number in range(3)))
    count = 0

    def somebody(operation: str) -> None:
        nonlocal count
        count += 1
        if count == at:
            s3.before = lambda operation: None
            put(s3, run(10, scheduled=scheduled))

    s3.before = somebody
    put(s3, run(11, scheduled=scheduled))
    put(s3, run(12, scheduled=scheduled))
    s3.calls.clear()
    assert ids(Catalog(record(s3)).newest(9)) == ids(run(n, scheduled=scheduled) for n in (12, 11, 10, 2, 1, 0))
    assert asked(s3) == 4, "each is in the index"


def test_who_loses_every_time_leaves_it_to_the_next(s3: FakeS3) -> None:
    put(s3, run(0))
    head = index_key(HEAD, scheduled=False)
    numbers = iter(range(10_000))

    def always(operation: str) -> None:
        if operation == "PutObject" and head in s3.objects:
            s3.objects[head] = Head(etags={run(0).id: str(next(numbers))}).pack()

    s3.before = always
    put(s3, run(1))
    s3.before = lambda operation: None
    assert ids(Catalog(record(s3)).newest(9)) == ids([run(1), run(0)])


def test_a_writer_that_was_killed_leaves_no_gap(s3: FakeS3) -> None:
    put(s3, run(0))
    put(s3, run(1), run(2, state=State.RUNNING), later=True)
    s3.calls.clear()
    assert ids(Catalog(record(s3)).newest(9)) == ids([run(2), run(1), run(0)])
    assert asked(s3) == 6, "two of them by their records"
    put(s3, run(3))
    s3.calls.clear()
    assert ids(Catalog(record(s3)).newest(9)) == ids([run(3), run(2), run(1), run(0)])
    assert asked(s3) == 5, "what isn't over is read"
    assert ids(Catalog(record(s3)).unfinished()) == [run(2).id]
    put(s3, run(2))
    s3.calls.clear()
    assert len(Catalog(record(s3)).newest(9)) == 4
    assert asked(s3) == 4


def test_those_of_the_schedule_are_left_out_before_they_are_counted(s3: FakeS3) -> None:
    put(s3, run(0, state=State.RUNNING), *(run(n, state=State.RUNNING, scheduled=True) for n in (1, 2)), later=True)
    assert ids(Catalog(record(s3)).unfinished(1)) == [run(2, scheduled=True).id]
    assert ids(Catalog(record(s3), scheduled=False).unfinished(1)) == [run(0).id]


def test_what_a_sweep_that_was_killed_left_out_is_put_in_by_the_next(s3: FakeS3) -> None:
    """Its runs are in the index before they begin, and it is written now and then; the next knows which are over."""
    sweep = record(s3)
    sweep.later = True
    for number in range(4):
        sweep.put(run(number, state=State.LAUNCHING, attempts=()))
    sweep.flush()
    s3.calls.clear()
    for number in range(3):
        sweep.put(run(number))
        sweep.flush(10.0)
    assert s3.calls == {"PutObject": 6}
    following = record(s3)
    following.later, following.over = True, {run(0).id, run(1).id, run(2).id}
    following.put(run(3))
    following.flush()
    s3.calls.clear()
    assert ids(Catalog(record(s3)).with_metric("rows", 9, lowest=True)) == ids(map(run, range(4)))
    assert asked(s3) == 4


def test_a_large_sweep_under_way_is_one_page(s3: FakeS3, small: tuple[int, int]) -> None:
    """What is listed doesn't grow with the runs that aren't over, which are known."""
    kept, _ = small
    sweep = record(s3)
    sweep.later = True
    for number in range(3 * kept):
        sweep.put(run(number, state=State.LAUNCHING, attempts=(), metrics={}))
    sweep.flush()
    index = Index(s3, "b", scheduled=False)
    head, _ = index.load()
    assert head is not None
    assert len(index.seen(head)[1]) == kept
    for number in range(2 * kept):
        sweep.put(run(number))
    sweep.flush()
    put(s3, run(900))
    assert Catalog(record(s3)).count == 3 * kept + 1
    assert ids(Catalog(record(s3)).with_metric("rows", 999, lowest=True)) == ids(map(run, (*range(2 * kept), 900)))


def test_one_under_way_for_long_is_not_forgotten(s3: FakeS3, small: tuple[int, int]) -> None:
    """Others come after it until no page of the newest has it, and it ends with nobody to say so."""
    put(s3, run(0, state=State.RUNNING), later=True)
    put(s3, *(run(number) for number in range(1, small[0] + 5)), later=True)
    put(s3, run(small[0] + 5))
    assert ids(Catalog(record(s3)).unfinished()) == [run(0).id]
    put(s3, run(0), later=True)
    assert run(0).id in ids(Catalog(record(s3)).with_metric("rows", 1, lowest=True))


def test_a_lost_index_is_made_from_the_records(s3: FakeS3) -> None:
    put(s3, *(run(number) for number in range(30)), *(run(number, scheduled=True) for number in range(5)))
    for scheduled in (False, True):
        s3.remove(index_key(HEAD, scheduled))
    told: list[str] = []
    kept = record(s3, told=told)
    assert Catalog(kept).count == 35
    assert len(Catalog(kept).newest(99, whole=True)) == 35
    assert told == []
    put(s3, run(40))
    s3.calls.clear()
    assert len(Catalog(record(s3)).newest(99)) == 36
    assert asked(s3) == 2 + 2 + 5, "the other's waits for whoever writes it"
    assert record(s3).rebuild() == 36
    s3.calls.clear()
    assert len(Catalog(record(s3)).newest(99)) == 36
    assert asked(s3) == 4


@pytest.mark.parametrize("more", [-1, 5])
def test_an_index_made_anew_has_nothing_that_was_deleted(s3: FakeS3, small: tuple[int, int], more: int) -> None:
    """In the head, where no listing looks any more, and in a segment."""
    put(s3, *(run(number) for number in range(sum(small) + more)))
    s3.remove(record_key(run(2).id))
    kept = record(s3)
    assert kept.rebuild() == sum(small) + more - 1
    assert Catalog(kept).count == sum(small) + more - 1
    assert run(2).id not in {row.id for batch in Catalog(kept).batches() for row in batch}


def test_an_index_made_anew_has_what_others_have_put_into_a_segment_meanwhile(
    s3: FakeS3, small: tuple[int, int]
) -> None:
    """A sweep ends while the records are read: so many of its runs that the first of them leave the head."""
    kept, sealed = small
    put(s3, *(run(number) for number in range(sealed - 10) if number != 5))
    put(s3, run(6, state=State.RUNNING), later=True)
    count = 0

    def somebody(operation: str) -> None:
        nonlocal count
        count += operation == "GetObject"
        if count == 9:  # the names were listed
            s3.before = lambda operation: None
            put(s3, run(5), run(6), *(run(number) for number in range(sealed - 10, sealed + 3 * kept)))

    s3.before = somebody
    record(s3).rebuild()
    assert ids(Catalog(record(s3)).newest(999)) == ids(run(number) for number in reversed(range(sealed + 3 * kept)))
    asked(s3)
    assert ids(Catalog(record(s3)).with_metric("rows", 999, lowest=True)) == ids(map(run, range(sealed + 3 * kept)))
    assert asked(s3) < 9


def test_one_that_a_clock_of_the_future_has_looked_at_is_looked_at_again(s3: FakeS3) -> None:
    put(s3, *(run(number, state=State.RUNNING) for number in range(20)))
    put(s3, run(30))
    index = Index(s3, "b", scheduled=False)
    head, etag = index.load()
    assert head is not None
    assert index.write(replace(head, left=dict.fromkeys(head.left, time.time() + 1e8)), etag)
    put(s3, *(run(number) for number in range(20)), later=True)
    assert run(0).id in ids(Catalog(record(s3)).with_metric("rows", 99, lowest=True))
    put(s3, run(31))
    head, _ = index.load()
    assert head is not None
    assert not head.left


def test_that_all_records_are_read_is_said(s3: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3, *(run(number) for number in range(12)), later=True)
    monkeypatch.setattr("reconciler.run.catalog.AT_ONCE", 11)
    told: list[str] = []
    assert len(Catalog(record(s3, told=told)).with_metric("rows", 99, lowest=True)) == 12
    assert "the records of 12 runs are read" in told[0]


def test_a_run_that_is_put_again_is_there_once(s3: FakeS3, small: tuple[int, int]) -> None:
    """In a segment and in the head, since why it failed was found later."""
    put(s3, *(run(number) for number in range(sum(small) + 5)))
    put(s3, run(0, why="no rows"))
    best = Catalog(record(s3)).with_metric("rows", 3, lowest=True)
    assert ids(best) == ids(run(number) for number in range(3))
    assert [row.id for batch in Catalog(record(s3)).batches() for row in batch].count(run(0).id) == 1


def test_what_another_wrote_is_not_put_back(s3: FakeS3, small: tuple[int, int]) -> None:
    """A run that was read as under way, and whose end another command has put in before this one writes."""
    put(s3, run(0, state=State.RUNNING))
    put(s3, *(run(number, state=State.RUNNING) for number in range(1, 20)), later=True)
    count = 0

    def somebody(operation: str) -> None:
        nonlocal count
        count += operation == "PutObject"
        if count == 3:  # the head, after the run's two
            s3.before = lambda operation: None
            put(s3, run(0))

    s3.before = somebody
    put(s3, run(30))
    assert run(0).id in ids(Catalog(record(s3)).with_metric("rows", 99, lowest=True))


def test_runs_from_before_the_index_come_into_it_bit_by_bit(s3: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.run.index_store.AT_ONCE", 20)
    kept = record(s3)
    for number in range(50):
        s3.write(record_key(run(number).id), kept.body(run(number)))
    told: list[str] = []
    for number, left in ((60, 30), (61, 10), (62, 0)):
        writer = record(s3, told=told)
        writer.put(run(number))
        message = told.pop() if told else ""
        assert (f"{left} runs aren't in the index of runs yet" in message) if left else not message
        assert len(Catalog(record(s3)).newest(99)) == 50 + number - 59
    s3.calls.clear()
    assert len(Catalog(record(s3)).newest(99)) == 53
    assert asked(s3) == 4


def test_an_older_index_put_back_is_noticed(s3: FakeS3) -> None:
    put(s3, *(run(number) for number in range(5)), run(5, state=State.RUNNING))
    head = index_key(HEAD, scheduled=False)
    old = s3.objects[head]
    put(s3, run(6), run(5, state=State.FAILED), *(run(number) for number in range(7, 20)))
    s3.write(head, old)
    newest = Catalog(record(s3)).newest(99)
    assert {row.id: row.state for row in newest} == {
        run(n).id: State.FAILED if n == 5 else State.SUCCEEDED for n in range(20)
    }


def test_a_record_that_was_changed_or_deleted_is_what_counts(s3: FakeS3) -> None:
    put(s3, *(run(number) for number in range(5)))
    kept = record(s3)
    s3.write(record_key(run(3).id), kept.body(replace(run(3), state=State.FAILED, exit_code=7)))
    s3.write(record_key(run(2).id), b"{")
    s3.remove(record_key(run(1).id))
    catalog = Catalog(kept)
    newest = catalog.newest(9)
    assert [(row.id, row.exit_code) for row in newest] == [(run(4).id, 0), (run(3).id, 7), (run(0).id, 0)]
    assert kept.unreadable == {record_key(run(2).id): "it isn't JSON"}
    assert run(3).id not in ids(Catalog(kept).with_metric("nothing", 9, lowest=True))


def test_a_lost_segment_is_read_from_the_records(s3: FakeS3, small: tuple[int, int]) -> None:
    index, head = Index(s3, "b", scheduled=False), Head()
    kept, count = record(s3), sum(small)
    runs = [run(number) for number in range(count)]
    for recorded in runs:
        s3.write(record_key(recorded.id), kept.body(recorded))
    head = index.sealed(head.with_runs(kept.look(recorded.id) for recorded in runs))  # type: ignore[misc]
    (segment,) = head.segments
    assert index.write(head, "")
    s3.remove(index_key(segment.name, scheduled=False))
    told: list[str] = []
    kept = record(s3, told=told)
    assert ids(Catalog(kept).with_metric("rows", 3, lowest=True)) == ids(runs[:3])
    assert [row.id for batch in Catalog(kept).batches() for row in batch] == ids(reversed(runs))
    assert told == [LOST.format("a part")]


def good() -> dict[str, Any]:
    head = Head().with_runs([RecordedRun.of(run(n), "e", b"{}", 0.0) for n in range(3)])
    plain_head: dict[str, Any] = unpack(head.pack())
    return plain_head


def wrong() -> Iterator[tuple[str, bytes]]:
    yield "nothing", b""
    yield "no archive", b"{}"
    yield "half", Head().pack()[:-9]
    yield "a bomb", pack({"version": 1, "rows": "0" * (65 << 20)})
    for name, value in {
        "version": 2, "rows": [], "segments": [{}], "etags": [], "whole": {"../x": {}}, "left": {"a": 1},
        "after": "x",
    }.items():  # fmt: skip
        yield name, pack(good() | {name: value})
    for column, value in {
        "id": "../../x", "state": "great", "created": None, "ended": "1", "seconds": True, "cost": "NaN", "task": 7,
    }.items():  # fmt: skip
        plain_head = good()
        plain_head["rows"][column][1] = value
        yield column, pack(plain_head)
    for part in ("metrics", "environment"):
        for key, value in {"names": [["a", 1]], "shape": [0, 0, 5], "values": [1]}.items():
            plain_head = good()
            plain_head["rows"][part][key] = value
            yield f"{part} {key}", pack(plain_head)
    for column, value in {"created": 1e300, "ended": -1.0, "seconds": 10**400}.items():  # no time, or more than a float
        plain_head = good()
        plain_head["rows"][column][1] = value
        yield f"too large {column}", pack(plain_head)
    plain_head = good()
    plain_head["rows"]["metrics"]["values"][1] = 10**400
    yield "too large a metric", pack(plain_head)
    yield (
        "no list of names",
        pack(good() | {"rows": good()["rows"] | {"metrics": {"names": {}, "shape": [], "values": []}}}),
    )
    deep: Any = {}
    for _ in range(600):
        deep = [deep]
    yield "a deep record", pack(good() | {"whole": {run(0).id: deep}})
    segment = {"name": "segment-\ud800", "rows": 1, "last": run(0).id, "until": 1.0}
    yield "no name of a segment", gzipped(json.dumps(good() | {"segments": [segment]}).encode())
    yield "not finite", gzipped(json.dumps(good()).replace("0.01", "1e999").encode())


def gzipped(text: bytes) -> bytes:
    import gzip

    return gzip.compress(text)


@pytest.mark.parametrize(("case", "body"), [pytest.param(*case, id=case[0]) for case in wrong()])
def test_what_is_no_index_is_none_and_the_records_are_read(s3: FakeS3, case: str, body: bytes) -> None:
    with pytest.raises(Damaged):
        Head.unpack(body)
    put(s3, run(0), run(1))
    s3.write(index_key(HEAD, scheduled=False), body)
    told: list[str] = []
    assert ids(Catalog(record(s3, told=told)).newest(9)) == ids([run(1), run(0)])
    assert "the head of the index of runs can't be read" in told[0]
    put(s3, run(2))
    s3.calls.clear()
    assert len(Catalog(record(s3)).newest(9)) == 3
    assert asked(s3) == 4, "whoever writes next makes it anew"


def test_what_expired_is_gone_from_all_of_it(s3: FakeS3) -> None:
    kept = record(s3, keep=86_400.0)
    now = kept.now()
    old, new = run(0, state=State.SUCCEEDED), run(int((now - BEGUN) / 60) - 10)
    put(s3, old, new)
    assert record(s3).latest(old.fingerprint) is not None
    assert kept.latest(old.fingerprint) is None, "it may be run again"
    assert kept.latest(new.fingerprint) is not None
    assert kept.kept(old.id) is None, "nor is it found by its whole id"
    assert kept.kept(new.id) == record(s3).kept(new.id) == new
    assert ids(Catalog(kept).newest(9)) == [new.id]
    assert ids(Catalog(kept).with_metric("rows", 9, lowest=True)) == [new.id]
    segments = (Segment("segment-x", 5, old.id, now - 90_000), Segment("segment-y", 5, old.id, now - 80_000))
    assert ids([]) == [*Head(segments).kept(86_400.0, now).rows]
    assert [segment.name for segment in Head(segments).kept(86_400.0, now).segments] == ["segment-y"]
    under_way = run(1, state=State.RUNNING)
    put(s3, under_way, later=True)
    assert under_way.id in ids(Catalog(kept).newest(9)), "whose record is old, and whose end isn't known"


def test_a_run_is_found_by_what_the_index_has(s3: FakeS3) -> None:
    nothing: Any = None
    put(s3, run(0), run(1))
    asked(s3)
    assert Past(nothing, nothing, record(s3), nothing).find("") == record(s3).kept(run(1).id)
    assert asked(s3) == 4 + 1, "which has the newest whole; the one is for the comparison"
    aws: Any = s3
    where: Any = SimpleNamespace(file=Path("deploy.yaml"), local=None, environment="")
    gone = Past(where, aws, record(s3, keep=60.0), nothing)
    for name in (run(1).id, run(1).id[:-1], ""):
        with pytest.raises(UserError, match="there is no run"):
            gone.find(name)


def test_rows_are_read_back_as_they_were() -> None:
    rows = [
        Row.of(run(0)), Row.of(run(1, metrics={}, overrides=Overrides())), Row.of(run(2, metrics={"ö\n": -1e300})),
        Row.of(run(3, state=State.STOPPED, exit_code=None, cost=None, attempts=())),
    ]  # fmt: skip
    read = Rows.read(json.loads(json.dumps(Rows.of(rows).plain())))
    assert [*read.rows()] == rows
    assert [*Rows.joined([Rows.of(rows[:2]), Rows.of(rows[2:])]).rows()] == rows
    assert read.with_metric("rows") == ([0, 3], [0.0, None, None, 3.0])
    assert Rows.of(rows[:1]).with_metric("rows") == (range(1), [0.0])
    assert read.with_metric("other") == ([], [None] * 4)
