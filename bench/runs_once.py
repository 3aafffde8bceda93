"""One step of an apply in a process of its own, as a fresh machine makes it: `look-up` or `charts`.

python -m bench.runs_once look-up|charts
"""

from __future__ import annotations

import sys
from pathlib import Path

from reconciler.cli.github import HISTORY
from reconciler.cli.markdown import plots
from reconciler.cli.past_runs import past_of, whole_runs
from reconciler.cli.runs import Arguments
from reconciler.cli.target import target_of
from reconciler.cli.terminal import Terminal
from reconciler.run.catalog import Catalog

FINGERPRINT = "9e3779b1" * 8  # of the second record of `bench.runs_lab`


def main() -> int:
    """Read what the first argument says. Exit code 1 where nothing was found."""
    options = Arguments(
        json=False, file=Path("deploy.yaml"), environment="", local=False, quiet=True, deploy=None, verb="list",
        names=(), lowest=False, limit=None, rebuild=False,
    )  # fmt: skip
    past = past_of(target_of(options), Terminal())
    if sys.argv[1] == "look-up":
        return int(past.runs.latest(FINGERPRINT) is None)
    catalog = Catalog(past.runs)
    runs = catalog.newest(HISTORY)
    # One with metrics, as the run has that has just ended.
    with_metrics = whole_runs(catalog.whole_runs([run for run in runs if run.metrics][:1]))
    return int(not plots(with_metrics[0], runs[::-1]))


if __name__ == "__main__":
    sys.exit(main())
