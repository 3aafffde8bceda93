"""Regions, partitions and their domains, from the installed botocore's own table, read without importing botocore.

(Importing it takes 0.1 s.) A service's principal, such as `lambda.amazonaws.com`, has the same name in nearly every
partition: `core.aws_names.principal`.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple


class Partition(NamedTuple):
    """A part of AWS with accounts, ARNs and a domain of its own. pattern: of its regions' names, as a regular
    expression.
    """

    name: str
    domain: str
    pattern: str
    regions: frozenset[str] = frozenset()


COMMERCIAL = Partition("aws", "amazonaws.com", "")


@cache
def partitions() -> tuple[Partition, ...]:
    """All that botocore knows; none when there is no botocore or it keeps them elsewhere."""
    spec = find_spec("botocore")
    if spec is None or spec.origin is None:
        return ()
    try:
        table = json.loads((Path(spec.origin).parent / "data" / "partitions.json").read_text())
        return tuple(
            Partition(
                str(entry["id"]), str(entry["outputs"]["dnsSuffix"]), entry["regionRegex"], frozenset(entry["regions"])
            )
            for entry in table["partitions"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return ()


@cache
def partition_of(region: str) -> Partition:
    """The partition that a region is in; that of most regions for a name that none has."""
    matching = (
        partition for partition in partitions() if region in partition.regions or re.match(partition.pattern, region)
    )
    return next(matching, COMMERCIAL)


def known_regions() -> frozenset[str]:
    """Names of regions; empty where none are known."""
    return frozenset(name for partition in partitions() for name in partition.regions)


def registry(account: str, region: str) -> str:
    """The host of an account's ECR registry."""
    return f"{account}.dkr.ecr.{region}.{partition_of(region).domain}"
