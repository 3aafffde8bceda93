"""Which version this is, and which commit it was made from."""

from __future__ import annotations

import json
from pathlib import Path

from reconciler import __version__

PACKAGE = Path(__file__).parent
COMMIT = PACKAGE / "commit.txt"  # written into a wheel when it is built (setup.py), never committed


def version() -> str:
    """`0.1.0 (commit 03da12726bb0)`; `-dirty` behind a checkout with changes; `commit unknown` if nothing tells."""
    found = _built() or _checkout() or _installed() or "unknown"
    short = found[:12] + ("-dirty" if found.endswith("-dirty") else "")
    return f"{__version__} (commit {short if found != 'unknown' else found})"


def _built() -> str:
    return COMMIT.read_text(encoding="utf-8").strip() if COMMIT.is_file() else ""


def _checkout() -> str:
    if not (PACKAGE.parent / ".git").exists():
        return ""
    from reconciler.git import commit

    return commit(PACKAGE.parent) or ""


def _installed() -> str:
    """The commit that pip notes when it installs from git (PEP 610)."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        noted = distribution("reconciler").read_text("direct_url.json")
        return str(json.loads(noted or "{}").get("vcs_info", {}).get("commit_id", ""))
    except (PackageNotFoundError, ValueError):
        return ""
