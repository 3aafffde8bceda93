"""What a resource should be (`Spec`), what is there (`Observed`), and how fields say what a change of them means.

A spec is a frozen pydantic model with canonical field types (see `canonical`), so two specs that mean the same are
equal. `name` identifies the resource within its kind: it is the name in AWS. No I/O here, and no boto3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

OWNER_TAG = "reconciler:deploy"
PROTECT_TAG = "reconciler:protect"
ROLLBACK_TAG = "reconciler:rollback"  # of a task definition: the run whose it was, and the revision that it puts aside


class Address(NamedTuple):
    """Kind and name: what identifies one resource of one account and region."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.name}"


class Immutable:
    """Marks a field that AWS can't change: a difference replaces the resource."""


class Secret:
    """Marks a field whose value is never shown."""


class SecretsByName:
    """Marks variables, whose values are hidden under names such as `DB_PASSWORD`, or a command's words, likewise."""


class Grants:
    """Marks a field in which anything extra that is found widens access."""


class Restricts:
    """Marks a field of which anything that is missing widens access."""


class Conditions:
    """Marks a mapping of conditions: one that is missing widens access, one that differs may do so."""


class Neutral:
    """Marks a field that says nothing about access, in a part that does."""


@dataclass(frozen=True)
class Holds:
    """Marks a set of values that name resources of another kind: a replaced one is no longer in it."""

    kind: str
    attribute: str


class AtLeast:
    """Marks a set that may hold more than is wanted, since others add to it too."""


class Local:
    """Marks a field that says how to make the resource and isn't part of it: never compared."""


class Initial:
    """Marks a field that is set when the resource is made and is its own from then on: shown, never compared."""


@dataclass(frozen=True)
class Ref:
    """A value that another resource has once it exists, such as a security group's id."""

    address: Address
    attribute: str

    def __str__(self) -> str:
        return f"({self.attribute} of {self.address}, known once that is made)"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.is_instance_schema(cls, serialization=core_schema.to_string_ser_schema())


class Value(BaseModel):
    """A part of a spec: frozen, compared by value."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Spec(Value):
    """What one resource should be.

    name: in AWS. tags: all of them, the ownership tag included. Every field has a default, so that a name alone can
    be looked up. What holds for the whole kind:

    data: holds what can't be made again (objects, images), so it is deleted only when told so.
    volatile: attributes that are others after an update; in_place: fields whose update leaves even those alone.
    part_of: the kind that holds it; without a tag of its own it belongs to whoever owns that, and goes with it.
    marked: can say by itself whose it is, by a tag or something like it.
    continues: kinds of which such a thing holds what is too much for one: those whose name is its up to a dot.
    uses: kinds of which it may use some, which are deleted after it; of what the file names the graph says which.
    works_with: the same of what runs in it, of which nothing says more.
    """

    kind: ClassVar[str]
    data: ClassVar[bool] = False
    volatile: ClassVar[frozenset[str]] = frozenset()
    in_place: ClassVar[frozenset[str]] = frozenset()
    part_of: ClassVar[str] = ""
    marked: ClassVar[bool] = True
    continues: ClassVar[tuple[str, ...]] = ()
    uses: ClassVar[tuple[str, ...]] = ()
    works_with: ClassVar[tuple[str, ...]] = ()

    name: str
    tags: Annotated[dict[str, str], SecretsByName()] = {}

    @property
    def address(self) -> Address:
        """Kind and name."""
        return Address(self.kind, self.name)


S = TypeVar("S", bound=Spec)


def held_by(spec: Spec) -> tuple[Address, ...]:
    """What it may be a part of, as its name says: an image of a repository, an object BUCKET/KEY."""
    if not spec.part_of:
        return ()
    return tuple(Address(spec.part_of, name) for name in dict.fromkeys((spec.name, spec.name.partition("/")[0])))


def continued(spec: Spec) -> Iterator[Address]:
    """What it may hold what was too much for, as its name says: of NAME.2, NAME."""
    words = spec.name.split(".")
    for end in range(1, len(words)):
        yield from (Address(kind, ".".join(words[:end])) for kind in spec.continues)


@dataclass(frozen=True)
class Observed(Generic[S]):
    """What is there: the live state as the desired type, fully read.

    attributes: what only AWS knows (`id`, `arn`, `digest`, `revision`), for `Ref`s and for deletion.
    note: what is worth knowing of it and is no difference. owner: the deploy whose ownership tag it carries, or None.
    aside: what a rollback has put aside; while that is as wanted, nothing is to be done.
    """

    spec: S
    attributes: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    aside: Observed[S] | None = None

    @property
    def protected(self) -> bool:
        """Whether its tag says that it isn't to be deleted, whatever the file says by now."""
        return PROTECT_TAG in self.spec.tags

    @property
    def owner(self) -> str | None:
        """The deploy that the ownership tag names."""
        return self.spec.tags.get(OWNER_TAG)


@dataclass(frozen=True)
class Change:
    """One field that differs. `before` and `after` are plain values ready to show; None is unset."""

    path: str
    before: Any
    after: Any
    replaces: bool = False
    widens: bool = False


Changes = tuple[Change, ...]


def top(path: str) -> str:
    """The field of the spec that a change's path is in."""
    return path.split(".")[0].split("[")[0]


def touches(changes: Changes, *fields: str) -> bool:
    """Whether any change is in one of these fields of the spec."""
    return any(top(change.path) in fields for change in changes)
