"""Read what a plan starts from, all at once: account and network, checksums of the files, inputs of the image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.config import Deploy, file_checksums
from reconciler.config.data_tree import files_of
from reconciler.config.file_checksums import sha256_of
from reconciler.config.resource_names import Facts
from reconciler.core.errors import UserError
from reconciler.core.given_data import GivenData
from reconciler.core.spec import OWNER_TAG, Observed
from reconciler.engine.deployment import IMAGE, Deployment, all_that_is_missing
from reconciler.image.in_use import UsedBy
from reconciler.image.kind import ImageSpec
from reconciler.image.source import image_spec, not_copied
from reconciler.kinds import KINDS, AnyKind, FolderSpec, ObjectSpec, TaskDefinition, TaskDefinitionSpec
from reconciler.kinds.s3_folder import folder_of
from reconciler.lower import Names, lower
from reconciler.lower.account import check_account, read_facts
from reconciler.lower.existing import read_given
from reconciler.lower.given_data import checked, read_given_data
from reconciler.lower.sizes import check_sizes
from reconciler.permissions.parts import PLAN


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
