"""One deploy in one account: reads what is there and plans. What `plan`, `apply`, `destroy` and `status` share.

`reconciler.engine.prepare` makes it. `Deployment.observe` reads the live state of every resource all at once; nothing
here writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.config import Deploy
from reconciler.core.errors import Denied
from reconciler.core.given_data import GivenData
from reconciler.core.graph import Graph
from reconciler.core.plan import Options, Plan, Users, make_plan, ours, plan_destroy
from reconciler.core.secret import KNOWN
from reconciler.core.spec import OWNER_TAG, Address, Observed, held_by
from reconciler.engine.ownership_record import read_record, valid
from reconciler.image.kind import ImageSpec, inputs_of_digest
from reconciler.kinds import AnyKind, FolderSpec, ObjectSpec
from reconciler.lower import DataSpec, Names
from reconciler.lower.existing import Given
from reconciler.permissions.parts import PLAN
from reconciler.permissions.preflight import principal

IMAGE = ImageSpec.kind
NO_OPTIONS = Options()
MANY = 8  # resources from which on what one answer has for several of them is worth asking for


@dataclass(frozen=True)
class Seen:
    """What there is, and what the record says.

    looked_at: what was read, there or not. users: who uses what may be deleted, where somebody does or that is unknown.
    """

    resources: Mapping[Address, Observed[Any]]
    recorded: frozenset[Address]
    looked_at: frozenset[Address] = frozenset()
    users: Users = field(default_factory=dict)

    @property
    def kept(self) -> frozenset[Address]:
        """The record without what is known to be gone."""
        return frozenset(a for a in self.recorded if a in self.resources or a not in self.looked_at)


@dataclass(frozen=True)
class Deployment:
    """A deploy with its facts, graph and kinds."""

    deploy: Deploy
    aws: Aws
    names: Names
    graph: Graph
    kinds: dict[str, AnyKind]
    data: tuple[DataSpec, ...]  # in the order of the file
    image: ImageSpec | None
    dirty: tuple[str, ...] = ()  # changed files of the work tree that go into the image
    present_image: str = ""  # URI of the image that the file or, with --skip-image, the task definition names
    left_alone: frozenset[str] = frozenset()  # kinds that are neither changed nor missed
    early: Mapping[Address, Observed[Any]] = field(default_factory=dict)  # what `prepare` had to read already
    given: Given = field(default_factory=Given)
    command: str = PLAN
    removing: bool = False  # all of it

    @property
    def given_data(self) -> list[GivenData]:
        """What was found in S3 that isn't the deploy's."""
        return [source for source in self.data if isinstance(source, GivenData)]

    @cached_property
    def image_mark(self) -> str:
        """What stands for the image's content in a run's fingerprint; one read for an image that isn't built here."""
        if self.image is not None:
            return inputs_mark(self.image.inputs)
        if self.deploy.image.uri:
            return self.deploy.image.uri
        inputs = inputs_of_digest(self.aws, self.names.repository, self.present_image)
        return inputs_mark(inputs) if inputs else self.present_image

    @property
    def ranks(self) -> tuple[str, ...]:
        """Kinds in the order in which they are made."""
        return ranks(self.kinds)

    def observe(self, options: Options = NO_OPTIONS, *, again: bool = False) -> Seen:
        """Read the record, then all that is wanted or recorded, all at once.

        again: also what `prepare` has read, to see what has changed since. Raises MissingPermissions, AwsError.
        """
        with all_that_is_missing(self.aws, self.deploy, self.command):
            return self._observe(options, {} if again else self.early)

    def _observe(self, options: Options, early: Mapping[Address, Observed[Any]]) -> Seen:
        addresses = self.graph.nodes.keys() if options.targets is None else self.graph.closure(options.targets)
        specs = [node.spec for address, node in self.graph.nodes.items() if address in addresses]
        resources = {spec.address: early[spec.address] for spec in specs if spec.address in early}
        reads: list[Any] = [partial(read_record, self.aws, self.deploy.name)]
        reads += self._reads(spec for spec in specs if spec.address not in resources)
        self.aws.shared.size = len(specs)
        with self.aws.shared if len(specs) >= MANY else nullcontext():
            recorded, *kinds = self.aws.together(*reads)
        recorded = self._files(recorded, [observed for kind in kinds for observed in kind.values()])
        # What left the file, which only the record knows of.
        orphans = [a for a in recorded - self.graph.nodes.keys() if a.kind in self.kinds.keys() - self.left_alone]
        gone_specs = [self.kinds[a.kind].spec(name=a.name, tags={OWNER_TAG: self.deploy.name}) for a in orphans]
        # And what parts of these are parts of, which says whose they are.
        holders = {holder for spec in gone_specs for holder in held_by(spec)} - {*orphans, *self.graph.nodes}
        reads = self._reads(gone_specs)
        reads += [partial(_unless_denied, read) for read in self._reads(map(self._bare, filter(valid, holders)))]
        kinds += self.aws.together(*reads)
        resources |= {observed.spec.address: observed for kind in kinds for observed in kind.values()}
        going = [
            observed
            for a, observed in resources.items()
            if (self.removing or a in orphans) and ours(self.deploy.name, observed, recorded)
        ]
        users = self.aws.each(self._users, going)
        return Seen(
            resources, recorded, frozenset((*addresses, *orphans)), {a: who for a, who in users if who != frozenset()}
        )

    def _files(self, recorded: frozenset[Address], observed: Iterable[Observed[Any]]) -> frozenset[Address]:
        """The record, with what has left a folder, or the file with its folder, as objects of their own.

        Only those are in it of which the object itself says that this deploy uploaded it.
        """
        nodes = self.graph.nodes
        folders = [node.spec for node in nodes.values() if isinstance(node.spec, FolderSpec)]
        orphans = {address for address in recorded - nodes.keys() if address.kind == FolderSpec.kind}
        orphan_folders = self.kinds[FolderSpec.kind].observe(
            self.aws, [FolderSpec(name=address.name) for address in orphans]
        )
        live_folders = [
            folder.spec for folder in (*observed, *orphan_folders.values()) if isinstance(folder.spec, FolderSpec)
        ]
        other_objects = {Address(ObjectSpec.kind, spec.name + key) for spec in live_folders for key in spec.others}
        # A key may be any text, and the record has a line for each.
        unknown = filter(valid, sorted(other_objects - nodes.keys() - recorded))
        objects = self.kinds[ObjectSpec.kind].observe(self.aws, [ObjectSpec(name=address.name) for address in unknown])
        uploaded = {s3_object.spec.address for s3_object in objects.values() if s3_object.owner == self.deploy.name}
        in_folders = {Address(ObjectSpec.kind, spec.name + key) for spec in folders for key in spec.files}
        return (recorded | uploaded) - orphans - in_folders

    def _users(self, observed: Observed[Any]) -> tuple[Address, frozenset[Address] | None]:
        try:
            return observed.spec.address, self.kinds[observed.spec.kind].users(self.aws, observed)
        except Denied:
            return observed.spec.address, None

    def _bare(self, address: Address) -> Any:
        return self.kinds[address.kind].spec(name=address.name)

    def _reads(self, specs: Iterable[Any]) -> list[Callable[[], Mapping[str, Observed[Any]]]]:
        """One read for each kind, of all its resources."""
        by_kind: dict[str, list[Any]] = {}
        for spec in specs:
            by_kind.setdefault(spec.kind, []).append(spec)
        return [partial(self.kinds[kind].observe, self.aws, wants) for kind, wants in by_kind.items()]

    def _learn(self, seen: Seen) -> None:
        """Know all secrets before anything is compared, so that two plans of the same show the same."""
        for node in self.graph.nodes.values():
            KNOWN.learn_all(node.spec.model_dump())
        for observed in seen.resources.values():
            KNOWN.learn_variables(observed.spec.model_dump(exclude={"tags"}))

    def plan(self, seen: Seen, options: Options = NO_OPTIONS) -> Plan:
        """The plan that makes what is there into what is wanted."""
        self._learn(seen)
        return make_plan(self.deploy.name, self.graph, seen.resources, options=options, **self._known(seen))

    def plan_destroy(self, seen: Seen, options: Options = NO_OPTIONS) -> Plan:
        """The plan that removes what is ours."""
        self._learn(seen)
        return plan_destroy(self.deploy.name, self.graph, seen.resources, options=options, **self._known(seen))

    def _known(self, seen: Seen) -> dict[str, Any]:
        return {"recorded": seen.recorded, "ranks": self.ranks, "users": seen.users, "last": self._caller()}

    def _caller(self) -> tuple[Address, ...]:
        """Who this is done by, if it is a user or a role."""
        caller = principal(self.aws.caller)
        kind, _, name = caller.rpartition(":")[2].partition("/") if caller else ("", "", "")
        return (Address(kind, name.rpartition("/")[2]),) if name else ()


def ranks(kinds: Iterable[str]) -> tuple[str, ...]:
    """The kinds in the order in which they are made: images, which are no part of `KINDS`, after what holds them."""
    order = [kind for kind in kinds if kind != IMAGE]
    order.insert(order.index(ImageSpec.part_of) + 1, IMAGE)
    return tuple(order)


def _unless_denied(read: Callable[[], Mapping[str, Observed[Any]]]) -> Mapping[str, Observed[Any]]:
    """What is there; nothing where that may not be read, which then says nothing about whose it is."""
    try:
        return read()
    except Denied:
        return {}


@contextmanager
def all_that_is_missing(aws: Aws, deploy: Deploy, command: str) -> Iterator[None]:
    """When something may not be read, say what else may not. Raises MissingPermissions, Denied."""
    try:
        yield
    except Denied as error:
        from reconciler.engine.missing_permissions import explain

        raise explain(aws, deploy, command, error) from None


def inputs_mark(inputs: str) -> str:
    """What stands for the content of an image that was built from these inputs."""
    return f"inputs:{inputs}"
