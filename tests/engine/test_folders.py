"""Folders of data: what changed is uploaded, what left is shown and deleted only when told so, and little is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.project import Project

FOLDER = "folder.tiny-data-123456789012/data/"
BUCKET = "tiny-data-123456789012"
Requests = Callable[[str], int]


@pytest.fixture
def requests(project: Project) -> Requests:
    """How often an operation was requested since the lab's log is empty."""
    return lambda operation: len(project.lab.log("s3", operation))


@pytest.fixture
def folder(project: Project) -> Path:
    project.change("data: prices.csv", "data: data")
    data = project.folder / "data"
    (data / "sub").mkdir(parents=True)
    for name in ("a.csv", "b.csv", "sub/c d+e.csv", "sub/\u65e5.csv"):
        (data / name).write_text(name)
    (data / "empty").touch()
    return data


def keys(project: Project) -> set[str]:
    contents = project.lab.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {entry["Key"] for entry in contents}


def test_only_what_changed_is_uploaded(project: Project, folder: Path, requests: Requests) -> None:
    project.ok("apply")
    uploaded = {f"data/{name}" for name in ("a.csv", "b.csv", "empty", "sub/c d+e.csv", "sub/\u65e5.csv")}
    assert (keys(project), requests("PutObject")) == (uploaded, 5)
    assert project.todo() == {}
    (folder / "a.csv").write_text("z.csv")  # as long as before
    (folder / "new.csv").write_text("new")
    changes = {change["path"] for change in project.plan()[FOLDER]["changes"]}
    assert changes == {"files.a.csv", "files.new.csv", "size"}
    project.lab.zero()
    project.ok("apply")
    assert requests("PutObject") == 2
    assert project.todo() == {}


def test_the_task_is_told_the_first_file_and_the_folder(project: Project, folder: Path) -> None:
    project.ok("apply")
    task = project.lab.client("ecs").describe_task_definition(taskDefinition="tiny")["taskDefinition"]
    variables = {variable["name"]: variable["value"] for variable in task["containerDefinitions"][0]["environment"]}
    assert (variables["S3_KEY"], variables["S3_PREFIX"]) == ("data/a.csv", "data/")
    policy = project.lab.client("iam").get_policy_version(
        PolicyArn="arn:aws:iam::123456789012:policy/tiny-task-policy", VersionId="v1"
    )["PolicyVersion"]["Document"]
    read = next(statement for statement in policy["Statement"] if statement["Action"] == "s3:GetObject")
    assert f"arn:aws:s3:::{BUCKET}/data/*" in read["Resource"]


def overwritten(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="data/a.csv", Body=b"z.csv")


def removed(s3: Any) -> None:
    s3.delete_object(Bucket=BUCKET, Key="data/a.csv")


@pytest.mark.parametrize("change", [overwritten, removed])
def test_what_others_did_is_seen_and_put_right(project: Project, folder: Path, change: Any) -> None:
    project.ok("apply")
    change(project.lab.client("s3"))
    assert project.todo() == {FOLDER: "update"}
    project.ok("apply")
    assert project.todo() == {}


def test_what_left_the_folder_is_deleted_only_when_told_so(project: Project, folder: Path) -> None:
    project.ok("apply")
    project.lab.client("s3").put_object(Bucket=BUCKET, Key="data/somebody-elses.csv", Body=b"x")
    (folder / "b.csv").unlink()
    left = f"object.{BUCKET}/data/b.csv"
    assert "pass --prune" in project.plan()[left]["held"]
    for allowed in ((), ("--prune",)):
        project.ok("apply", *allowed)
        assert "data/b.csv" in keys(project)
    project.ok("apply", "--prune", "--delete-data")
    assert "data/b.csv" not in keys(project)
    assert "data/somebody-elses.csv" in keys(project)
    assert project.todo("--prune", "--delete-data") == {}


def test_a_name_that_nobody_gives_is_no_address(project: Project, folder: Path) -> None:
    """Whoever may write there could else put lines of his own into the record. This lab's S3 takes no line break."""
    project.ok("apply")
    odd = "data/x\u2028policy payroll"
    project.lab.client("s3").put_object(Bucket=BUCKET, Key=odd, Body=b"x", Metadata={"reconciler-deploy": "tiny"})
    assert project.todo("--prune", "--delete-data") == {}
    (folder / "a.csv").write_text("another")
    project.ok("apply", "--prune", "--delete-data")
    assert odd in keys(project)
    record = project.lab.client("ssm").get_parameters_by_path(Path="/reconciler/tiny/record")["Parameters"]
    assert not [parameter for parameter in record if "payroll" in parameter["Value"]]


def test_very_much_that_left_is_shown_in_part(project: Project, folder: Path) -> None:
    for n in range(40):
        (folder / f"old{n}.csv").write_text("x")
    project.ok("apply")
    for n in range(40):
        (folder / f"old{n}.csv").unlink()
        (folder / f"new{n}.csv").write_text("x")
    shown, verbose = project.ok("plan").out, project.ok("plan", "--verbose").out
    for line in (".csv: new", "- object"):
        assert 0 < shown.count(line) < 40 == verbose.count(line), line
    assert "more objects; --verbose shows all" in shown
    assert "more files; --verbose shows all" in shown


def test_a_folder_that_left_the_file(project: Project, folder: Path) -> None:
    project.ok("apply")
    project.change("data: data", "data: [data/a.csv]")
    todo = project.todo("--prune", "--delete-data")
    gone = {f"object.{BUCKET}/data/{name}" for name in ("b.csv", "empty", "sub/c d+e.csv", "sub/\u65e5.csv")}
    assert {address for address, action in todo.items() if action == "delete"} == gone
    project.ok("apply", "--prune", "--delete-data")
    assert keys(project) == {"data/a.csv"}
    project.change("data: [data/a.csv]", "data: data")
    project.ok("apply", "--prune", "--delete-data")
    assert len(keys(project)) == 5
    assert project.todo("--prune", "--delete-data") == {}


def test_many_files_are_one_listing(project: Project, folder: Path, requests: Requests) -> None:
    """One listing for each thousand, and no read of a single one; 300 files here."""
    for n in range(300):
        (folder / f"{n}.bin").write_bytes(b"%d" % n)
    project.ok("apply")
    project.lab.zero()
    assert project.todo() == {}
    assert (requests("ListObjectsV2"), requests("HeadObject")) == (1, 0)


def test_an_interrupted_upload_goes_on(project: Project, folder: Path, requests: Requests) -> None:
    project.ok("apply")
    s3 = project.lab.client("s3")
    for name in ("a.csv", "empty"):
        s3.delete_object(Bucket=BUCKET, Key=f"data/{name}")
    project.lab.zero()
    project.ok("apply")
    assert requests("PutObject") == 2


def test_destroy_takes_it(project: Project, folder: Path) -> None:
    project.ok("apply")
    project.ok("destroy", "--yes", "--delete-data")
    assert project.lab.client("s3").list_buckets()["Buckets"] == []
