"""Lists of many runs from a fresh machine: seconds and requests of each, beside what they must not be more than.

    python -m bench.runs [COUNT] [--latency MS] [--rounds N] [--rebuild]

The records of COUNT runs are put straight into the embedded AWS's bucket as this program writes them, with their
fingerprints and metrics, and an index is made of them. Then each command is a process of its own in a folder in which
nothing was kept, behind a wire that takes as long as AWS. `--rebuild` removes the index and measures `runs --rebuild`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import table
from bench.lab import ROOT, Lab
from bench.measure import Sample, process
from bench.targets import HEAD, LISTS, METRIC, MISSED, OURS, of_runs, with_runs

AT_ONCE = 1_000  # records that one control request puts
DEPLOY = """\
name: tiny
data: prices.csv
image: {uri: "python:3.13-slim"}
task: {cpu: 256, memory: 512}
"""
WORDS: Sequence[Sequence[str]] = (
    ["-m", "reconciler", "runs"],
    ["-m", "reconciler", "runs", "best", METRIC, "--lowest"],
    ["-m", "bench.runs_once", "look-up"],
    ["-m", "bench.runs_once", "charts"],
)
COMMANDS: Mapping[str, Sequence[str]] = dict(zip(LISTS, WORDS, strict=True))
BESIDE: Mapping[str, Sequence[str]] = {  # that nothing is promised of
    "runs --json": ["-m", "reconciler", "runs", "--json"],
    "runs --limit 200": ["-m", "reconciler", "runs", "--limit", "200"],
    "runs show PART": ["-m", "reconciler", "runs", "show", "9e3779b1"],  # the second oldest
    "apply, nothing to run": ["-m", "reconciler", "apply", "--quiet"],
}


class Many:
    """A deploy with many runs. count: of them; the newest is a real one, with the inputs that the file has."""

    def __init__(self, folder: Path, lab: Lab, count: int, say: Callable[[str], None]) -> None:
        folder.mkdir()
        self.folder, self.lab, self._number = folder, lab, 0
        self.once(["-m", "reconciler", "apply", "--quiet"])
        self.few = self.once(BESIDE["apply, nothing to run"])
        for first in range(0, count - 1, AT_ONCE):
            size = min(AT_ONCE, count - 1 - first)
            lab.control("POST", f"records?first={first}&count={size}&total={count}")
            if first % (10 * AT_ONCE) == 0:
                say(f"{first + size:,} of {count:,} records ...")
        say("the index ...")
        lab.control("POST", "index")
        say("each command ...")

    def once(self, words: Sequence[str]) -> Sample:
        """One command on a machine that has the file and nothing else."""
        self._number += 1
        here = self.folder / str(self._number)
        here.mkdir()
        (here / "deploy.yaml").write_text(DEPLOY)
        (here / "prices.csv").write_text("a\n1\n")
        summary = str(here / "summary.md")
        env = {
            "HOME": str(here),
            "XDG_CACHE_HOME": str(here / "cache"),
            "PYTHONPATH": str(ROOT),
            "GITHUB_ACTIONS": "true",
            "GITHUB_STEP_SUMMARY": summary,
            "GITHUB_OUTPUT": str(here / "output"),
        }
        try:
            return process([sys.executable, *words], here, self.lab, env=env)
        finally:
            shutil.rmtree(here)


def measured(
    folder: Path, count: int, latency: float, rounds: int, say: Callable[[str], None], *, rebuild: bool = False
) -> dict[str, dict[str, list[Sample]]]:
    """Each command with so many runs, so many times."""
    with Lab(folder.with_name(f"{folder.name}-lab"), module="bench.runs_lab") as lab:
        many = Many(folder, lab, count, say)
        lab.latency(latency)
        by_case: dict[str, dict[str, list[Sample]]] = {}
        for _ in range(rounds):
            for name, words in {**COMMANDS, **BESIDE}.items():
                sample = many.once(words)
                say(f"{name}: {line(sample)}")
                by_case.setdefault(with_runs(name, count), {}).setdefault(OURS, []).append(sample)
        say(f"apply, nothing to run, with one run: {many.few.requests} requests")
        if rebuild:
            sample = many.once(["-m", "reconciler", "runs", "--rebuild"])
            say(f"runs --rebuild: {line(sample)}")
            by_case[with_runs("runs --rebuild", count)] = {OURS: [sample]}
    return by_case


def line(sample: Sample) -> str:
    """A sample in words."""
    return f"{sample.wall:.2f} s, {sample.requests:,} requests, {sample.cpu:.2f} s of processor, {sample.memory:.0f} MB"


def main() -> int:
    """Measure and print. Exit code 1 where a must isn't reached."""
    parser = argparse.ArgumentParser(prog="python -m bench.runs", description=__doc__.partition("\n")[0])
    parser.add_argument("count", nargs="?", type=int, default=100_000)
    parser.add_argument("--latency", type=float, default=40.0, metavar="MS", help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    parser.add_argument("--rebuild", action="store_true", help="measure `runs --rebuild` too, which takes long")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        by_case = measured(
            Path(name) / "runs", options.count, options.latency, options.rounds, _say, rebuild=options.rebuild
        )
    lines = [target.line(by_case[target.case]) for target in of_runs(options.count)]
    print(table.text(lines, HEAD))
    return int(any(row[-1] == MISSED for row in lines))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
