"""Small specs to test the core with: every mark once, and nothing of AWS."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from reconciler.core.canonical import Policy, PolicyDocument, StringSet
from reconciler.core.graph import Graph, Node
from reconciler.core.spec import (
    OWNER_TAG,
    Address,
    AtLeast,
    Grants,
    Holds,
    Immutable,
    Local,
    Observed,
    Ref,
    Restricts,
    Secret,
    SecretsByName,
    Spec,
    Value,
)

ME = "mine"
OWNED = {OWNER_TAG: ME}


class Part(Value):
    """Paired by name."""

    name: str
    size: int = 0
    password: Annotated[str, Secret()] = ""
    env: dict[str, str] = Field(default_factory=dict)

    @property
    def identity(self) -> str:
        return self.name


class Loose(Value):
    """Paired with nothing but the only other one."""

    text: str = ""
    size: int = 0


class Thing(Spec):
    """A spec with a field of every sort."""

    kind: ClassVar[str] = "thing"
    uses: ClassVar[tuple[str, ...]] = ("box",)
    volatile: ClassVar[frozenset[str]] = frozenset({"revision"})
    in_place: ClassVar[frozenset[str]] = frozenset({"tags"})

    size: int = 0
    text: str = ""
    shape: Annotated[str, Immutable()] = ""
    place: Annotated[str, Immutable()] = ""
    colour: str | Ref = ""
    words: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    loose: tuple[Loose, ...] = ()
    options: Annotated[dict[str, Any], SecretsByName()] = Field({})
    command: Annotated[tuple[str, ...], SecretsByName()] = ()
    plain: dict[str, Any] = Field({})
    key: Annotated[str, Secret()] = ""
    audiences: Annotated[tuple[str, ...], AtLeast()] = ()
    allowed: Annotated[tuple[str, ...], Grants()] = ()
    blocked: Annotated[tuple[str, ...], Restricts()] = ()
    holds: Annotated[StringSet, Holds("box", "arn")] = ()
    document: Annotated[PolicyDocument, Grants()] = Policy()
    about: PolicyDocument = Policy()
    file: Annotated[str, Local()] = ""
    fixed: Annotated[tuple[Part, ...], Immutable()] = ()
    vault: Annotated[tuple[Part, ...], Secret()] = ()
    named: Annotated[tuple[Part, ...], SecretsByName()] = ()
    rules: Annotated[tuple[Loose, ...], Grants()] = ()
    made: dict[str, str] = Field(default_factory=dict)


class Box(Spec):
    """Holds data; content goes with it."""

    kind: ClassVar[str] = "box"
    data: ClassVar[bool] = True

    shape: Annotated[str, Immutable()] = ""


class Content(Spec):
    """Part of a box."""

    kind: ClassVar[str] = "content"
    data: ClassVar[bool] = True
    part_of: ClassVar[str] = "box"

    text: str = ""


def thing(name: str = "a", **fields: Any) -> Thing:
    """A thing of ours."""
    return Thing(name=name, **{"tags": OWNED} | fields)


def seen(spec: Spec, **attributes: str) -> Observed[Any]:
    """It is there just like that."""
    return Observed(spec, attributes)


def graph(*nodes: Spec | Node) -> Graph:
    """A graph of specs."""
    return Graph(node if isinstance(node, Node) else Node(node) for node in nodes)


def there(*live: Observed[Any] | Spec) -> dict[Address, Observed[Any]]:
    """What is there, by address."""
    observed = [resource if isinstance(resource, Observed) else Observed(resource) for resource in live]
    return {resource.spec.address: resource for resource in observed}
