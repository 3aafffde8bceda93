"""Run all comparisons: python -m bench [--only NAME ...] [--rounds N] [--out DIR]

Prints a table for each, and whether the targets of docs/performance.md are reached; writes DIR/bench.json and the
scaling plots DIR/*.svg. The peers are measured when the environment says where they are (see bench/subjects.py).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median

from bench import cases, plot, subjects, table, targets
from bench.cases import Bench, Results
from bench.lab import ROOT
from bench.targets import OURS, TERRAFORM

SIZES = {"plan, no changes, 18": 18, "plan, no changes, 120": 120, "plan, no changes, 1200": 1200}
PARTS: dict[str, Callable[[Bench], None]] = {
    "starts": cases.starts,
    "local": cases.embedded_aws,
    "guide": cases.guide_size,
    "120": partial(cases.scaled, count=20),
    "1200": partial(cases.scaled, count=200),
    "throttled": cases.throttled,
    "load": cases.load,
    "runs": cases.many_runs,
    "upload": cases.uploads,
}


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__.partition("\n")[0], epilog=subjects.__doc__
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=tuple(PARTS), help="(default: all)")
    parser.add_argument(
        "--rounds", type=int, default=5, help="of each comparison, half of what takes long (default: %(default)s)"
    )
    parser.add_argument(
        "--latency", type=float, default=40.0, metavar="MS", help="of each request (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench", help="(default: build/bench)")
    parser.add_argument("--data", type=Path, help="the file to upload (default: made, 70,000 rows)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    _say("about 6 minutes for ours alone, 12 with Terraform; leave the machine to it")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        bench = Bench(folder, _data(options.data, folder), options.latency, options.rounds, _say)
        for number, part in enumerate(options.only, 1):
            _say(f"[{number} of {len(options.only)}, {(time.monotonic() - began) / 60:.0f} min] {part}")
            try:
                PARTS[part](bench)
            except RuntimeError as error:  # the other parts are still worth their time
                bench.note(f"{part}: failed: {error}")
            except KeyboardInterrupt:
                bench.note(f"interrupted in {part}: what was measured before stands")
                break
    report = _report(bench)
    print(report)
    write(options.out, bench, report)
    print(
        f"\nwritten: {options.out}/bench.json, report.txt"
        + "".join(f", {p.name}" for p in sorted(options.out.glob("*.svg")))
    )
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _data(given: Path | None, folder: Path) -> Path:
    if given is not None:
        return given.resolve()
    made = folder / "data.csv"
    made.write_text(
        "Open time,Open,High,Low,Close,Volume\n"
        + "2018-01-01 00:00:00,13715.65,13715.65,13400.01,13529.01,443.36\n" * 70_000
    )
    return made


def _report(bench: Bench) -> str:
    out = [_machine(bench)]
    for name, by_subject in bench.results.items():
        first = OURS if OURS in by_subject else next(iter(by_subject))
        out.append(f"{name} ({len(by_subject[first])} rounds)\n{table.text(table.rows(by_subject, first))}")
    measured = [target for target in targets.TARGETS if target.case in bench.results]
    lines = [target.line(bench.results[target.case]) for target in measured]
    if lines:
        out.append("Targets\n" + table.text(lines, targets.HEAD))
    return "\n\n".join(out + bench.notes)


def _machine(bench: Bench) -> str:
    load = os.getloadavg()[0]
    return (
        f"Python {platform.python_version()}, botocore {version('botocore')}, {os.cpu_count()} CPUs, load {load:.1f}, "
        f"{bench.latency:g} ms for each request"
    )


def write(out: Path, bench: Bench, report: str) -> None:
    """bench.json, report.txt and the plots."""
    results = {
        name: {who: [sample.plain() for sample in samples] for who, samples in by_subject.items()}
        for name, by_subject in bench.results.items()
    }
    plain = {"version": 1, "machine": _machine(bench), "results": results, "notes": bench.notes}
    (out / "bench.json").write_text(json.dumps(plain, indent=1) + "\n")
    (out / "report.txt").write_text(report + "\n")
    for measure, up in (("wall", "seconds"), ("requests", "requests"), ("memory", "MB")):
        if series := _series(bench.results, measure):
            plot.write(
                out / f"plan-{measure}.svg", f"plan with no changes, {bench.latency:g} ms a request: {up}", up, series
            )


def _series(results: Results, measure: str) -> dict[str, list[tuple[float, float]]]:
    """The points of each subject; nothing unless there are two sizes."""
    series: dict[str, list[tuple[float, float]]] = {}
    for name, size in SIZES.items():
        for who in (OURS, TERRAFORM):
            if samples := results.get(name, {}).get(who):
                series.setdefault(who, []).append((size, median(getattr(sample, measure) for sample in samples)))
    return {who: points for who, points in series.items() if len(points) > 1}


if __name__ == "__main__":
    sys.exit(main())
