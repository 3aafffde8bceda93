"""The plan: what has to be done so that what is there becomes what is wanted. Pure: no clock, no network.

`make_plan` is the only place that decides. `plan` prints its value; `apply` prints it and executes that value.

Whose is it? A resource is ours when it carries our ownership tag, or carries none and the record says that we made
it (or were about to). Another's, or nobody's, of the right name: equal to what is wanted it is used as it is (`none`);
different, the step is `adopt`, and held back unless adoption is asked for. Another deploy's is never changed.

The record alone never deletes, since whoever may write it isn't whoever may delete: what carries no tag, and isn't a
part of something that does, is deleted (or replaced) only when its name is confirmed too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Any

from reconciler.core.deletion_order import in_order
from reconciler.core.diff import diff, whole
from reconciler.core.graph import Graph, Node, resolve
from reconciler.core.spec import Address, Change, Changes, Holds, Observed, Ref, Spec, continued, held_by, top

BY_FILE = "protected by the file (`protect: true`)"
BY_RECORD = "only the record says that it is this deploy's, no tag does: to delete it, pass --confirm '{}'"
BY_RECORD_ALONE = "no tag says whose it is, the record says that it is this deploy's"
IN_USE = "{} trusts it too, so it stays"
UNREAD = "whether others use it can't be read, so it stays: allow iam:ListRoles"
BY_TAG = "protected by its tag reconciler:protect; `protect: false` and `apply --target {}` take that away"


class Action(StrEnum):
    """What a step does."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    ADOPT = "adopt"
    NONE = "none"


@dataclass(frozen=True)
class Step:
    """One resource and what is to be done with it.

    want: the spec, with every known reference resolved; None for a deletion. seen: what is there, or None.
    needs: what has to be done before it, without which it isn't tried; after: what has to have ended, however.
    held: why `apply` doesn't do this step as things are; empty when it does.
    note: what is worth knowing, such as that the resource isn't ours.
    """

    action: Action
    address: Address
    changes: Changes = ()
    want: Spec | None = None
    seen: Observed[Any] | None = None
    needs: tuple[Address, ...] = ()
    after: tuple[Address, ...] = ()
    reason: str = ""
    held: str = ""
    note: str = ""

    @property
    def does(self) -> bool:
        """Whether executing it changes anything."""
        return self.action is not Action.NONE and not self.held


@dataclass(frozen=True)
class Plan:
    """All steps, in an order in which they can be done."""

    deploy: str
    steps: tuple[Step, ...]

    @property
    def summary(self) -> dict[str, int]:
        """Steps counted by action; every action is there."""
        return {action.value: sum(step.action is action for step in self.steps) for action in Action}

    @property
    def changes(self) -> tuple[Step, ...]:
        """The steps that differ from what is there, done or held."""
        return tuple(step for step in self.steps if step.action is not Action.NONE)

    @property
    def held(self) -> tuple[Step, ...]:
        """The steps that `apply` would leave alone."""
        return tuple(step for step in self.steps if step.held)


@dataclass(frozen=True)
class Options:
    """What the one at the terminal allows.

    adopt: take over what isn't ours. prune: delete what left the file. delete_data: also data and images.
    targets: only these and what they need; None for all. confirm: what may be deleted though only the record says
    that it is ours.
    """

    adopt: bool = False
    prune: bool = False
    delete_data: bool = False
    targets: frozenset[Address] | None = None
    confirm: frozenset[Address] = frozenset()


DEFAULT = Options()
Users = Mapping[Address, frozenset[Address] | None]  # who uses a resource; None where that can't be read
NO_USERS: Users = MappingProxyType({})
EMPTY = Graph(())


def make_plan(
    deploy: str,
    graph: Graph,
    seen: Mapping[Address, Observed[Any]],
    *,
    recorded: frozenset[Address] = frozenset(),
    options: Options = DEFAULT,
    ranks: Sequence[str] = (),
    users: Users = NO_USERS,
    last: Collection[Address] = (),
) -> Plan:
    """The plan that brings `seen` to `graph`.

    recorded: what the record says this deploy made. ranks: kinds in the order in which they are made, for deletions.
    users: who uses what others may use too, of what may be deleted. last: who deletes.
    """
    targets = graph.nodes.keys() if options.targets is None else graph.closure(options.targets)
    references: dict[Ref, str] = {}
    replaced: dict[Address, Observed[Any]] = {}
    owned_addresses = owned(deploy, graph, seen, recorded)
    steps: list[Step] = []
    for address, node in graph.nodes.items():
        if address not in targets:
            continue
        replaced_needs = [replaced[need] for need in graph.needs[address] if need in replaced]
        remaining = _left(node.spec, seen.get(address), replaced_needs)
        step = _wanted(node, remaining, references, address in owned_addresses, options)
        if step.action is Action.REPLACE and not step.held and (why := _unsure(deploy, remaining, seen, options)):
            step = replace(step, held=why)
        step = replace(step, needs=graph.needs[address])
        steps.append(step)
        references |= _known_after(step)
        if step.action is Action.REPLACE and step.seen is not None and not step.held:
            replaced[address] = step.seen
    if options.targets is None:
        orphans = [seen[address] for address in sorted(recorded - graph.nodes.keys()) if address in owned_addresses]
        unsure = {
            observed.spec.address: _unsure(deploy, observed, seen, options, orphaned=True) for observed in orphans
        }
        protected = _protected(graph, seen)
        delete = partial(deletions, options=options, ranks=ranks, protected=protected, unsure=unsure, graph=graph)
        needless = [observed for observed in orphans if _continues(observed.spec, graph)]
        left = [observed for observed in orphans if observed not in needless]
        steps += delete(needless, users=users, last=last)
        steps += delete(left, users=users, last=last, orphaned=True)
    return Plan(deploy, tuple(steps))


