"""The resources of a deploy as far as they follow from its file alone: no file that it names is read, nor AWS."""

from __future__ import annotations

from reconciler.config.resource_names import Names
from reconciler.config.storage import DataFile
from reconciler.core.given_data import GivenData
from reconciler.core.spec import Spec
from reconciler.image.kind import ImageSpec
from reconciler.kinds import FolderSpec, ObjectSpec
from reconciler.lower import DataSpec, lower


def resources(names: Names) -> list[Spec]:
    """All resources of the deploy, the objects and the image by their names alone."""
    deploy = names.deploy
    files = [_bare(names.bucket, file) for file in deploy.data.files]
    image = ImageSpec(name=names.repository) if deploy.image.uri is None else None
    return [node.spec for node in lower(deploy, names.facts, files, image).nodes.values()]


def _bare(bucket: str, file: DataFile) -> DataSpec:
    if file.given:
        return GivenData(file.place)
    return FolderSpec(name=f"{bucket}/{file.prefix}") if file.tree else ObjectSpec(name=f"{bucket}/{file.key}")
