"""What must never be deleted: what is protected, and what is another deploy's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.engine.ownership_record import read_record, write_record
from tests.engine.project import DEPLOY, Project
from tests.engine.start import Start
from tests.lab_client import LabHandle

BUCKET = "tiny-data-123456789012"
PROTECTED = DEPLOY.replace("{keep_images: 5}", "{keep_images: 5, protect: true}").replace(
    "data: prices.csv", "data: {files: [prices.csv, more.csv], bucket: {protect: true}}"
)
MANIFEST = '{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}'


def make(project: Project) -> None:
    project.write("more.csv", "a\n1\n")
    project.write("deploy.yaml", PROTECTED)
    project.ok("apply")
    project.lab.client("ecr").put_image(repositoryName="tiny", imageManifest=MANIFEST, imageTag="inputs-0123")
    project.ok("recover")


@pytest.fixture(scope="module")
def start(kept_lab: LabHandle, tmp_path_factory: pytest.TempPathFactory) -> Start:
    return Start(kept_lab, tmp_path_factory.mktemp("start"), make)


@pytest.fixture
def protected(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A deployment whose bucket and repository are protected, with an image in the latter."""
    return start.again(tmp_path, monkeypatch)


def there(project: Project) -> tuple[list[str], int]:
    """The keys in the bucket and the number of images."""
    objects = project.lab.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    images = project.lab.client("ecr").describe_images(repositoryName="tiny")["imageDetails"]
    return [entry["Key"] for entry in objects], len(images)


def test_destroy_leaves_it(protected: Project) -> None:
    before = there(protected)
    done = protected.run("destroy", "--yes", "--delete-data")
    assert there(protected) == before
    assert "protected by the file (`protect: true`)" in done.out
    steps = {
        f"{s['kind']}.{s['name']}": s
        for s in protected.run("destroy", "--yes", "--delete-data", "--json").json["plan"]["steps"]
    }
    assert steps.keys() == {
        f"bucket.{BUCKET}", f"object.{BUCKET}/data/prices.csv", f"object.{BUCKET}/data/more.csv", "repository.tiny",
        "image.tiny",
    }  # fmt: skip
    assert all("protect: true" in step["held"] for step in steps.values())


def test_replacing_it_is_refused(protected: Project) -> None:
    protected.lab.client("ecr").delete_repository(repositoryName="tiny", force=True)
    tags = [{"Key": "reconciler:deploy", "Value": "tiny"}]
    protected.lab.client("ecr").create_repository(
        repositoryName="tiny", encryptionConfiguration={"encryptionType": "KMS"}, tags=tags
    )
    step = protected.plan("--delete-data")["repository.tiny"]
    assert step["action"] == "replace"
    assert step["held"] == "protected by the file (`protect: true`)"


def test_without_protection_it_goes(protected: Project) -> None:
    protected.change("protect: true", "protect: false")
    protected.ok("apply")
    protected.ok("destroy", "--yes", "--delete-data")
    assert protected.lab.client("s3").list_buckets()["Buckets"] == []
    assert protected.lab.client("ecr").describe_repositories()["repositories"] == []


@pytest.mark.parametrize("instead", ["protect: false", ""])
def test_it_doesnt_end_when_it_leaves_the_file(protected: Project, instead: str) -> None:
    """Else one edit that goes unnoticed, and a destroy, lose the data: the resource itself carries it as a tag."""
    before = there(protected)
    protected.change(", protect: true}", f", {instead}}}")
    protected.change("bucket: {protect: true}", f"bucket: {{{instead}}}")
    plan = protected.plan()
    assert plan["repository.tiny"]["action"] == plan[f"bucket.{BUCKET}"]["action"] == "update"
    done = protected.run("destroy", "--yes", "--delete-data")
    assert there(protected) == before
    assert "`protect: false` and `apply --target repository.tiny` take that away" in " ".join(done.out.split())
    protected.ok("apply", "--target", "repository.tiny")
    protected.run("destroy", "--yes", "--delete-data")
    assert protected.lab.client("ecr").describe_repositories()["repositories"] == []
    assert "bucket." in protected.run("destroy", "--yes", "--delete-data").out


def test_it_doesnt_end_when_the_resource_leaves_the_file(protected: Project) -> None:
    before = there(protected)
    protected.change("  repository: {keep_images: 5, protect: true}\n", "")
    step = protected.plan("--prune", "--delete-data")["repository.tiny"]
    assert step["held"].startswith("protected by its tag")
    protected.run("apply", "--prune", "--delete-data")
    assert there(protected) == before


@pytest.fixture
def other(project: Project) -> Project:
    """A deployment `tiny`, and the file other.yaml of one that takes some of its names."""
    project.ok("apply")
    project.write("other.yaml", DEPLOY.replace("name: tiny", "name: other").replace("ci: {user: {}}", "").replace(
        "logs: {retention_days: 7}", "logs: {group: /ecs/tiny, retention_days: 1}").replace(
        "environment:", "role: {name: tiny-task-role}\n  environment:"))  # fmt: skip
    return project


def live(project: Project) -> str:
    """All that `tiny` has, as its plan sees it."""
    return json.dumps(project.plan("--prune"), sort_keys=True)


def test_another_deploys_resource_is_never_changed(other: Project) -> None:
    before = live(other)
    for options in ((), ("--adopt", "--prune", "--delete-data")):
        step = other.plan("other.yaml", *options)["log-group./ecs/tiny"]
        assert step["action"] == "adopt"
        assert "it belongs to deploy 'tiny'" in step["held"]
        assert other.run("apply", "other.yaml", *options).code == 120
        assert live(other) == before
    assert set(other.todo("--prune")) == set()


def test_nor_deleted(other: Project) -> None:
    other.run("apply", "other.yaml")
    aws = other.lab.aws()
    # Even when the record claims it.
    write_record(aws, "other", read_record(aws, "other") | read_record(aws, "tiny"))
    assert "delete" not in other.todo("other.yaml", "--prune", "--delete-data").values()
    other.ok("destroy", "other.yaml", "--yes", "--delete-data")
    assert other.todo("--prune") == {}
