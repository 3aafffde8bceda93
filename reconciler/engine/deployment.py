"""One deploy in one account: reads what is there and plans. What `plan`, `apply`, `destroy` and `status` share.

`prepare` reads what the plan starts from (account, network, checksums of the files, inputs of the image) all at once,
`Deployment.observe` reads the live state of every resource all at once; nothing here writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.config import Deploy, file_checksums
from reconciler.config.data_tree import files_of
from reconciler.config.file_checksums import sha256_of
from reconciler.config.resource_names import Facts
from reconciler.core.errors import Denied, UserError
from reconciler.core.given_data import GivenData
from reconciler.core.graph import Graph
from reconciler.core.plan import Options, Plan, Users, make_plan, ours, plan_destroy
from reconciler.core.secret import KNOWN
from reconciler.core.spec import OWNER_TAG, Address, Observed, held_by
from reconciler.engine.ownership_record import read_record, valid
from reconciler.image.in_use import UsedBy
from reconciler.image.kind import ImageSpec, inputs_of_digest
from reconciler.image.source import image_spec, not_copied
from reconciler.kinds import (
    KINDS,
    AnyKind,
    FolderSpec,
    ObjectSpec,
    TaskDefinition,
    TaskDefinitionSpec,
)
from reconciler.kinds.s3_folder import folder_of
from reconciler.lower import DataSpec, Names, lower
from reconciler.lower.account import check_account, read_facts
from reconciler.lower.existing import Given, read_given
from reconciler.lower.given_data import checked, read_given_data
from reconciler.lower.sizes import check_sizes
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


def prepare(
    deploy: Deploy,
    aws: Aws,
    base: Path,
    kinds: Iterable[AnyKind],
    *,
    skip_image: bool = False,
    rehash: bool = False,
    removing: bool = False,
    checking: bool = False,
    own_files: Sequence[Path] = (),
    command: str = PLAN,
) -> Deployment:
    """Read what a plan starts from. base: the folder of deploy.yaml; kinds: that of images, and those that are to show
    how far they are; skip_image: leave the image as it is, unless everything is to be removed. rehash: read all data
    again. checking: raise for what has to be there and isn't; own_files: that of the deploy and that of a plan, no part
    of the image unless its Dockerfile copies them by name; command: what it is for, to say what that may not read.
    Raises UserError, MissingPermissions, AwsError.
    """
    check_account(aws, deploy)
    build = deploy.image.uri is None and not skip_image
    reads: list[Any] = [
        partial(read_facts, aws, deploy),
        partial(_data, deploy, base, rehash=rehash),
        partial(read_given, aws, deploy),
        partial(_given_data, aws, deploy, removing=removing),
    ]
    if build:
        reads.append(partial(_image, deploy, base, own_files))
    if skip_image:
        reads.append(partial(_present, aws, deploy))
    with all_that_is_missing(aws, deploy, command):
        facts, uploads, given, given_data, *optional = aws.together(*reads)
    assert isinstance(facts, Facts)
    names = Names(deploy, facts)
    given_data = [checked(names, source) for source in given_data]
    if checking:
        given.check(deploy, given_data)
    named_uploads = (upload.model_copy(update={"name": f"{names.bucket}/{upload.name}"}) for upload in uploads)
    stored_data = iter(given_data)
    data = tuple(next(stored_data) if file.given else next(named_uploads) for file in deploy.data.files)
    image, dirty = optional[0] if build else (None, ())
    early = {optional[0].spec.address: optional[0]} if skip_image and optional[0] else {}
    present = deploy.image.uri or next((_image_of(deploy, observed) for observed in early.values()), "")
    values = {variable: given.value(parameter) for variable, parameter in deploy.parameters.items()}
    graph = lower(deploy, facts, data, image, fallback=present, values=values, own_managed=given.managed)
    if not removing:
        check_sizes(names, (node.spec for node in graph.nodes.values()))
    by_name: dict[str, AnyKind] = {kind.spec.kind: kind for kind in (*KINDS, *kinds)}
    left_alone = frozenset({IMAGE}) if skip_image and not removing else frozenset[str]()
    return Deployment(
        deploy, aws, names, graph, by_name, data, image, dirty, present, left_alone, early, given, command, removing
    )


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


def _given_data(aws: Aws, deploy: Deploy, *, removing: bool) -> list[GivenData]:
    """What is in S3 already; not looked at to remove what is ours, since it may be gone by then."""
    return [GivenData(file.place) for file in deploy.data.given] if removing else read_given_data(aws, deploy)


def _data(deploy: Deploy, base: Path, *, rehash: bool) -> list[ObjectSpec | FolderSpec]:
    """What is to be uploaded, as objects and folders that are named without the bucket yet."""
    tags = {OWNER_TAG: deploy.name}
    data: list[ObjectSpec | FolderSpec] = []
    paths: list[Path] = []
    try:
        entries = [(entry, files_of(entry, base, deploy.run.results)) for entry in deploy.data.uploads]
        paths = [file.path for _, files in entries for file in files]
        if rehash:
            file_checksums.forget(paths)
        else:
            file_checksums.recall(base, deploy.name)
        file_checksums.read_all(paths)
        for entry, files in entries:
            if entry.tree:
                data.append(folder_of(entry.prefix, entry, files, tags))
            else:
                (file,) = files
                size, sha = file.path.stat().st_size, sha256_of(file.path)
                data.append(ObjectSpec(name=file.key, sha256=sha, size=size, file=str(file.path), tags=tags))
    except OSError as error:
        raise UserError(
            f"data: {str(error.filename)!r} can't be read: {error.strerror}",
            hint="allow reading it, or name another file",
        ) from None
    file_checksums.keep(base, deploy.name, paths)
    return data


def _image(deploy: Deploy, base: Path, own_files: Sequence[Path]) -> tuple[ImageSpec, tuple[str, ...]]:
    image = deploy.image
    assert image.repository is not None, "filled in where something is built"
    # What isn't part of the program: the data, which goes to the bucket, and what runs of ours leave behind.
    leave_out = [file.outside_image for file in deploy.data.uploads if not Path(file.file).is_absolute()]
    leave_out += [".reconciler", *([deploy.run.results] if deploy.run.results else [])]
    context = base / (image.context or ".")
    leave_out += not_copied(context, image.dockerfile, own_files, image.build_args)
    return image_spec(
        str(image.repository.name),
        context,
        dockerfile=image.dockerfile,
        target=image.target,
        build_args=image.build_args,
        platform=deploy.task.platform,
        tags=image.tags,
        leave_out=leave_out,
        fixed_tags=image.repository.immutable_tags,
        moving_tags=image.repository.moving_tags,
        used_by=used_by(deploy),
        compression=image.compression,
        scanned=image.fail_on is not None,
    )


def used_by(deploy: Deploy) -> UsedBy | None:
    """What runs the deploy's image, where ECR deletes old ones; None where it keeps all."""
    repository = deploy.image.repository
    if repository is None or not repository.keep_images:
        return None
    service = f"{deploy.cluster.name}/{deploy.service.name}" if deploy.service else ""
    return UsedBy(family=str(deploy.task.family), service=service)


def _present(aws: Aws, deploy: Deploy) -> Observed[TaskDefinitionSpec] | None:
    """The task definition that is there."""
    family = str(deploy.task.family)
    return TaskDefinition().observe(aws, [TaskDefinitionSpec(name=family)]).get(family)


def _image_of(deploy: Deploy, definition: Observed[TaskDefinitionSpec]) -> str:
    """The image that a task definition names; of one that was rolled back, that which is put aside."""
    spec = (definition.aside or definition).spec
    return next((str(c.image) for c in spec.containers if c.name == deploy.task.container), "")


def inputs_mark(inputs: str) -> str:
    """What stands for the content of an image that was built from these inputs."""
    return f"inputs:{inputs}"
