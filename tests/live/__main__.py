"""The first ten minutes in a real account: `python -m tests.live --account ID [--region NAME] [--budget DOLLARS]`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

FILES = ("test_contract.py", "test_job.py", "test_newer.py")


def main(words: Sequence[str]) -> int:
    """Run the live suite. Returns pytest's exit code: 0 when all of it holds and nothing is left."""
    parser = argparse.ArgumentParser(prog="python -m tests.live", description=__doc__)
    parser.add_argument("files", nargs="*", metavar="FILE", help="of tests/live, such as test_job.py; default all")
    parser.add_argument("--account", metavar="ID", help="the account that the credentials have to be of")
    parser.add_argument("--region", default="us-east-1", metavar="NAME", help="default us-east-1")
    parser.add_argument("--budget", type=float, default=0.5, metavar="DOLLARS", help="for tasks, default 0.50")
    parser.add_argument("--minutes", type=float, default=60, metavar="N", help="after which it ends, default 60")
    parser.add_argument(
        "--managed", action="store_true", help="also a run on ECS Managed Instances: up to 0.25 dollars"
    )
    parser.add_argument("--rehearsal", action="store_true", help="against an embedded AWS instead, which costs nothing")
    asked = parser.parse_args(words)
    if not asked.rehearsal and not asked.account:
        parser.error("--account is missing: the account that may be used, or --rehearsal")
    environment = os.environ | {
        "RECONCILER_LIVE": "rehearsal" if asked.rehearsal else "1",
        "RECONCILER_LIVE_ACCOUNT": asked.account or "",
        "RECONCILER_LIVE_REGION": asked.region,
        "RECONCILER_LIVE_MAX_COST": f"{asked.budget:g}",
        "RECONCILER_LIVE_MAX_MINUTES": f"{asked.minutes:g}",
        "RECONCILER_LIVE_MANAGED": "1" if asked.managed else "",
    }
    files = [f"tests/live/{name}" for name in asked.files or FILES]
    ours = [sys.executable, "-m", "pytest", *files, "-v", "-p", "no:cacheprovider"]
    return subprocess.call(ours, env=environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
