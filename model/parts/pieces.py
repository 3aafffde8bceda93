"""Pieces of the data on the workers: an unbroken stretch of hours each, with what its first hours look back on.

A piece is read once, by one worker. Its last hours go to the worker of the next piece, whose features look back on
them, and its first hour to that of the piece before, whose last outcome it is. So features and outcomes are those of
one process that holds all hours.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from model import data, features, log, plausible, repair, targets
from model.bars import FLOW, Bars, of_each
from model.cluster import OnCluster
from model.data import Data, Table
from model.errors import InputError, ModelError
from model.features.registry import LOOKBACK
from model.parts import files
from model.parts.files import File
from model.reading import Reading
from model.rows import Features
from model.targets import Targets

T = TypeVar("T")
HOUR = np.timedelta64(3600, "s")
NEVER = np.datetime64("NaT", "s")
LARGEST = ("longest_gap",)
"""The repairs of which the largest count of all pieces is told, and not the sum."""


@dataclasses.dataclass(frozen=True)
class Hours:
    """The bars of a piece with their outcomes; both have as many rows."""

    start: int
    """Number of the first hour among all."""
    bars: Bars
    targets: Targets

    def __len__(self) -> int:
        return len(self.bars)

    def within(self, start: int, stop: int) -> tuple[int, int]:
        """The rows of this piece between two hours, numbered among all; the same twice for none."""
        low = min(max(start - self.start, 0), len(self))
        return low, max(low, min(stop - self.start, len(self)))


@dataclasses.dataclass(frozen=True)
class Summary:
    """What is known of a piece where it isn't held."""

    name: str
    first: np.datetime64
    last: np.datetime64
    rows: int
    repairs: dict[str, int]
    opens: float
    closes: float
    counts: dict[str, int]
    """How many ``hours`` have prices, how many are ``following`` another one, how many are ``flat``: of one price."""
    flow: dict[str, tuple[int, int, bool]]
    """What `repair.flow_of` gives for each column; empty without order flow."""
    lowest: float
    highest: float
    """The lowest and the highest Close."""
    zoneless: bool = False
    """As that of `Data`."""


# What workers do.


def glance(table: Table) -> tuple[Any, str, bool]:
    """First time and checksum of a file, and whether it has volumes."""
    return table.first, table.sha256, table.has_volume


def mended(tables: Sequence[Table], name: str, how: Reading, now: dt.datetime, whole: data.Whole) -> Data:
    """Mend and check files that follow each other. What all of them must be is for `check` to say.

    Raises:
        InputError: a file can't be used; names it.
    """
    with data.named(name):
        return data.checked(tables, how, now, whole)


def summary(dataset: Data, name: str) -> Summary:
    """What the process that trains is told of a piece; no hours if it has none."""
    b, present = dataset.bars, np.isfinite(dataset.bars.close)
    counts = {
        "hours": int(present.sum()),
        "following": int((present[1:] & present[:-1]).sum()),
        "flat": int((b.high == b.low).sum()),
    }
    flow = {column: repair.flow_of(values[present]) for column, values in b.flow.items()}
    edges = (b.time[0], b.time[-1], b.open[0], b.close[-1]) if len(b) else (NEVER, NEVER, np.nan, np.nan)
    first, last, opens, closes = edges
    lowest, highest = float(b.close[present].min(initial=np.inf)), float(b.close[present].max(initial=0))
    repairs, zoneless = dataset.repairs, dataset.zoneless
    return Summary(
        name, first, last, dataset.rows, repairs, float(opens), float(closes), counts, flow, lowest, highest, zoneless
    )


def padded(dataset: Data, gap: int, with_flow: bool) -> Bars:
    """The bars of a piece after so many missing hours."""
    b = dataset.bars
    time = np.concatenate([b.time[0] - HOUR * np.arange(gap, 0, -1), b.time])
    flow = {name: b.flow.get(name, np.full(len(b), np.nan)) for name in FLOW} if with_flow else {}

    def longer(values: Any) -> Any:
        return np.concatenate([np.full(gap, np.nan), values]) if values.dtype.kind == "f" else time

    return dataclasses.replace(b, flow=flow).map(longer)


def joined(pieces: Sequence[Bars | None]) -> Bars:
    """Bars of pieces that follow each other."""
    present = [piece for piece in pieces if piece is not None]
    whole = iter([np.concatenate(same) for same in zip(*map(_columns, present), strict=True)])
    return present[0].map(lambda _: next(whole))


def _columns(bars: Bars) -> list[Any]:
    """The arrays of the bars in the order in which `Bars.map` goes through them."""
    arrays: list[Any] = []
    bars.map(arrays.append)
    return arrays


def last_hours(before: Bars | None, dataset: Data, gap: int, with_flow: bool) -> Bars:
    """What the first hours of the next piece look back on."""
    whole = joined([before, padded(dataset, gap, with_flow)])
    return whole.map(lambda values: values[-LOOKBACK:].copy())


