"""The record of what a deploy made, made anew from the ownership tags.

Three sources: the names in the file, the listing of every kind (`inventory`), and the old record. Objects carry their
owner as metadata and images carry none: both are looked for in the buckets and repositories that are this deploy's.
Nothing but the record is written. What carries another deploy's tag never gets in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.core.errors import Denied
from reconciler.core.plan import owned as owned_here
from reconciler.core.run_paths import RUNS
from reconciler.core.spec import Address, Observed
from reconciler.engine.deployment import Deployment
from reconciler.engine.ownership_record import read_record
from reconciler.image.kind import ImageSpec
from reconciler.importer.inventory import NAMES, owned
from reconciler.kinds import ObjectSpec


@dataclass(frozen=True)
class Recovered:
    """record: what the record is to say. new: what of it the old one lacks. dropped: what of the old one goes, and why.

    unread: kinds that couldn't be listed, and why; what the old record says of those stays.
    """

    record: frozenset[Address]
    new: frozenset[Address]
    dropped: dict[Address, str]
    unread: dict[str, str]


def recover(here: Deployment) -> Recovered:
    """Find what is this deploy's. Reads only. Raises AwsError."""
    aws, deploy = here.aws, here.deploy.name
    old = read_record(aws, deploy)
    tagged, unread = _tagged(aws, deploy)
    wanted = [node.spec for node in here.graph.nodes.values()]
    more = (tagged | old) - here.graph.nodes.keys()
    seen = _observe(here, [*wanted, *(_spec(here, a) for a in sorted(more) if a.kind in here.kinds)])
    record = set(owned_here(deploy, here.graph, seen, old)) | (tagged & seen.keys())
    record |= _inside(here, record)
    kept = {address for address in old - record if address.kind in unread}
    dropped = {a: _why(a, seen.get(a)) for a in sorted(old - record - kept)}
    found = frozenset(record | kept)
    return Recovered(found, found - old, dropped, unread)


def _tagged(aws: Aws, deploy: str) -> tuple[set[Address], dict[str, str]]:
    """What carries the tag, of every kind; and which kinds may not be listed."""

    def one(kind: str) -> tuple[list[Address], str]:
        try:
            return [Address(kind, name) for name in owned(aws, kind, deploy)], ""
        except Denied as error:
            return [], f"{error.service}:{error.operation} is denied"

    answers = dict(zip(NAMES, aws.each(one, NAMES), strict=True))
    addresses = {address for found, _ in answers.values() for address in found}
    return addresses, {kind: why for kind, (_, why) in answers.items() if why}


def _inside(here: Deployment, record: Iterable[Address]) -> set[Address]:
    """Objects in our buckets and images in our repositories. What runs wrote belongs to the runs, not to the plan."""
    aws, found = here.aws, set[Address]()
    buckets = [address.name for address in record if address.kind == "bucket"]
    objects = [ObjectSpec(name=f"{bucket}/{key}") for bucket in buckets for key in _keys(aws, bucket)]
    images = [ImageSpec(name=address.name) for address in record if address.kind == "repository"]
    for address, one in _observe(here, [*objects, *images]).items():
        if one.owner == here.deploy.name or (address.kind == "image" and one.owner is None):
            found.add(address)
    return found


def _keys(aws: Aws, bucket: str) -> Iterator[str]:
    for one in aws.pages("s3", "ListObjectsV2", "Contents", Bucket=bucket):
        if not one["Key"].startswith(f"{RUNS}/"):
            yield one["Key"]


def _spec(here: Deployment, address: Address) -> Any:
    return here.kinds[address.kind].spec(name=address.name)


def _observe(here: Deployment, specs: Iterable[Any]) -> dict[Address, Observed[Any]]:
    by_kind: dict[str, list[Any]] = {}
    for spec in specs:
        by_kind.setdefault(spec.kind, []).append(spec)
    answers = here.aws.each(lambda kind: here.kinds[kind].observe(here.aws, by_kind[kind]), by_kind)
    return {one.spec.address: one for answer in answers for one in answer.values()}


def _why(address: Address, observed: Observed[Any] | None) -> str:
    if observed is None:
        return "it isn't there any more"
    return f"it belongs to deploy {observed.owner!r}" if observed.owner else "it isn't ours"
