"""The regions that the installed botocore knows, read from its own table without importing it (which takes 0.1 s)."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def known_regions() -> frozenset[str]:
    """Names of regions; empty when there is no botocore or it keeps them elsewhere."""
    spec = find_spec("botocore")
    if spec is None or spec.origin is None:
        return frozenset()
    try:
        found = json.loads((Path(spec.origin).parent / "data" / "partitions.json").read_text())
        return frozenset(name for partition in found["partitions"] for name in partition["regions"])
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
