"""`rollback`: the schedule and the service use what an earlier run was, until an apply changes it or it is undone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.test_json import holds
from tests.run.conftest import BUCKET, Lane, records
from tests.run.ears import SCHEDULE
from tests.waiting import until

SERVES = "import os, time\nprint('version {n}', flush=True)\n'RUN_ID' in os.environ or time.sleep(600)\n"
DEPLOY = SCHEDULE + "service: {desired_count: 1}\nrun: {when: changed}\n"


@pytest.fixture
def lane(lane: Lane) -> Iterator[Lane]:
    """The project, with neither schedule nor service afterwards."""
    yield lane
    lane.bare()


def version(lane: Lane, number: int, memory: int, more: str = "", task: str = "") -> None:
    """Write this version of the program, with a size of its own. task: a line of that section."""
    lane.program(SERVES.format(n=number), deploy=DEPLOY + more)
    text = (lane.folder / "deploy.yaml").read_text()
    lane.write("deploy.yaml", text.replace("memory: 512", f"memory: {memory}\n  {task}"))


def newest(lane: Lane) -> Any:
    """The newest revision, with its tags."""
    answer = lane.client("ecs").describe_task_definition(taskDefinition="tiny", include=["TAGS"])
    tags = {tag["key"]: tag["value"] for tag in answer["tags"]}
    return answer["taskDefinition"] | {"tags": tags}


def served(lane: Lane) -> str:
    """The revision that the service uses."""
    service = lane.client("ecs").describe_services(cluster="tiny", services=["tiny"])["services"][0]
    return str(service["taskDefinition"])


def ok(lane: Lane, *arguments: str) -> str:
    result = lane.run(*arguments, "--local")
    assert result.code == 0, result.out + result.err
    return result.out


def image(revision: Any) -> str:
    return str(revision["containerDefinitions"][0]["image"])


def marks(ecr: Any, revision: Any) -> list[str]:
    """The tags that say that a revision's image is in use."""
    kept = [{"imageDigest": image(revision).partition("@")[2]}]
    (details,) = ecr.describe_images(repositoryName="tiny", imageIds=kept)["imageDetails"]
    return [tag for tag in details["imageTags"] if tag.startswith("in-use-")]


def says_what_is_held_back(lane: Lane, run_id: str, revision: int) -> None:
    """The plan has nothing to do, and says what is held back by what; so does status."""
    plan = json.loads(ok(lane, "plan", "--detailed-exitcode", "--json"))
    (step,) = [step for step in plan["steps"] if step["kind"] == "task-definition"]
    assert (step["action"], step["changes"]) == ("none", [])
    assert step["note"].startswith(f"rolled back to run {run_id}, which holds back revision {revision} until")
    assert f"rolled back to run {run_id}" in " ".join(ok(lane, "status").split())


def is_todays(back: Any, old: Any, own: Any) -> None:
    """The program, its variables and size are the run's; the container's name, the log and the roles are today's."""
    (box,), (todays,) = back["containerDefinitions"], own["containerDefinitions"]
    assert (box["name"], box["logConfiguration"]) == ("trainer", todays["logConfiguration"])
    assert (back["memory"], box["environment"]) == ("512", old["containerDefinitions"][0]["environment"])


