"""Tags as the services have them: lists of pairs whose key names differ, and changes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.aws.calls import Aws

SMALL = ("ecr", "ecs", "logs")  # services whose parameters begin with a small letter
AS_MAPPING = ("lambda", "logs", "sqs")  # services that take tags as a mapping


def pairs(tags: Mapping[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """The list that an API takes."""
    return [{key: k, value: v} for k, v in sorted(tags.items())]


def mapping(listed: Iterable[Mapping[str, str]] | None, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """The mapping of a list that an API gave, without AWS's own tags."""
    return {t[key]: t.get(value, "") for t in listed or () if not t[key].startswith("aws:")}


def removed(want: Mapping[str, str], seen: Mapping[str, str]) -> list[str]:
    """The keys of the tags to take away."""
    return sorted(seen.keys() - want.keys())


def put(
    aws: Aws, service: str, want: Mapping[str, str], seen: Mapping[str, str], *, of: str = "Resource", **resource: str
) -> None:
    """Take away the tags of a resource that aren't wanted, then put those that are. Raises AwsError.

    of: how the names of the two operations end. resource: the parameter that names the resource.
    """
    keys_parameter, tags_parameter = ("tagKeys", "tags") if service in SMALL else ("TagKeys", "Tags")
    if keys := removed(want, seen):
        aws.call(service, f"Untag{of}", **resource, **{keys_parameter: keys})
    form = ("key", "value") if service == "ecs" else ("Key", "Value")
    tags = dict(want) if service in AS_MAPPING else pairs(want, *form)
    aws.call(service, f"Tag{of}", **resource, **{tags_parameter: tags})