def plan_destroy(
    deploy: str,
    graph: Graph,
    seen: Mapping[Address, Observed[Any]],
    *,
    recorded: frozenset[Address] = frozenset(),
    options: Options = DEFAULT,
    ranks: Sequence[str] = (),
    users: Users = NO_USERS,
    last: Collection[Address] = (),
) -> Plan:
    """The plan that removes everything of this deploy, what it holds in data only if told so."""
    owned_addresses = owned(deploy, graph, seen, recorded)
    going = [seen[a] for a in (*graph.nodes, *sorted(recorded - graph.nodes.keys())) if a in owned_addresses]
    unsure = {observed.spec.address: _unsure(deploy, observed, seen, options) for observed in going}
    protected = _protected(graph, seen)
    steps = deletions(going, options, ranks, protected=protected, unsure=unsure, graph=graph, users=users, last=last)
    return Plan(deploy, tuple(steps))


def _continues(spec: Spec, graph: Graph) -> bool:
    """Whether it held what was too much for something that is wanted still, and has become needless: nobody wrote it
    into the file, so that it didn't leave the file.
    """
    return any(address in graph.nodes for address in continued(spec))


def _protected(graph: Graph, seen: Mapping[Address, Observed[Any]]) -> Mapping[Address, str]:
    """What isn't deleted, each with why: the file says so, or said so, of which the tag is left."""
    by_tag = {address: BY_TAG.format(address) for address, observed in seen.items() if observed.protected}
    return by_tag | {address: BY_FILE for address, node in graph.nodes.items() if node.protect}


def ours(deploy: str, observed: Observed[Any], recorded: Iterable[Address]) -> bool:
    """Whether this deploy made it, as far as its tag and the record say."""
    return observed.owner == deploy or (observed.owner is None and observed.spec.address in recorded)


def owned(
    deploy: str, graph: Graph, seen: Mapping[Address, Observed[Any]], recorded: Iterable[Address]
) -> frozenset[Address]:
    """What there is of this deploy: by tag, by the record, or as an untagged part of something of ours."""
    owned_addresses: set[Address] = set()
    for address in (*graph.nodes, *(a for a in seen if a not in graph.nodes)):
        observed = seen.get(address)
        if observed is None:
            continue
        holders = [seen[holder] for holder in held_by(observed.spec) if holder in seen]
        if observed.owner is None and any(holder.owner not in (None, deploy) for holder in holders):
            continue  # a part of what is another's
        parents = [need for need in graph.needs.get(address, ()) if need.kind == observed.spec.part_of]
        if ours(deploy, observed, recorded) or (
            observed.owner is None and any(need in owned_addresses for need in parents)
        ):
            owned_addresses.add(address)
    return frozenset(owned_addresses)


def _unsure(
    deploy: str,
    observed: Observed[Any] | None,
    seen: Mapping[Address, Observed[Any]],
    options: Options,
    *,
    orphaned: bool = False,
) -> str:
    """Why it isn't deleted though the record says that it is ours; empty when something else says so too.

    orphaned: it left the file, so that a part doesn't go with what holds it; then it has to say by itself whose it
    is, if its kind can.
    """
    if observed is None or observed.owner == deploy or observed.spec.address in options.confirm:
        return ""
    if not (orphaned and observed.spec.marked):
        holders = held_by(observed.spec)
        if any(a in options.confirm or (a in seen and seen[a].owner == deploy) for a in holders):
            return ""
    return BY_RECORD.format(observed.spec.address)


def _wanted(
    node: Node, seen: Observed[Any] | None, references: Mapping[Ref, str], is_owned: bool, options: Options
) -> Step:
    want = resolve(node.spec, references)
    if seen is None:
        return Step(Action.CREATE, want.address, whole(want), want)
    if is_owned and seen.aside is not None and not diff(want, seen.aside.spec):
        return Step(Action.NONE, want.address, (), want, seen, note=seen.note)
    changes = diff(want, seen.spec)
    if not is_owned:
        return _foreign(want, seen, changes, options)
    if not changes:
        return Step(Action.NONE, want.address, (), want, seen, note=seen.note)
    fixed_paths = [change.path for change in changes if change.replaces]
    if not fixed_paths:
        # Its maker was stopped before it was tagged, or somebody took the tag, or somebody else wrote the record.
        note = BY_RECORD_ALONE if want.marked and seen.owner is None else ""
        return Step(Action.UPDATE, want.address, changes, want, seen, note="; ".join(filter(None, (note, seen.note))))
    step = Step(Action.REPLACE, want.address, changes, want, seen, reason=f"{_join(fixed_paths)} can't change")
    if node.protect or seen.protected:
        return replace(step, held=BY_FILE if node.protect else BY_TAG.format(want.address))
    if want.data and not options.delete_data:
        return replace(step, held="replacing it would delete data: pass --delete-data to allow it")
    return step


