"""What a kind of resource asks of AWS: its IAM actions, and what each of them is on. Pure.

A kind declares it once, in its file (`needs`). Everything that has to know it reads it there: the check before the
first write, the policies that `permissions` prints and the CI's policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from reconciler.core.limits import in_parameter_name
from reconciler.core.spec import Changes, top

ANYWHERE = "*"
ALL = ("*",)  # for `pushed`
Condition = Mapping[str, Mapping[str, Any]]


class On(NamedTuple):
    """A resource that an action is on, as `service:resource`, under a condition.

    Both may hold {name}, {holder} (the part of a name before its first slash), {member} (that after its last),
    {plain_name} (as it is in a parameter's name), {deploy} and what `permissions.policies` knows of the file besides.
    A condition's value may be a function of the spec.
    """

    resource: str
    condition: Condition = MappingProxyType({})


@dataclass(frozen=True)
class Needs:
    """The IAM actions of one kind.

    create, delete, read: what every creation, every deletion and every look needs.
    set: what a field needs when it is made or changed; fields: what only its change needs, under "" for the others.
    watch: what looking at it needs besides while a change of it is going on.
    on: the resources that they are on; elsewhere: of those actions that are on others.
    passes: the fields that name a role which it hands to a service, with that service.
    pushed: the fields that a push (CI) changes; ALL, if a push makes such a resource.
    listing: what listing all of the account, and whose they are, needs.
    unseen: actions that no call shows, since AWS asks for them by itself, each with when.
    wide: beginnings of actions whose resources can't be named to their end, each with why.
    """

    create: tuple[str, ...]
    delete: tuple[str, ...]
    set: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    read: tuple[str, ...] = ()
    watch: tuple[str, ...] = ()
    on: tuple[str | On, ...] = ()
    elsewhere: Mapping[str, tuple[str | On, ...]] = field(default_factory=dict)
    passes: Mapping[str, str] = field(default_factory=dict)
    pushed: tuple[str, ...] = ()
    listing: tuple[str, ...] = ()
    unseen: Mapping[str, str] = field(default_factory=dict)
    wide: Mapping[str, str] = field(default_factory=dict)

    @property
    def changing(self) -> frozenset[str]:
        """All that a change of any field may need."""
        return frozenset(a for part in (self.set, self.fields) for actions in part.values() for a in actions)

    @property
    def own(self) -> frozenset[str]:
        """All that making, reading, changing and deleting one may need."""
        return self.changing | {*self.create, *self.read, *self.delete, *self.watch}

    @property
    def anywhere(self) -> frozenset[str]:
        """What AWS allows on `*` only: it looks at no single resource there (Service Authorization Reference)."""
        return frozenset(action for action, on in self.elsewhere.items() if on == (ANYWHERE,))

    def places(self, action: str) -> tuple[On, ...]:
        """The resources that an action is on, of several forms of one the widest last."""
        return tuple(
            resource if isinstance(resource, On) else On(resource) for resource in self.elsewhere.get(action, self.on)
        )

    def for_changes(self, changes: Changes, *, update: bool) -> frozenset[str]:
        """The actions that making (or updating) with these changes needs, besides those of every creation."""
        changed_fields = {top(change.path) for change in changes}
        actions = frozenset(action for name in changed_fields for action in self.set.get(name, ()))
        if update:
            otherwise = self.fields.get("", ())
            actions |= {action for name in changed_fields for action in self.fields.get(name, otherwise)}
        return actions


def parts_of(name: str, deploy: str) -> dict[str, str]:
    """What the resources of `Needs` may hold of a resource's name."""
    plain = in_parameter_name(name)
    holder, member = name.partition("/")[0], name.rpartition("/")[2]
    return {"name": name, "plain_name": plain, "holder": holder, "member": member, "deploy": deploy}
