"""`apply --like RUN`: a run that is what an earlier one was, though image, data, variables and size are others now."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.run.conftest import BUCKET, SLEEPS, Lane, records
from tests.waiting import until, until_printed

# Says what it is made of, and reads its data as a program does that knows nothing of versions.
READS = """\
import os, sys, boto3
s3 = boto3.client("s3", endpoint_url=os.environ.get("AWS_ENDPOINT_URL"))
print("version {n}", os.environ.get("ROUND"), os.environ.get("ETA"), sys.argv[1:])
bucket, prefix = os.environ["S3_BUCKET"], os.environ.get("S3_PREFIX")
keys = [os.environ["S3_KEY"]]
if prefix:
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    keys = sorted(one["Key"] for one in listed)
for key in keys:
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode().split()
    print("data", key.rpartition("/")[2], "|".join(body))
"""


def ok(lane: Lane, *arguments: str) -> str:
    result = lane.run(arguments[0], "--local", *arguments[1:])
    assert result.code == 0, result.out + result.err
    return result.out


def said(out: str) -> list[str]:
    """What the program printed."""
    return [line.removeprefix("  | ") for line in out.splitlines() if line.startswith("  | ")]


def newest(lane: Lane, family: str = "tiny") -> Any:
    return lane.client("ecs").describe_task_definition(taskDefinition=family)["taskDefinition"]


def refused(lane: Lane, why: str, *arguments: str) -> None:
    before = len(lane.tasks())
    result = lane.run("apply", "--local", *arguments)
    assert result.code in (2, 120), result.out + result.err
    assert why in " ".join(result.err.split()), result.err
    assert len(lane.tasks()) == before, "nothing was launched"


@pytest.fixture
def lane(lane: Lane) -> Iterator[Lane]:
    """The project, with its first data afterwards."""
    yield lane
    lane.write("prices.csv", "a,b\n1,2\n3,4\n")
    lane.bare()


@pytest.mark.long
def test_it_is_what_the_run_was(lane: Lane) -> None:
    lane.program(READS.replace("{n}", "1"), deploy="parameters: {ETA: 0.1}\n")
    given = ("--env", "ROUND=1", "--memory", "1024", "--command", "python", "train.py", "x y")
    first_out = said(ok(lane, "apply", *given))
    assert first_out == ["version 1 1 0.1 ['x y']", "data prices.csv a,b|1,2|3,4"]
    first = records(lane)[0]
    # Everything is another by now, and so is a value in AWS.
    lane.write("prices.csv", "a,b\n5,6\n")
    lane.program(READS.replace("{n}", "2"), deploy="parameters: {ETA: 0.1}\nlogs: {stream_prefix: other}\n")
    lane.client("ssm").put_parameter(Name="/tiny/ETA", Value="0.9", Overwrite=True)
    assert said(ok(lane, "apply")) == ["version 2 None 0.9 []", "data prices.csv a,b|5,6"]
    own = newest(lane)

    lane.write("prices.csv", "not uploaded\n")
    lane.write("train.py", "not built\n")
    shown = ok(lane, "apply", "--like", first["id"])
    assert said(shown) == first_out
    assert f"as run {first['id']} was" in shown
    again = records(lane)[0]
    assert (again["like"], again["fingerprint"], again["inputs"]) == (
        first["id"], first["fingerprint"], first["inputs"],
    )  # fmt: skip
    (task,) = [task for task in lane.tasks() if task["startedBy"] == f"{again['id']}-1"]
    assert (task["cpu"], task["memory"]) == ("256", "1024")
    assert task["containers"][0]["imageDigest"] == first["attempts"][0]["image"]
    assert f"like    run {first['id']}, which it repeats" in ok(lane, "runs", "show", again["id"])
    assert ok(lane, "logs", again["id"]).splitlines() == first_out
    assert newest(lane)["revision"] == own["revision"], "neither a plan nor a schedule sees it"
    # Another time, of the repeated one: the same, with the same definition but for its data's place.
    lane.program(READS.replace("{n}", "2"), deploy="parameters: {ETA: 0.1}\nlogs: {stream_prefix: other}\n")
    assert said(ok(lane, "apply", "--like", again["id"])) == first_out
    assert records(lane)[0]["like"] == first["id"], "the first of them"


def test_a_folder_is_as_it_was(lane: Lane) -> None:
    for name, text in (("one.csv", "1"), ("sub/two.csv", "2")):
        (lane.folder / "parts" / name).parent.mkdir(parents=True, exist_ok=True)
        lane.write(f"parts/{name}", text)
    lane.program(READS.replace("{n}", "1"))
    text = (lane.folder / "deploy.yaml").read_text().replace("data: prices.csv", "data: parts/")
    lane.write("deploy.yaml", text)
    assert said(ok(lane, "apply"))[1:] == ["data one.csv 1", "data two.csv 2"]
    first = records(lane)[0]
    # S3 tells seconds, so what is changed in the second of the launch may as well have been there before.
    until(lambda: int(time.time()) > int(first["attempts"][0]["launched"]), "the second after the launch")
    s3 = lane.client("s3")
    s3.delete_object(Bucket=BUCKET, Key="data/parts/sub/two.csv")
    s3.put_object(Bucket=BUCKET, Key="data/parts/three.csv", Body=b"3")
    s3.put_object(Bucket=BUCKET, Key="data/parts/one.csv", Body=b"another")
    assert said(ok(lane, "apply", "--like", first["id"]))[1:] == ["data one.csv 1", "data two.csv 2"]
    # A version that is gone is said.
    versions = s3.list_object_versions(Bucket=BUCKET, Prefix="data/parts/one.csv")["Versions"]
    for version in versions:
        if not version["IsLatest"]:
            s3.delete_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])
    refused(lane, f"the data of run {first['id']} is gone: data/parts/", "--like", first["id"])


def test_what_is_gone_or_hidden_is_said_before_anything_is_done(lane: Lane) -> None:
    lane.program("import os\nprint(os.environ.get('API_TOKEN'))\n")
    ok(lane, "apply", "--env", "API_TOKEN=hunter2hunter2")
    first = records(lane)[0]["id"]
    refused(lane, "was given secrets, which its record doesn't have give them: --env API_TOKEN=…", "--like", first)
    refused(lane, "--env OTHER: --like launches what run", "--like", first, "--env", "OTHER=1", "--env", "API_TOKEN=x")
    refused(lane, "can't be combined with --memory", "--like", first, "--memory", "1024")
    refused(lane, "can't be combined with --prune", "--like", first, "--prune")
    refused(lane, "there is no run nonsense", "--like", "nonsense")
    shown = ok(lane, "apply", "--like", first, "--env", "API_TOKEN=hunter2hunter2")
    again = records(lane)[0]
    assert again["fingerprint"] == records(lane)[1]["fingerprint"]
    assert "hunter2" not in shown + json.dumps(again) + json.dumps(newest(lane, "tiny-again")["containerDefinitions"])
    (task,) = [task for task in lane.tasks() if task["startedBy"] == f"{again['id']}-1"]
    given = {
        variable["name"]: variable["value"] for variable in task["overrides"]["containerOverrides"][0]["environment"]
    }
    assert given["API_TOKEN"] == "hunter2hunter2"

    # Its data is another, and no variable says where it is.
    lane.write("prices.csv", "a,b\n7,8\n")
    lane.program("print('two')\n")
    text = (lane.folder / "deploy.yaml").read_text()
    lane.write("deploy.yaml", text.replace("task:\n", "task:\n  environment: {S3_KEY: ''}\n"))
    ok(lane, "apply")
    hidden = records(lane)[0]["id"]
    lane.write("prices.csv", "a,b\n9,9\n")
    ok(lane, "apply")
    why = f"data/prices.csv has changed since run {hidden}, and no variable of the run names it"
    refused(lane, why, "--like", hidden)
    # Its role may read no copy of it.
    lane.write("deploy.yaml", text.replace("task:\n", "task:\n  role: {read: [data/*]}\n"))
    ok(lane, "apply", "--skip-run")
    with_role = ("--like", first, "--env", "API_TOKEN=hunter2hunter2")
    refused(lane, "add runs/*/input/output/* to task.role.read ([data/*, runs/*/input/output/*])", *with_role)
    # Its image is gone.
    digest = records(lane)[-1]["attempts"][0]["image"]
    lane.client("ecr").batch_delete_image(repositoryName="tiny", imageIds=[{"imageDigest": digest}])
    refused(lane, f"the image of run {first} isn't in ECR any more", *with_role)


def test_one_that_was_left_is_come_back_to_with_its_own_definition(lane: Lane) -> None:
    lane.program(SLEEPS)
    started = lane.start("apply", "--local", "--env", "ROUND=1", "--on-interrupt", "stop")
    until_printed(started, "begun")
    started.terminate()
    started.wait()
    first = records(lane)[0]
    lane.run("watch", first["id"], "--local")
    lane.program("print('another')\n")
    ok(lane, "apply", "--skip-run")
    # A deregistered definition is registered again.
    lane.client("ecs").deregister_task_definition(taskDefinition=first["task_definition"])
    left = lane.start("apply", "--local", "--like", first["id"], "--on-interrupt", "detach")
    until_printed(left, "begun")
    left.terminate()
    left.wait()
    again = records(lane)[0]
    assert again["like"] == first["id"]
    assert again["task_definition"].endswith(f"tiny-again:{newest(lane, 'tiny-again')['revision']}")
    back = lane.start("apply", "--local", "--like", first["id"], "--on-interrupt", "stop")
    until_printed(back, f"Following run {again['id']}")
    until_printed(back, "  task ")  # it has given back the lock, which the next command would wait for
    back.kill()
    back.wait()
    stopped = lane.run("stop", again["id"], "--local")
    assert "is being stopped" in stopped.out
    assert lane.run("watch", again["id"], "--local").code == 123
    assert len([run for run in records(lane) if run["like"]]) == 1