def _left(want: Spec, seen: Observed[Any] | None, replaced: Sequence[Observed[Any]]) -> Observed[Any] | None:
    """What is left once `replaced` are deleted to be made anew: their parts go too, and nothing names them any more."""
    if seen is None or any(observed.spec.kind == want.part_of for observed in replaced):
        return None
    spec = seen.spec
    for name, field in type(spec).model_fields.items():
        for mark in field.metadata:
            if isinstance(mark, Holds):
                lost_values = {
                    observed.attributes.get(mark.attribute) for observed in replaced if observed.spec.kind == mark.kind
                }
                remaining = tuple(value for value in getattr(spec, name) if value not in lost_values)
                spec = spec.model_copy(update={name: remaining})
    return replace(seen, spec=spec)


def _foreign(want: Spec, seen: Observed[Any], changes: Changes, options: Options) -> Step:
    owner = f"deploy {seen.owner!r}" if seen.owner else "someone else"
    real = tuple(change for change in changes if not _ownership(change))
    if not real and not (options.adopt and seen.owner is None and changes):
        note = "; ".join(filter(None, (f"made by {owner}, used as it is", seen.note)))
        return Step(Action.NONE, want.address, (), want, seen, note=note)
    step = Step(Action.ADOPT, want.address, changes if options.adopt else real, want, seen, note=f"made by {owner}")
    fixed_paths = [change.path for change in real if change.replaces]
    if seen.owner:
        return replace(step, held=f"it belongs to {owner}: give it another name here, or remove it there")
    if fixed_paths:
        return replace(
            step, held=f"{_join(fixed_paths)} can't change, and what isn't ours isn't replaced: use another name"
        )
    return step if options.adopt else replace(step, held="pass --adopt to take it over and change it")


def _ownership(change: Change) -> bool:
    """Tags say whose a resource is and don't change what it does, so a foreign one may lack ours."""
    return top(change.path) == "tags"


def _known_after(step: Step) -> dict[Ref, str]:
    """The attributes that are sure to be the same after this step."""
    if step.seen is None or step.action is Action.REPLACE:
        return {}
    spec = step.seen.spec
    stays = all(top(change.path) in spec.in_place for change in step.changes)
    volatile = frozenset() if stays else spec.volatile
    return {Ref(step.address, k): v for k, v in step.seen.attributes.items() if k not in volatile}


def deletions(
    resources: Sequence[Observed[Any]],
    options: Options,
    ranks: Sequence[str],
    *,
    orphaned: bool = False,
    protected: Mapping[Address, str] = MappingProxyType({}),
    unsure: Mapping[Address, str] = MappingProxyType({}),
    graph: Graph = EMPTY,
    users: Users = NO_USERS,
    last: Collection[Address] = (),
) -> list[Step]:
    """Deletions of what is ours, each after what uses it. A failed one holds back only what its resource uses.

    orphaned: these left the file, so that deleting them needs `prune`. unsure: why some aren't to be deleted
    unconfirmed.
    """
    steps: list[Step] = []
    for observed, before in in_order(resources, graph, ranks, last):
        address = observed.spec.address
        if why := _why_protected(protected, observed.spec):
            held = why
        elif orphaned and not options.prune:
            held = "it is no longer in the file: pass --prune to delete it"
        else:
            data = observed.spec.data and not options.delete_data
            reasons = (unsure.get(address, ""), "it holds data: pass --delete-data to delete it" if data else "")
            held = "; ".join(filter(None, reasons)) or _why_used(users, address, steps)
        steps.append(Step(Action.DELETE, address, (), None, observed, *before, held=held))
    return steps


def _why_used(users: Users, address: Address, earlier: Sequence[Step]) -> str:
    """Why it stays since somebody uses it whose deletion isn't among the earlier steps. Empty if nobody does."""
    using = users.get(address, frozenset())
    if using is None:
        return UNREAD
    others = sorted(using - {step.address for step in earlier if step.does})
    return IN_USE.format(f"{others[0]}{f' (and {len(others) - 1} more)' if others[1:] else ''}") if others else ""


def _why_protected(protected: Mapping[Address, str], spec: Spec) -> str:
    """Why it is protected, or is a part of what is: an image of a repository, an object BUCKET/KEY. Empty if not."""
    return next((protected[address] for address in (spec.address, *held_by(spec)) if address in protected), "")


def _join(paths: Sequence[str]) -> str:
    return " and ".join(dict.fromkeys(top(path) for path in paths))
