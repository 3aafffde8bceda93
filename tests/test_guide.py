"""The committed deploy.yaml on top of what a person made by hand, following the guide."""

# ruff: noqa: E501  (tables of cases read best in whole lines)
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine.project import Project
from tests.guide_project import guide_project
from tests.importer import guide
from tests.lab_client import LabHandle

POLICY, CI_POLICY = f"policy.{guide.P}-s3-access-policy", f"policy.{guide.P}-github-actions-policy"
BUCKET, REPOSITORY = f"bucket.{guide.BUCKET}", f"repository.{guide.REPOSITORY}"
DEFINITION, CONTAINER = f"task-definition.{guide.FAMILY}", "containers[ml-pipeline-container]"
RIGHT = {
    f"role.{guide.EXECUTION_ROLE}", f"role.{guide.TASK_ROLE}", f"cluster.{guide.CLUSTER}", f"log-group.{guide.LOG_GROUP}",
    f"security-group.{guide.GROUP}", f"object.{guide.BUCKET}/{guide.KEY}",
}  # fmt: skip
MISSING = {
    "oidc-provider.token.actions.githubusercontent.com",
    f"role.{guide.P}-github-actions",
    f"image.{guide.REPOSITORY}",
}
OTHERWISE = {POLICY, CI_POLICY, BUCKET, REPOSITORY, DEFINITION}


@pytest.fixture
def project(lab: LabHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    guide.make(lab.client)
    return guide_project(lab, tmp_path, monkeypatch)


def writes(lab: LabHandle) -> list[str]:
    reads = ("Get", "List", "Describe", "Head", "BatchGet", "BatchCheck")
    return [row["op"] for row in lab.log() if not row["op"].startswith(reads) and row["service"] != "ssm"]


def names(lab: LabHandle) -> dict[str, Any]:
    """All that there is of the guide's sorts, by name."""
    iam, ecs = lab.client("iam"), lab.client("ecs")
    clusters = ecs.describe_clusters(clusters=ecs.list_clusters()["clusterArns"])["clusters"]
    return {
        "roles": sorted(one["RoleName"] for one in iam.list_roles()["Roles"]),
        "users": sorted(one["UserName"] for one in iam.list_users()["Users"]),
        "policies": sorted(one["PolicyName"] for one in iam.list_policies(Scope="Local")["Policies"]),
        "buckets": [one["Name"] for one in lab.client("s3").list_buckets()["Buckets"]],
        "repositories": [one["repositoryName"] for one in lab.client("ecr").describe_repositories()["repositories"]],
        "clusters": [one["clusterName"] for one in clusters if one["status"] == "ACTIVE"],
        "families": ecs.list_task_definition_families()["families"],
        "groups": sorted(one["GroupName"] for one in lab.client("ec2").describe_security_groups()["SecurityGroups"]),
        "logs": [one["logGroupName"] for one in lab.client("logs").describe_log_groups()["logGroups"]],
    }


def test_the_plan_says_what_is_right_and_lists_only_true_differences(project: Project) -> None:
    project.lab.zero()
    plan = project.plan("--local")
    assert writes(project.lab) == []
    assert set(plan) == RIGHT | MISSING | OTHERWISE
    for address in RIGHT:
        assert (plan[address]["action"], plan[address]["note"]) == ("none", "made by someone else, used as it is")
    for address in MISSING:
        assert plan[address]["action"] == "create"
    for address in OTHERWISE:
        assert (plan[address]["action"], plan[address]["note"]) == ("adopt", "made by someone else")
        assert plan[address]["held"].startswith("pass --adopt")

    def paths(address: str) -> set[str]:
        return {change["path"] for change in plan[address]["changes"]}

    assert paths(BUCKET) == {"lifecycle[*]"}
    assert paths(REPOSITORY) == {"keep_images"}
    assert paths(DEFINITION) == {f"{CONTAINER}.image", f"{CONTAINER}.log_options.awslogs-create-group"}
    assert paths(POLICY) == {
        "document.statements[Allow s3:GetObject and 1 more]", "document.statements[Read]", "document.statements[Write]",
        "document.statements[List]",
    }  # fmt: skip
    first = plan[POLICY]["changes"][0]
    assert (first["path"], first["widens"], first["to"]) == (
        "document.statements[Allow s3:GetObject and 1 more]",
        True,
        None,
    )


def test_without_adopt_nothing_of_it_is_changed(project: Project) -> None:
    before, plan = names(project.lab), project.plan("--local")
    applied = project.run("apply", "--local", "--skip-run")
    assert applied.code != 0
    assert "pass --adopt" in applied.out
    after = project.plan("--local")
    assert {address: after[address] for address in RIGHT | OTHERWISE - {DEFINITION}} == {
        address: plan[address] for address in RIGHT | OTHERWISE - {DEFINITION}
    }
    made = names(project.lab)
    assert made.pop("roles") == sorted(before.pop("roles"))  # the CI's role needs its policy, which is held back
    assert made == before


def test_adopted_it_converges_and_nothing_is_there_twice(project: Project) -> None:
    before = names(project.lab)
    applied = project.ok("apply", "--local", "--skip-run", "--adopt")
    assert "failed" not in applied.out
    after = names(project.lab)
    assert after.pop("roles") == sorted([*before.pop("roles"), f"{guide.P}-github-actions"])
    assert after == before
    plan = project.plan("--local")
    assert {step["action"] for step in plan.values()} == {"none"}
    assert not any(step.get("note") for address, step in plan.items())
    project.lab.zero()
    project.ok("apply", "--local", "--skip-run", "--adopt")
    assert writes(project.lab) == []
    # The content was the same, so that it wasn't uploaded again.
    versions = project.lab.client("s3").list_object_versions(Bucket=guide.BUCKET, Prefix=guide.KEY)["Versions"]
    assert len(versions) == 1


def test_adopted_and_destroyed_the_data_stays(project: Project) -> None:
    project.ok("apply", "--local", "--skip-run", "--adopt")
    project.ok("destroy", "--local", "--yes")
    left = names(project.lab)
    assert (left["buckets"], left["repositories"], left["users"]) == ([guide.BUCKET], [guide.REPOSITORY], [guide.USER])
    assert (left["policies"], left["clusters"], left["logs"]) == ([], [], [])
    assert not [name for name in left["roles"] if name.startswith(guide.P)]
    assert project.lab.client("s3").head_object(Bucket=guide.BUCKET, Key=guide.KEY)["ContentLength"] == len(guide.DATA)
    assert project.lab.client("ecr").list_images(repositoryName=guide.REPOSITORY)["imageIds"]
    project.ok("destroy", "--local", "--yes", "--delete-data")
    gone = names(project.lab)
    assert (gone["buckets"], gone["repositories"]) == ([], [])
