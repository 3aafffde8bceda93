"""The lifecycle rules of S3 buckets: when objects, old versions and unfinished uploads go."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.spec import Value


class Expiry(Value):
    """One lifecycle rule; days, or None."""

    prefix: str = ""
    expire_days: int | None = None
    noncurrent_days: int | None = None
    abort_upload_days: int | None = None
    other: str = ""  # what such a rule of somebody else says besides

    @property
    def identity(self) -> str:
        """Rules are paired by prefix."""
        return self.prefix or "*"


_WHERE = {"ID", "Prefix", "Filter", "Status"}
_PARTS = (
    ("expire_days", "Expiration", "Days"),
    ("noncurrent_days", "NoncurrentVersionExpiration", "NoncurrentDays"),
    ("abort_upload_days", "AbortIncompleteMultipartUpload", "DaysAfterInitiation"),
)


def expiry(rule: Mapping[str, Any]) -> Expiry:
    """A rule as the S3 API has it, in the desired form."""
    # What isn't one of ours is kept as text, so that it shows as a difference.
    other = {k: v for k, v in rule.items() if k not in _WHERE | {key for _, key, _ in _PARTS}}
    if rule.get("Status") != "Enabled":
        other["Status"] = rule.get("Status")
    place = rule.get("Filter") or {}
    if place.keys() - {"Prefix"}:
        other["Filter"] = place
    days = {}
    for field, key, unit in _PARTS:
        part = dict(rule.get(key) or {})
        days[field] = part.pop(unit, None)
        # S3 says this of every rule that doesn't use it.
        if more := {k: v for k, v in part.items() if (k, v) != ("ExpiredObjectDeleteMarker", False)}:
            other[key] = more
    return Expiry(
        prefix=place.get("Prefix") or rule.get("Prefix") or "",
        other=json.dumps(other, sort_keys=True, default=str) if other else "",
        **days,
    )


def rules(lifecycle: Sequence[Expiry]) -> list[dict[str, Any]]:
    """The rules as the S3 API takes them, each with an ID of its own."""
    return [_rule(one, f"reconciler-{number}") for number, one in enumerate(lifecycle, 1)]


def _rule(expiry: Expiry, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {"ID": name, "Status": "Enabled", "Filter": {"Prefix": expiry.prefix}}
    for field, key, unit in _PARTS:
        if days := getattr(expiry, field):
            found[key] = {unit: days}
    return found
