"""`import` of what the guide leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.config import load
from tests.importer import guide
from tests.planfile.project import Project


@pytest.fixture
def by_hand(project: Project) -> Project:
    """The guide's deployment, made by hand, and a folder without a deploy.yaml."""
    (project.folder / "deploy.yaml").unlink()
    guide.make(project.lab.client)
    (project.folder / "btc.csv").write_bytes(guide.DATA)
    return project


def test_its_plan_shows_no_differences(by_hand: Project) -> None:
    done = by_hand.ok("import", "--prefix", guide.P, "--data", "btc.csv")
    assert "its plan shows no differences" in done.out
    plan = by_hand.plan()
    assert {step["action"] for step in plan.values()} == {"none"}
    assert {step["note"] for step in plan.values()} == {"made by someone else, used as it is"}
    assert set(plan) == {
        f"role.{guide.EXECUTION_ROLE}", f"role.{guide.TASK_ROLE}", f"policy.{guide.P}-s3-access-policy",
        f"policy.{guide.P}-github-actions-policy", f"user.{guide.USER}", f"bucket.{guide.BUCKET}",
        f"object.{guide.BUCKET}/{guide.KEY}", f"repository.{guide.REPOSITORY}", f"cluster.{guide.CLUSTER}",
        f"task-definition.{guide.FAMILY}", f"log-group.{guide.LOG_GROUP}", f"security-group.{guide.GROUP}",
    }  # fmt: skip


def test_adoption_changes_tags_alone(by_hand: Project) -> None:
    by_hand.ok("import", "--prefix", guide.P, "--data", "btc.csv")
    keys = by_hand.lab.client("iam").list_access_keys(UserName=guide.USER)["AccessKeyMetadata"]
    steps = [step for step in by_hand.plan("--adopt").values() if step["action"] != "none"]
    assert {step["action"] for step in steps} == {"adopt"}
    assert {change["path"] for step in steps for change in step["changes"]} == {"tags.reconciler:deploy"}
    assert len(steps) >= 11
    by_hand.ok("apply", "--adopt", "--skip-run")
    assert by_hand.todo() == {}
    assert by_hand.todo("--adopt") == {}
    revisions = by_hand.lab.client("ecs").list_task_definitions(familyPrefix=guide.FAMILY)["taskDefinitionArns"]
    assert len(revisions) == 1, "tags need no new revision"
    assert by_hand.lab.client("iam").list_access_keys(UserName=guide.USER)["AccessKeyMetadata"] == keys


def test_without_the_data_file_it_is_a_variable(by_hand: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    done = by_hand.ok("import", "--prefix", guide.P)
    text = (by_hand.folder / "deploy.yaml").read_text()
    assert "file: ${DATA_FILE}\n" in text
    assert "set DATA_FILE" in done.out
    missing = by_hand.run("plan")
    assert missing.code == 2
    assert "DATA_FILE" in missing.err
    monkeypatch.setenv("DATA_FILE", "btc.csv")
    assert by_hand.todo() == {}


def test_the_file_reads_like_one_that_a_person_wrote(by_hand: Project) -> None:
    by_hand.ok("import", "--prefix", guide.P, "--data", "btc.csv", "-o", "found.yaml")
    path = by_hand.folder / "found.yaml"
    text = path.read_text()
    deploy = load(path, environ={})
    sections = [line.partition(":")[0] for line in text.splitlines() if line[:1].isalpha()]
    assert sections == [name for name in type(deploy).model_fields if name in sections]
    assert text.startswith("# Imported from account 123456789012, us-east-1")
    assert "account: \"123456789012\" # refuse" in text
    assert "  policy: # as found" in text
    assert deploy.name == guide.P
    assert deploy.logs.options == {"awslogs-create-group": "true"}
    assert by_hand.ok("plan", "found.yaml").out.endswith("12 resources are as the file says.\n")


def test_it_reads_and_never_overwrites(by_hand: Project) -> None:
    by_hand.lab.zero()
    by_hand.ok("import", "--prefix", guide.P, "--data", "btc.csv")
    reads = ("Get", "List", "Describe", "Head")
    assert [row["op"] for row in by_hand.lab.log() if not row["op"].startswith(reads)] == []
    before = (by_hand.folder / "deploy.yaml").read_text()
    again = by_hand.run("import", "--prefix", guide.P)
    assert again.code == 2
    assert "never overwritten" in again.err
    assert (by_hand.folder / "deploy.yaml").read_text() == before


def test_in_json(by_hand: Project) -> None:
    found = by_hand.ok("import", "--prefix", guide.P, "--data", "btc.csv", "--json").json
    assert {"kind": "user", "name": guide.USER} in found["found"]
    assert found["differences"] == []
    assert found["file"] == "deploy.yaml"


def test_on_the_embedded_aws_too(by_hand: Project) -> None:
    # The lab's home is an embedded AWS; in the folder of the project it is the one that --local reaches.
    home: Path = by_hand.folder / ".reconciler" / "local"
    home.parent.mkdir()
    home.symlink_to(by_hand.lab.home, target_is_directory=True)
    by_hand.ok("import", "--prefix", guide.P, "--data", "btc.csv", "--local")
    assert by_hand.todo("--local") == {}
