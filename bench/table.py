"""The numbers of one comparison as a table: medians with their spread, and ratios taken within each round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from bench.measure import Sample

HEAD = ("", "median", "spread", "times ours", "spread", "CPU", "peak", "requests")


def spread(values: Sequence[float]) -> tuple[float, float]:
    """The least and the most."""
    return min(values), max(values)


def ratios(others: Sequence[Sample], ours: Sequence[Sample]) -> list[float]:
    """Wall time over ours, round by round: what changes from round to round is in both."""
    return [other.wall / own.wall for other, own in zip(others, ours, strict=True)]


def requests(samples: Sequence[Sample]) -> str:
    """The number, or from the least to the most."""
    low, high = (int(value) for value in spread([sample.requests for sample in samples]))
    return str(low) if low == high else f"{low}-{high}"


def rows(by_subject: Mapping[str, Sequence[Sample]], ours: str) -> list[tuple[str, ...]]:
    """One row for each subject."""
    out: list[tuple[str, ...]] = []
    for name, samples in by_subject.items():
        walls = [sample.wall for sample in samples]
        times = ratios(samples, by_subject[ours])
        (low, high), (least, most) = spread(walls), spread(times)
        out.append(
            (
                name,
                f"{median(walls):.2f} s",
                f"{low:.2f}-{high:.2f}",
                "1" if name == ours else f"{median(times):.2f}",
                "" if name == ours else f"{least:.2f}-{most:.2f}",
                f"{median(sample.cpu for sample in samples):.2f} s",
                f"{max(sample.memory for sample in samples):.0f} MB",
                requests(samples),
            )
        )
    return out


def text(lines: Sequence[tuple[str, ...]], head: tuple[str, ...] = HEAD) -> str:
    """The rows as text, in columns."""
    widths = [max(len(line[column]) for line in (head, *lines)) for column in range(len(head))]
    shown = []
    for line in (head, *lines):
        first, *rest = (
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        shown.append("  ".join((first, *rest)).rstrip())
    return "\n".join(shown)
