"""The record of what a deploy made, made anew from the ownership tags.

Three sources: the names in the file, the listing of every kind, and the old record. What is part of something else
(objects, images) is looked for in what holds it, if that is this deploy's. Nothing but the record is written. What
carries another deploy's tag never gets in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.core.errors import Denied
from reconciler.core.plan import owned
from reconciler.core.spec import OWNER_TAG, Address, Observed
from reconciler.engine.deployment import Deployment
from reconciler.engine.ownership_record import read_record
from reconciler.kinds import KINDS, AnyKind


@dataclass(frozen=True)
class Recovered:
    """record: what the record is to say. new: what of it the old one lacks. dropped: what of the old one goes, and why.

    unread: kinds that couldn't be listed, or addresses that couldn't be read, and why; what the old record says of
    those stays.
    """

    record: frozenset[Address]
    new: frozenset[Address]
    dropped: dict[Address, str]
    unread: dict[str, str]


def recover(deployment: Deployment) -> Recovered:
    """Find what is this deploy's. Reads only. Raises AwsError."""
    aws, deploy = deployment.aws, deployment.deploy.name
    old = read_record(aws, deploy)
    by_tag, unread = _tagged(aws, deploy)
    graph_specs = [node.spec for node in deployment.graph.nodes.values()]
    others = (by_tag | old) - deployment.graph.nodes.keys()
    specs = [
        *graph_specs,
        *(_spec(deployment, address) for address in sorted(others) if address.kind in deployment.kinds),
    ]
    observed = _observe(deployment, specs, unread)
    record = set(owned(deploy, deployment.graph, observed, old)) | (by_tag & observed.keys())
    record |= _inside(deployment, record, unread)
    unreadable = {address for address in old - record if address.kind in unread or str(address) in unread}
    dropped = {address: _why(address, observed.get(address)) for address in sorted(old - record - unreadable)}
    new_record = frozenset(record | unreadable)
    return Recovered(new_record, new_record - old, dropped, unread)


def _tagged(aws: Aws, deploy: str) -> tuple[set[Address], dict[str, str]]:
    """What carries the tag, of every kind; and which kinds may not be listed."""

    def list_tagged(kind: AnyKind) -> tuple[list[Address], str]:
        try:
            return [Address(kind.spec.kind, name) for name in kind.owned(aws, deploy)], ""
        except Denied as error:
            why = f"{error.service}:{error.operation} is denied"
            return [Address(kind.spec.kind, name) for name in _one_by_one(aws, kind, deploy)], why

    answers = {kind.spec.kind: answer for kind, answer in zip(KINDS, aws.each(list_tagged, KINDS), strict=True)}
    addresses = {address for of_kind, _ in answers.values() for address in of_kind}
    return addresses, {kind: why for kind, (_, why) in answers.items() if why}


def _one_by_one(aws: Aws, kind: AnyKind, deploy: str) -> list[str]:
    """Those that carry the tag, of a kind of which some may not be read; none where it may not be listed."""

    def owner(name: str) -> str | None:
        try:
            return kind.tags_of(aws, name).get(OWNER_TAG)
        except Denied:
            return None

    try:
        names = sorted(set(kind.listed(aws)))
    except Denied:
        return []
    return [name for name, owner_name in zip(names, aws.each(owner, names), strict=True) if owner_name == deploy]


def _inside(deployment: Deployment, record: Iterable[Address], unread: dict[str, str]) -> set[Address]:
    """What our buckets and repositories have in them. What can't say by itself whose it is belongs to its holder's."""
    specs = list[Any]()
    for kind in (kind for kind in deployment.kinds.values() if kind.spec.part_of):
        for holder in (holder for holder in record if holder.kind == kind.spec.part_of):
            try:
                specs += [kind.spec(name=name) for name in kind.inside(deployment.aws, holder.name)]
            except Denied as error:
                unread[str(holder)] = f"{error.service}:{error.operation} is denied"
    contents = _observe(deployment, specs, unread).items()
    deploy = deployment.deploy.name
    return {
        address
        for address, observed in contents
        if observed.owner == deploy or (not observed.spec.marked and observed.owner is None)
    }


def _spec(deployment: Deployment, address: Address) -> Any:
    return deployment.kinds[address.kind].spec(name=address.name)


def _observe(deployment: Deployment, specs: Iterable[Any], unread: dict[str, str]) -> dict[Address, Observed[Any]]:
    """What is there of these. unread: gets those that may not be read, each of which hides no other."""
    by_kind: dict[str, list[Any]] = {}
    for spec in specs:
        by_kind.setdefault(spec.kind, []).append(spec)

    def seen(several: Sequence[Any]) -> list[Observed[Any]]:
        try:
            return [*deployment.kinds[several[0].kind].observe(deployment.aws, several).values()]
        except Denied as error:
            if len(several) == 1:
                unread[str(several[0].address)] = f"{error.service}:{error.operation} is denied"
                return []
            return [observed for spec in several for observed in seen([spec])]

    return {
        observed.spec.address: observed for answer in deployment.aws.each(seen, by_kind.values()) for observed in answer
    }


def _why(address: Address, observed: Observed[Any] | None) -> str:
    if observed is None:
        return "it doesn't exist any more"
    return f"it belongs to deploy {observed.owner!r}" if observed.owner else "it isn't ours"
