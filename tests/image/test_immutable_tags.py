"""Where tags can't move: an apply that was stopped anywhere is finished, and what can't be tagged is said first."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from reconciler.aws.calls import Aws
from reconciler.core.diff import diff
from reconciler.core.errors import AwsError, ReconcilerError
from reconciler.image.engine import BuildRequest, Output, PushRequest
from reconciler.image.kind import ImageKind, ImageSpec
from reconciler.image.manifest import Manifest, put_manifest
from reconciler.image.source import image_spec
from reconciler.kinds import Repository, RepositorySpec
from tests.image.conftest import images
from tests.lab_client import LabHandle

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"


class Builder:
    """An engine whose every build is another image, without a record in it, as most builders' are."""

    name = "a builder"

    def __init__(self, aws: Aws) -> None:
        self.aws, self.builds = aws, 0

    def find(self, request: BuildRequest) -> str | None:
        """Nothing is kept."""
        return None

    def build(self, request: BuildRequest, output: Output) -> str:
        """Another one."""
        self.builds += 1
        return f"{self.builds}"

    def push(self, image: str, request: PushRequest, output: Output) -> str:
        """Under its tag, as a registry takes it."""
        digest = "sha256:" + hashlib.sha256(image.encode()).hexdigest()
        config = {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": digest, "size": 1}
        document = {"schemaVersion": 2, "mediaType": DOCKER, "config": config, "layers": []}
        manifest = Manifest(json.dumps(document), DOCKER)
        put_manifest(self.aws, request.repository, manifest, request.tag)
        return manifest.digest


@pytest.fixture
def aws(lab: LabHandle) -> Aws:
    """With a repository in which tags don't move."""
    made = lab.aws()
    want = RepositorySpec(name="trainer", tag_mutability="IMMUTABLE_WITH_EXCLUSION", tag_exclusions=("latest",))
    Repository().create(made, want)
    return made


def spec(context: Path, *tags: str) -> ImageSpec:
    return image_spec("trainer", context, tags=tags, fixed_tags=True, moving_tags=("latest",))[0]


WRITES = [("PutImage", n) for n in range(5)] + [("BatchDeleteImage", 0)]


@pytest.mark.parametrize(("op", "after"), WRITES)
def test_stopped_anywhere_it_is_finished(op: str, after: int, aws: Aws, context: Path, lab: LabHandle) -> None:
    builder = Builder(aws)
    kind, want = ImageKind(builder, print), spec(context, "v1", "v2", "latest")
    lab.rules({"service": "ecr", "op": op, "skip": after, "times": -1, "do": "error", "code": "AccessDeniedException"})
    try:
        kind.create(aws, want)
    except AwsError:
        assert op == "PutImage"
    lab.rules()
    kind.create(aws, want)
    assert diff(want, kind.observe(aws, [want])["trainer"].spec) == ()
    # The image that was pushed is the one that is used: its tags can't be given to another.
    assert builder.builds == (2 if (op, after) == ("PutImage", 0) else 1)
    (only,) = [image for image in images(aws) if want.tag in image["imageTags"]]
    assert {"v1", "v2", "latest", want.tag} <= {*only["imageTags"]}


def test_stopped_between_the_last_tags_it_is_finished(aws: Aws, context: Path, lab: LabHandle) -> None:
    """The tag that an engine pushes under is gone by then, and the one of the inputs isn't there yet."""
    builder = Builder(aws)
    kind, want = ImageKind(builder, print), spec(context, "v1")
    lab.rules(
        {"service": "ecr", "op": "PutImage", "skip": 2, "times": -1, "do": "error", "code": "AccessDeniedException"}
    )
    with pytest.raises(AwsError):
        kind.create(aws, want)
    assert [tag for image in images(aws) for tag in image["imageTags"]] == ["v1"]
    lab.rules()
    kind.create(aws, want)
    assert builder.builds == 1
    assert diff(want, kind.observe(aws, [want])["trainer"].spec) == ()


def test_a_tag_of_another_image_is_said_before_anything_is_built(aws: Aws, context: Path) -> None:
    builder = Builder(aws)
    kind = ImageKind(builder, print)
    kind.create(aws, spec(context, "v1", "latest"))
    (context / "app/__main__.py").write_text("print('two')\n")
    before = images(aws)
    with pytest.raises(
        ReconcilerError, match="the tag 'v1' of the repository 'trainer' belongs to another image"
    ) as told:
        kind.create(aws, spec(context, "v1", "latest"))
    assert "moving_tags" in told.value.hint
    assert (builder.builds, images(aws)) == (1, before)
    # What may move does.
    want = spec(context, "v2", "latest")
    kind.create(aws, want)
    (newest,) = [image for image in images(aws) if "latest" in image["imageTags"]]
    assert want.tag in newest["imageTags"]
