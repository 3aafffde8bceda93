"""The images that are marked as in use: the wanted one and those that a current task definition names; no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.aws.calls import Aws
from reconciler.core.diff import diff
from reconciler.image.engine import Output, PushRequest
from reconciler.image.in_use import REPLACED_TAG, UsedBy
from reconciler.image.kind import ImageKind, ImageSpec, repository_uri
from reconciler.image.manifest import Manifest, put_manifest
from reconciler.image.source import image_spec
from reconciler.kinds import Repository, RepositorySpec
from reconciler.kinds.ecr_repository import IN_USE
from tests.image.conftest import images
from tests.image.test_immutable_tags import Builder
from tests.lab_client import LabHandle

USED_BY = UsedBy(family="tiny")
OCI = "application/vnd.oci.image.manifest.v1+json"


class Images:
    """Makes versions of an image, and has a task definition name one."""

    def __init__(self, aws: Aws, context: Path, mutability: str) -> None:
        exclusions = ("latest",) if mutability.endswith("EXCLUSION") else ()
        want = RepositorySpec(name="trainer", tag_mutability=mutability, tag_exclusions=exclusions, keep_images=50)
        Repository().create(aws, want)
        self.aws, self.context, self.fixed = aws, context, mutability != "MUTABLE"
        self.kind = ImageKind(Builder(aws), print)

    def make(self, version: str, used_by: UsedBy = USED_BY) -> str:
        """The digest of this version's image, which is made."""
        want = self.spec(version, used_by)
        self.kind.create(self.aws, want)
        seen = self.kind.observe(self.aws, [want])["trainer"]
        assert diff(want, seen.spec) == ()
        return seen.attributes["digest"]

    def spec(self, version: str, used_by: UsedBy = USED_BY) -> ImageSpec:
        """What is wanted for it."""
        (self.context / "app/__main__.py").write_text(f"print('{version}')\n")
        moving = ("latest",) if self.fixed else ()
        return image_spec("trainer", self.context, fixed_tags=self.fixed, moving_tags=moving, used_by=used_by)[0]

    def run(self, digest: str) -> str:
        """The ARN of a new revision that names it."""
        image = f"{repository_uri(self.aws, 'trainer')}@{digest}"
        answer = self.aws.call(
            "ecs", "RegisterTaskDefinition", family="tiny", requiresCompatibilities=["FARGATE"], networkMode="awsvpc",
            cpu="256", memory="512", executionRoleArn="arn:aws:iam::123456789012:role/pull",
            containerDefinitions=[{"name": "main", "image": image}],
        )  # fmt: skip
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    @property
    def marked(self) -> set[str]:
        """The digests of those that ECR may not delete."""
        return {digest for digest, tags in self.tags.items() if any(tag.startswith(IN_USE) for tag in tags)}

    @property
    def tags(self) -> dict[str, list[str]]:
        """All that is there."""
        return {image["imageDigest"]: image.get("imageTags", []) for image in images(self.aws)}


@pytest.fixture
def aws(lab: LabHandle) -> Aws:
    return lab.aws()


@pytest.fixture(params=["MUTABLE", "IMMUTABLE_WITH_EXCLUSION"])
def made(aws: Aws, context: Path, request: pytest.FixtureRequest) -> Images:
    return Images(aws, context, request.param)


def test_the_current_one_and_the_wanted_one(made: Images) -> None:
    a = made.make("a")
    assert made.marked == {a}
    made.run(a)
    b = made.make("b")
    assert made.marked == {a, b}
    # The apply ends before there is a revision, twice: what runs stays kept.
    c = made.make("c")
    assert made.marked == {a, c}
    made.run(c)
    d = made.make("d")
    assert made.marked == {c, d}
    assert made.tags.keys() == {a, b, c, d}  # whose tags go is left to the rule
    made.run(d)
    assert made.make("a") == a
    assert made.marked == {a, d}


def test_nothing_changes_where_only_a_tag_does(made: Images) -> None:
    a = made.make("a")
    made.run(a)
    before = made.tags
    assert made.make("a") == a
    assert made.tags == before


def test_what_a_services_deployment_may_go_back_to(made: Images) -> None:
    made.aws.call("ecs", "CreateCluster", clusterName="c")
    served = UsedBy(family="tiny", service="c/s")
    a = made.make("a", served)
    first = made.run(a)
    subnet = made.aws.call("ec2", "DescribeSubnets")["Subnets"][0]["SubnetId"]
    made.aws.call(
        "ecs", "CreateService", cluster="c", serviceName="s", taskDefinition=first, desiredCount=0,
        launchType="FARGATE", networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}},
    )  # fmt: skip
    b = made.make("b", served)
    made.run(b)  # which the service never got
    c = made.make("c", served)
    assert made.marked == {a, b, c}


def test_marks_of_others_and_images_of_others_stay(made: Images) -> None:
    other = UsedBy(family="tiny-b")
    theirs = made.make("theirs", other)
    a = made.make("a")
    b = made.make("b")
    assert made.marked == {theirs, b}
    # An image that others pushed and that runs: kept while it does, and never gone with our mark.
    document = Manifest('{"schemaVersion": 2, "layers": []}', OCI)
    put_manifest(made.aws, "trainer", document, "v1")
    made.run(document.digest)
    made.make("a")
    assert made.marked == {theirs, a, document.digest}
    made.aws.call("ecr", "BatchDeleteImage", repositoryName="trainer", imageIds=[{"imageTag": "v1"}])
    made.run(a)
    made.make("b")
    assert made.marked == {theirs, a, b}
    assert [tag.partition("-")[0] + "-" for tag in made.tags[document.digest]] == [REPLACED_TAG]


def test_built_again_on_a_newer_base_the_one_that_runs_is_kept(aws: Aws, context: Path) -> None:
    made = Images(aws, context, "MUTABLE")
    a = made.make("a")
    made.run(a)

    class Newer(Builder):
        def push(self, image: str, request: PushRequest, output: Output) -> str:
            return super().push(f"newer {image}", request, output)

    want = made.spec("a")
    aws.call("ecr", "BatchDeleteImage", repositoryName="trainer", imageIds=[{"imageTag": want.tag}])
    ImageKind(Newer(aws), print).create(aws, want)
    (newer,) = made.tags.keys() - {a}
    assert made.marked == {a, newer}


def test_where_all_images_are_kept_none_is_marked(aws: Aws, context: Path) -> None:
    made = Images(aws, context, "MUTABLE")
    want = image_spec("trainer", context)[0]
    made.kind.create(aws, want)
    assert made.marked == set()
    assert want.tags_wanted == ("latest",)


def test_a_mark_is_a_tag_of_these_users_only() -> None:
    long = UsedBy(family="f" * 255)
    assert len(long.tag("0" * 64)) <= 128
    for mine, tag, made in [
        (USED_BY, "in-use-tiny-0123456789ab", True),
        (USED_BY, "in-use-tiny-b-0123456789ab", False),
        (USED_BY, "in-use-tiny", False),
        (USED_BY, "in-use", False),
        (long, long.tag("0123456789abcdef"), True),
    ]:
        assert mine.made(tag) is made, tag