def test_it_holds_until_an_apply_changes_it_or_it_is_undone(lane: Lane) -> None:
    version(lane, 1, 512)
    ok(lane, "apply")
    first, old = records(lane)[0]["id"], newest(lane)
    version(lane, 2, 1024, "logs: {stream_prefix: later}\n", task="container: trainer")
    ok(lane, "apply")
    second, own = records(lane)[0]["id"], newest(lane)
    assert image(own) != image(old)

    # The run that has the file's own definition: there is nothing to do.
    same = lane.run("rollback", second, "--local")
    assert (same.code, f"run {second} was launched with the file's own definition" in same.err) == (0, True), same.err
    assert "Nothing is rolled back" in same.out
    assert newest(lane) == own
    assert "rolled back" not in ok(lane, "plan")

    ecr = lane.client("ecr")
    ecr.batch_delete_image(repositoryName="tiny", imageIds=[{"imageTag": tag} for tag in marks(ecr, old)])
    shown = ok(lane, "rollback")
    assert [tag for tag in marks(ecr, old) if tag.startswith("in-use-tiny-")], "it may be the oldest by now"
    assert f"Rolled back: the schedule and the service use what run {first} was" in " ".join(shown.split())
    back = newest(lane)
    assert (image(back), back["tags"]["reconciler:rollback"]) == (image(old), f"{first} {own['revision']}")
    assert served(lane) == back["taskDefinitionArn"]
    is_todays(back, old, own)
    assert "Nothing to change" in ok(lane, "rollback", first), "a second time nothing is done"
    assert newest(lane)["revision"] == back["revision"]

    says_what_is_held_back(lane, first, own["revision"])

    # An apply that changes nothing leaves it, and launches what the file says.
    assert "Nothing to run" in ok(lane, "apply")
    assert "  | version 2" in ok(lane, "apply", "--env", "ROUND=1")
    assert newest(lane)["revision"] == back["revision"]

    # What the schedule launches is the earlier.
    lane.control("POST", "schedules/default/tiny-schedule")
    over = until(lambda: [run for run in records(lane) if run["schedule"] and run["exit_code"] == 0], "its end")[0]
    assert over["task_definition"] == back["taskDefinitionArn"]
    assert (over["inputs"]["memory"], ok(lane, "logs", over["id"])) == (512, "version 1\n")

    shown = ok(lane, "rollback", second)  # as --undo does
    assert "Nothing is rolled back" in shown
    assert (image(newest(lane)), "reconciler:rollback" in newest(lane)["tags"]) == (image(own), False)
    assert served(lane) == newest(lane)["taskDefinitionArn"]
    undone = holds("rollback", ok(lane, "rollback", "--undo", "--json"))
    assert (undone["run"], undone["done"]) == (None, [])
    assert "rolled back" not in ok(lane, "plan")

    # An apply that changes the definition ends it.
    assert holds("rollback", ok(lane, "rollback", first, "--json"))["run"] == first
    ok(lane, "apply", "--skip-run", "--skip-image")  # which keeps the file's own image
    assert newest(lane)["tags"]["reconciler:rollback"].startswith(first)
    version(lane, 2, 1024, "logs: {stream_prefix: other}\n", task="container: trainer")
    shown = ok(lane, "plan")
    assert "~ task-definition" in shown
    assert f"rolled back to run {first}" in " ".join(shown.split())
    ok(lane, "apply", "--skip-run")
    assert "reconciler:rollback" not in newest(lane)["tags"]
    assert image(newest(lane)) == image(own), "which the file's own program is"


def test_what_cannot_be_rolled_back_is_said_and_nothing_is_done(lane: Lane) -> None:
    lane.program("print('one')\n", deploy=SCHEDULE)
    ok(lane, "apply")
    before = newest(lane)["revision"]
    first = records(lane)[0]["id"]

    def refused(why: str, *arguments: str) -> None:
        result = lane.run("rollback", *arguments, "--local")
        assert result.code == 2, result.out + result.err
        assert why in " ".join(result.err.split()), result.err

    refused("none of the newest 200 runs has succeeded with another definition")
    refused("there is no run nonsense", "nonsense")
    refused("--undo takes no run", first, "--undo")
    for name, why in (
        ("", "doesn't say with which task definition"),
        ("tiny", "doesn't say with which task definition"),
        ("arn:aws:ecs:us-east-1:123456789012:task-definition/other:1", "is no revision of tiny"),
        ("arn:aws:ecs:us-east-1:210987654321:task-definition/tiny:1", "is no revision of tiny"),
        ("arn:aws:ecs:us-east-1:123456789012:task-definition/tiny:1/../2", "is no revision of tiny"),
        ("arn:aws:ecs:us-east-1:123456789012:task-definition/tiny:9999", "tiny:9999, which was deleted from ECS"),
    ):
        lane.recorded(lambda run, name=name: run.update(task_definition=name))  # type: ignore[misc]
        refused(why, first)
    lane.recorded(lambda run: run.update(task_definition=newest(lane)["taskDefinitionArn"]))
    ecr, digest = lane.client("ecr"), image(newest(lane)).partition("@")[2]
    ecr.batch_delete_image(repositoryName="tiny", imageIds=[{"imageDigest": digest}])
    refused(f"the image of run {first} isn't in ECR any more", first)
    assert newest(lane)["revision"] == before
    lane.program("print('one')\n")
    refused("neither a schedule nor a service is in the file", first)
    lane.client("s3").delete_object(Bucket=BUCKET, Key=f"runs/{first}/run.json")
