"""Tags as the services have them: lists of pairs whose key names differ, and changes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def pairs(tags: Mapping[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """The list that an API takes."""
    return [{key: k, value: v} for k, v in sorted(tags.items())]


def mapping(listed: Iterable[Mapping[str, str]] | None, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """The mapping of a list that an API gave, without AWS's own tags."""
    return {t[key]: t.get(value, "") for t in listed or () if not t[key].startswith("aws:")}


def removed(want: Mapping[str, str], seen: Mapping[str, str]) -> list[str]:
    """The keys of the tags to take away."""
    return sorted(seen.keys() - want.keys())
