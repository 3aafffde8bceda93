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

from model import data, features, plausible, repair, targets
from model.bars import Bars
from model.cluster import OnCluster
from model.data import Data
from model.errors import InputError, ModelError
from model.features.registry import LOOKBACK
from model.parts import files
from model.parts.files import File
from model.reading import Reading
from model.rows import Features
from model.targets import Targets

T = TypeVar("T")
HOUR = np.timedelta64(3600, "s")
LARGEST = ("longest_gap",)
"""Of the counts of repairs those of which the largest counts, and not the sum."""


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
    sha256: str
    repairs: dict[str, int]
    has_flow: bool
    opens: float
    closes: float


# What workers do.


def summary(loaded: Data, name: str) -> Summary:
    """What the process that trains is told of a piece."""
    b = loaded.bars
    first, last = float(b.open[0]), float(b.close[-1])
    return Summary(name, b.time[0], b.time[-1], loaded.rows, loaded.sha256, loaded.repairs, bool(b.flow), first, last)


def padded(loaded: Data, gap: int, with_flow: bool) -> Bars:
    """The bars of a piece after so many missing hours."""
    b = loaded.bars
    time = np.concatenate([b.time[0] - HOUR * np.arange(gap, 0, -1), b.time])
    flow = b.flow if with_flow else {}

    def longer(values: Any) -> Any:
        return np.concatenate([np.full(gap, np.nan), values]) if values.dtype.kind == "f" else time

    return dataclasses.replace(b, flow=flow).map(longer)


def joined(pieces: Sequence[Bars | None]) -> Bars:
    """Bars of pieces that follow each other."""
    there = [piece for piece in pieces if piece is not None]
    whole = iter([np.concatenate(same) for same in zip(*map(_columns, there), strict=True)])
    return there[0].map(lambda _: next(whole))


def _columns(bars: Bars) -> list[Any]:
    """Its arrays in the order in which `Bars.map` goes through them."""
    found: list[Any] = []
    bars.map(found.append)
    return found


def last_hours(before: Bars | None, loaded: Data, gap: int, with_flow: bool) -> Bars:
    """What the first hours of the next piece look back on."""
    whole = joined([before, padded(loaded, gap, with_flow)])
    return whole.map(lambda values: values[-LOOKBACK:].copy())


def first_hour(loaded: Data, with_flow: bool) -> Bars:
    """What the last hour of the piece before forecasts."""
    return padded(loaded, 0, with_flow).map(lambda values: values[:1].copy())


def hours(start: int, loaded: Data, gap: int, with_flow: bool, before: Bars | None, after: Bars | None) -> Hours:
    """The bars of a piece and their outcomes."""
    bars = padded(loaded, gap, with_flow)
    earlier = len(before) if before is not None else 0
    some = slice(earlier, earlier + len(bars))
    whole = targets.make(joined([before, bars, after]))
    own = {f.name: getattr(whole, f.name)[some].copy() for f in dataclasses.fields(Targets)}
    return Hours(start, bars, Targets(**own))


def matrix(loaded: Data, gap: int, with_flow: bool, before: Bars | None) -> Features:
    """The features of a piece."""
    earlier = len(before) if before is not None else 0
    whole = joined([before, padded(loaded, gap, with_flow)])
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
        workers = cluster.workers
        groups = files.grouped(listed, len(workers))
        self.homes = [workers[k % len(workers)] for k in range(len(groups))]
        names = [_name(group) for group in groups]
        loaded = [self.submit(k, files.read, group, how, now) for k, group in enumerate(groups)]
        told = self.gather([self.submit(k, summary, loaded[k], names[k]) for k in range(len(groups))])
        order = sorted(range(len(groups)), key=lambda k: told[k].first)
        self.homes = [self.homes[k] for k in order]
        self.parts: list[Summary] = [told[k] for k in order]
        self.gaps = gaps(self.parts)
        self.has_flow = all(part.has_flow for part in self.parts)
        self.chosen = features.select(self.has_flow)
        sizes = [int((p.last - p.first) // HOUR) + 1 + gap for p, gap in zip(self.parts, self.gaps, strict=True)]
        self.starts = [0, *np.cumsum(sizes).tolist()]
        self._place([loaded[k] for k in order])

    def __len__(self) -> int:
        """All hours."""
        return int(self.starts[-1])

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
        self.gather([self.submit(k, len, each) for k, each in enumerate(self.matrix)])

    @property
    def sha256(self) -> str:
        """The checksum of the parts' checksums, in order of time."""
        return data.checksum([part.sha256 for part in self.parts])

    def data(self, bars: Bars) -> Data:
        """What is to be said about the data, with the last of its bars."""
        repairs: dict[str, int] = {}
        for part in self.parts:
            for name, count in part.repairs.items():
                known = repairs.get(name, 0)
                repairs[name] = max(known, count) if name in LARGEST else known + count
        repairs["missing_hours"] = repairs.get("missing_hours", 0) + sum(self.gaps)
        repairs["longest_gap"] = max(repairs.get("longest_gap", 0), *self.gaps)
        return Data(bars, self.sha256, sum(part.rows for part in self.parts), repairs, len(self) - len(bars))

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
        InputError: parts overlap, don't belong to one series, or too much is missing between them.
    """
    found = [0]
    for one, two in itertools.pairwise(parts):
        missing = int((two.first - one.last) // HOUR) - 1
        if missing < 0:
            raise InputError(
                f"{two.name} begins at {two.first}Z, and {one.name} ends at {one.last}Z: parts may not overlap"
            )
        ratio = max(two.opens / one.closes, one.closes / two.opens)
        if ratio >= (plausible.TIMES_AFTER_GAP if missing else plausible.TIMES):
            raise InputError(
                f"{two.name}: its first Open is {two.opens:g} after a Close of {one.closes:g} in {one.name}: the unit "
                "changes there, or these are two series"
            )
        found.append(missing)
    span = int((parts[-1].last - parts[0].first) // HOUR) + 1
    lacking = sum(found) + sum(part.repairs.get("missing_hours", 0) for part in parts)
    if lacking > repair.MAX_MISSING * span:
        raise InputError(f"{lacking} of {span} hours are missing: too many to learn from")
    if span < data.MIN_ROWS:
        raise InputError(f"the parts have {span} usable hours: at least {data.MIN_ROWS} are needed")
    return found