def first_hour(dataset: Data, with_flow: bool) -> Bars:
    """What the last hour of the piece before forecasts."""
    return padded(dataset, 0, with_flow).map(lambda values: values[:1].copy())


def hours(start: int, dataset: Data, gap: int, with_flow: bool, before: Bars | None, after: Bars | None) -> Hours:
    """The bars of a piece and their outcomes."""
    bars = padded(dataset, gap, with_flow)
    earlier = len(before) if before is not None else 0
    span = slice(earlier, earlier + len(bars))
    whole = targets.make(joined([before, bars, after]))
    return Hours(start, bars, of_each(lambda values: values[span].copy(), whole))


def matrix(dataset: Data, gap: int, with_flow: bool, before: Bars | None) -> Features:
    """The features of a piece."""
    earlier = len(before) if before is not None else 0
    whole = joined([before, padded(dataset, gap, with_flow)])
    return features.build(whole, features.select(with_flow))[earlier:].copy()


# What the process that trains does.


class Pieces:
    """The pieces of the data, each on a worker, in order of time. What is lost with a worker is made again."""

    def __init__(self, cluster: OnCluster, listed: Sequence[File], how: Reading, now: dt.datetime) -> None:
        """Have the workers read the files.

        Raises:
            InputError: a file can't be used, or they don't follow each other.
            ModelError: the workers fail.
        """
        self.cluster, self.client = cluster, cluster.client
        loaded = self._read(listed, how, now)
        self.gaps = gaps(self.parts)
        check(self.summaries, self.gaps)
        self.without_flow = without_flow(self.parts)
        self.has_flow = not self.without_flow
        lacking = [part.name for part in self.parts if not part.flow]
        if self.without_flow and len(lacking) < len(self.parts):
            log.get().warning("order flow isn't used: too many hours lack it", without=", ".join(lacking[:3]))
        self.selection = features.select(self.has_flow)
        sizes = [int((p.last - p.first) // HOUR) + 1 + gap for p, gap in zip(self.parts, self.gaps, strict=True)]
        self.starts = [0, *np.cumsum(sizes).tolist()]
        self._place(loaded)

    def __len__(self) -> int:
        """All hours."""
        return int(self.starts[-1])

    def _read(self, listed: Sequence[File], how: Reading, now: dt.datetime) -> list[Any]:
        """Have the workers read files, and mend those together that follow each other and are small."""
        workers = self.cluster.workers
        self.homes = [workers[k % len(workers)] for k in range(len(listed))]
        tables = {file: self.submit(k, data.fetch, file, how) for k, file in enumerate(listed)}
        glances = self.gather([self.submit(k, glance, tables[file]) for k, file in enumerate(listed)])
        by_file = dict(zip(listed, glances, strict=True))
        in_time = sorted(listed, key=lambda file: by_file[file][0])
        self.sha256 = data.checksum([by_file[file][1] for file in in_time])
        whole = data.Whole(has_volume=any(has_volume for _, _, has_volume in glances))
        groups = files.grouped(in_time, len(workers))
        loaded = [
            self.submit(k, mended, [tables[file] for file in group], _name(group), how, now, whole)
            for k, group in enumerate(groups)
        ]
        self.summaries: list[Summary] = self.gather(
            [self.submit(k, summary, loaded[k], _name(group)) for k, group in enumerate(groups)]
        )
        """The summaries of all files; those in which no hour was traded are no pieces."""
        with_hours = [k for k, part in enumerate(self.summaries) if part.counts["hours"]]
        self.homes, self.parts = [self.homes[k] for k in with_hours], [self.summaries[k] for k in with_hours]
        return [loaded[k] for k in with_hours]

    def _place(self, loaded: Sequence[Any]) -> None:
        """Have the workers make outcomes and features."""
        flow, count = self.has_flow, len(loaded)
        before: list[Any] = [None]
        for k in range(count - 1):
            before.append(self.submit(k, last_hours, before[k], loaded[k], self.gaps[k], flow))
        after: list[Any] = [
            self.submit(k, first_hour, loaded[k], flow) if not self.gaps[k] else None for k in range(1, count)
        ]
        after.append(None)
        self.hours = [
            self.submit(k, hours, self.starts[k], loaded[k], self.gaps[k], flow, before[k], after[k])
            for k in range(count)
        ]
        self.matrix = [self.submit(k, matrix, loaded[k], self.gaps[k], flow, before[k]) for k in range(count)]
        self.gather([self.submit(k, len, future) for k, future in enumerate(self.matrix)])

    def data(self, bars: Bars) -> Data:
        """What is to be said about the data, with the last of its bars."""
        repairs: dict[str, int] = {}
        for part in self.summaries:
            for name, count in part.repairs.items():
                total = repairs.get(name, 0)
                repairs[name] = max(total, count) if name in LARGEST else total + count
        repairs["missing_hours"] = repairs.get("missing_hours", 0) + sum(self.gaps)
        repairs["longest_gap"] = max(repairs.get("longest_gap", 0), *self.gaps)
        repairs["empty_flow"] = len(self.without_flow) if any(part.flow for part in self.parts) else 0
        rows, zoneless = (sum(part.rows for part in self.summaries), any(part.zoneless for part in self.summaries))
        return Data(bars, self.sha256, rows, repairs, zoneless, len(self) - len(bars))

    def over(self, start: int, stop: int) -> list[int]:
        """The numbers of the pieces that hold hours from `start` to `stop`."""
        return [k for k in range(len(self.parts)) if self.starts[k] < stop and self.starts[k + 1] > start]

    def submit(self, piece: int, function: Callable[..., T], *given: Any) -> Any:
        """Have a function called on the worker of a piece, or another if that is gone; `given` may hold futures."""
        home = [self.homes[piece]]
        return self.client.submit(function, *given, workers=home, allow_other_workers=True, pure=False)

    def gather(self, futures: Sequence[Any]) -> list[Any]:
        """What was made.

        Raises:
            InputError, ModelError: as the function did; anything else that fails on the workers is a ModelError.
        """
        try:
            return list(self.client.gather(futures))
        except (InputError, ModelError):
            raise
        except Exception as error:  # Dask raises many kinds for a worker that is gone
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(f"work on the Dask workers failed: {reason}") from error


def _name(group: Sequence[File]) -> str:
    return group[0].name if len(group) == 1 else f"{group[0].name} to {group[-1].name}"


def gaps(parts: Sequence[Summary]) -> list[int]:
    """How many hours are missing before each part, in order of time.

    Raises:
        InputError: there are none, they overlap, or they don't belong to one series.
    """
    if not parts:
        raise InputError("no part has an hour with trades and prices")
    missing_hours = [0]
    for earlier, later in itertools.pairwise(parts):
        missing = int((later.first - earlier.last) // HOUR) - 1
        if missing < 0:
            raise InputError(
                f"{later.name} begins at {later.first}Z, and {earlier.name} ends at {earlier.last}Z: "
                "parts may not overlap"
            )
        ratio = max(later.opens / earlier.closes, earlier.closes / later.opens)
        if ratio >= (plausible.TIMES_AFTER_GAP if missing else plausible.TIMES):
            raise InputError(
                f"{later.name}: its first Open is {later.opens:g} after a Close of {earlier.closes:g} in "
                f"{earlier.name}: the unit changes there, or these are two series"
            )
        missing_hours.append(missing)
    return missing_hours


def check(summaries: Sequence[Summary], between: Sequence[int]) -> None:
    """Hold all parts together against the limits that one process holds all rows against.

    Raises:
        InputError: too much is missing or odd.
    """

    def total(name: str) -> int:
        return sum(part.counts.get(name, 0) + part.repairs.get(name, 0) for part in summaries)

    parts = [part for part in summaries if part.counts["hours"]]
    span = int((parts[-1].last - parts[0].first) // HOUR) + 1
    rows, hours = sum(part.rows for part in summaries), total("hours")
    lacking = sum(between) + total("missing_hours")
    if lacking > repair.MAX_MISSING * span:
        raise InputError(f"{lacking} of {span} hours are missing: too many to learn from")
    for name, noun in (("incomplete", "price"), ("missing_volume", "volume")):
        if (count := total(name)) > repair.MAX_MISSING * rows:
            raise InputError(f"{count} of {rows} rows lack a {noun}: too many to learn from")
    if hours < data.MIN_ROWS:
        raise InputError(f"the parts have {hours} usable hours: at least {data.MIN_ROWS} are needed")
    lowest, highest = min(part.lowest for part in parts), max(part.highest for part in parts)
    if lowest == highest:
        raise InputError(f"the price is {highest:g} in all rows: nothing to forecast")
    if total("flat") > plausible.MAX_FLAT * hours:
        raise InputError(f"High is Low in {total('flat')} of {hours} rows: these are single prices and not bars")
    if plausible.too_many_filled(total("filled_in"), hours):
        worst = max(parts, key=lambda part: part.repairs.get("filled_in", 0))
        raise InputError(f"{worst.name} and others: {total('filled_in')} of {hours} hours {plausible.MADE_UP}")
    if plausible.too_many_jumps(total("jumps"), total("following")):
        worst = max(parts, key=lambda part: part.repairs.get("jumps", 0))
        raise InputError(f"{worst.name} and others: {total('jumps')} hours {plausible.MIXED}")


def without_flow(parts: Sequence[Summary]) -> list[str]:
    """The columns of the order flow that say too little in all parts together."""
    lacking = []
    for name in FLOW:
        flows = [part.flow.get(name, (part.counts["hours"], part.counts["hours"], False)) for part in parts]
        missing, rows, is_any = zip(*flows, strict=True)
        if not repair.has_values(sum(missing), sum(rows), any(is_any)):
            lacking.append(name)
    return lacking
