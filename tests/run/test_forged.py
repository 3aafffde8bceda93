"""What a training program, or whoever can write to the bucket, may put there: records, results and metrics.

Real commands against the embedded AWS. The programs run with the task's own role; what they may not write is put there
by boto3, as a program with a wider right could.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.run_paths import fingerprint_key, record_key
from tests.folder import Result
from tests.run.conftest import BUCKET, SLEEPS, Lane, records
from tests.waiting import until

GOOD = "print('trained')\n"


def put(lane: Lane, key: str, body: object) -> None:
    """An object in the bucket, as JSON unless it is bytes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lane.client("s3").put_object(Bucket=BUCKET, Key=key, Body=raw)


def trained(lane: Lane, program: str, deploy: str = "") -> dict[str, Any]:
    """The record of a run that has ended well."""
    lane.program(program, deploy=deploy)
    ended = lane.run("apply", "--local")
    assert ended.code == 0, ended.out + ended.err
    record: dict[str, Any] = records(lane)[0]
    return record


def strict(text: str) -> Any:
    """JSON as every reader takes it."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


def everything(folder: Path) -> dict[str, bytes]:
    """All files below a folder, but for those of the embedded AWS."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".reconciler/local" not in str(path)
    }


def test_the_tasks_role_writes_results_and_no_record(lane: Lane) -> None:
    program = """\
import boto3, os
s3, bucket = boto3.client('s3'), os.environ['S3_BUCKET']
mine = os.environ['OUTPUT_URI'].removeprefix(f's3://{bucket}/')
run = mine.split('/')[1]
s3.put_object(Bucket=bucket, Key=f'{mine}/deep/result.txt', Body=b'x')
fingerprint = '0' * 64
for key in (f'runs/{run}/run.json', f'runs/{run}/notified.json', f'runs/fingerprints/{fingerprint}.json', 'prices.csv',
            'runs/x/run.json', f'runs/{run}/output', f'runs/{run}/outputs/x'):
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=b'forged')
        print('WROTE', key)
    except Exception as error:
        assert 'AccessDenied' in str(error), error
for call in (lambda: s3.get_object(Bucket=bucket, Key=f'runs/{run}/run.json'),
             lambda: s3.delete_object(Bucket=bucket, Key=f'runs/{run}/run.json'),
             lambda: s3.list_objects_v2(Bucket=bucket, Prefix='runs/')):
    try:
        print('MAY', call())
    except Exception as error:
        assert 'AccessDenied' in str(error), error
print('tried')
"""
    lane.program(program)
    ended = lane.run("apply", "--local")
    assert ended.code == 0, ended.out + ended.err
    assert "WROTE" not in ended.out
    assert "MAY" not in ended.out
    assert "warning" not in ended.err
    assert len(records(lane)) == 1
    (result,) = (lane.folder / "results").glob("*/deep/result.txt")
    assert result.read_text() == "x"


def test_a_wider_right_works_and_is_warned_of(lane: Lane) -> None:
    wide = "  role: {write: [runs/*]}\n"
    lane.program("# wide\n" + GOOD, deploy=wide)
    planned = lane.run("plan", "--local")
    assert planned.code == 0
    assert "warning: the file lets the program write the records of runs" in planned.err
    assert "task.role.write: [runs/*/output/*]" in planned.err
    ended = lane.run("apply", "--local")
    assert ended.code == 0
    assert "warning: the file lets the program write the records of runs" in ended.err
    lane.program("# wide\n" + GOOD)
    assert "warning" not in lane.run("plan", "--local").err


@pytest.mark.share(3)
@pytest.mark.parametrize("bad", ["/home/u/.ssh", "a/../../.git", "../../{home}/.ssh"])
def test_an_id_in_a_record_is_never_a_path(lane: Lane, bad: str, tmp_path: Path) -> None:
    """The record of the fingerprint names an id that leads elsewhere, and there are results for it."""
    home = tmp_path / "home"
    home.mkdir()
    bad = bad.format(home=os.path.relpath(home, lane.folder)).replace("/home/u", str(home))
    good = trained(lane, f"# {bad!r}\n" + GOOD)
    forged = {**good, "id": bad}
    put(lane, fingerprint_key(good["fingerprint"]), forged)
    put(lane, record_key(good["id"]), forged)
    for name in ("authorized_keys", "config"):
        put(lane, f"runs/{bad}/output/{name}", b"[core]\n\tfsmonitor = touch pwned\n")
    before = everything(lane.folder)
    for words in ("apply", "watch", "runs", "runs show", "logs", "stop", "diagnose", "status", "plan"):
        ended = lane.run(*words.split(), "--local")
        assert "unexpected" not in ended.err, (words, ended.err)
    assert everything(lane.folder) == before
    assert list(home.iterdir()) == []
    assert not (lane.folder.parent / ".git").exists()


def refused(ended: Result, code: int, *texts: str) -> None:
    """A command that did nothing, and says why."""
    assert ended.code == code, ended.out + ended.err
    for text in texts:
        assert text in ended.err, ended.err


def test_a_record_that_cannot_be_read_is_said_and_nothing_is_trained_again(lane: Lane) -> None:
    good = trained(lane, "# unreadable\n" + GOOD)
    newest, own = fingerprint_key(good["fingerprint"]), record_key(good["id"])
    count = len(lane.tasks())
    put(lane, newest, {**good, "created": 1e300})
    # The run's own record says it all.
    ended = lane.run("apply", "--local")
    assert ended.code == 0
    assert f"the record '{newest}' can't be read: its created is no number from 0 to 4.1" in ended.err
    assert f"run {good['id']} has the same inputs" in ended.err
    assert f"Nothing to run: run {good['id']} with the same inputs succeeded." in ended.out
    # Nothing does: nobody knows whether it was trained.
    put(lane, own, b"[" * 100_000 + b"]" * 100_000)
    refused(lane.run("apply", "--local"), 120, f"error: the record '{newest}' can't be read", "aws s3 rm s3://")
    told = strict(lane.run("apply", "--local", "--json").out)
    assert (told["exit_code"], told["verdict"]["result"]) == (120, "tool-failed")
    listed = lane.run("runs", "--local", "--json")
    assert strict(listed.out) == {
        "version": 1, "runs": [], "unreadable": [{"key": own, "why": "it is nested deeper than 100 levels"}],
    }  # fmt: skip
    for words in ("runs", "status"):
        ended = lane.run(*words.split(), "--local")
        assert ended.code == 0
        assert f"the record '{own}' can't be read: it is nested deeper than 100 levels" in ended.err
    for words in ("runs show", "watch", "logs", "stop", "diagnose"):
        refused(lane.run(*words.split(), good["id"], "--local"), 120 if words == "watch" else 1, own, "can't be read")
        refused(lane.run(*words.split(), good["id"][-8:], "--local"), 120 if words == "watch" else 1, own)
    assert len(lane.tasks()) == count, "nothing was launched"
    # As the hint says.
    lane.client("s3").delete_object(Bucket=BUCKET, Key=newest)
    assert lane.run("apply", "--local").code == 0
    assert len(lane.tasks()) == count + 1


def test_old_times_break_nothing(lane: Lane) -> None:
    good = trained(lane, "# times\n" + GOOD)
    other = "20250101-000000-" + good["fingerprint"][:8]
    moved: list[Mapping[str, Any]] = [
        {**good, "id": other, "created": 1e300},
        {**good, "id": other, "attempts": [{**good["attempts"][0], "token": f"{other}-1", "stopped": 1e18}]},
    ]
    for record in moved:
        put(lane, record_key(other), record)
        for words in ("runs", "status", "runs best x"):
            ended = lane.run(*words.split(), "--local")
            assert f"the record '{record_key(other)}' can't be read" in ended.err
            assert "unexpected" not in ended.err
        assert good["id"] in lane.run("runs", "--local").out


@pytest.fixture
def other_task(lane: Lane) -> str:
    """A task in this cluster that is another deploy's: of another task definition, and launched by somebody else."""
    ecs = lane.client("ecs")
    lane.program("# other\n" + SLEEPS)
    assert lane.run("apply", "--local", "--skip-run").code == 0
    ours = ecs.describe_task_definition(taskDefinition="tiny")["taskDefinition"]
    kept = ("containerDefinitions", "executionRoleArn", "taskRoleArn", "cpu", "memory", "networkMode")
    made = ecs.register_task_definition(
        family="prod", requiresCompatibilities=["FARGATE"], **{key: ours[key] for key in kept}
    )["taskDefinition"]
    subnets = [subnet["SubnetId"] for subnet in lane.client("ec2").describe_subnets()["Subnets"]][:1]
    (task,) = ecs.run_task(
        cluster="tiny", taskDefinition=made["taskDefinitionArn"], launchType="FARGATE", startedBy="somebody",
        networkConfiguration={"awsvpcConfiguration": {"subnets": subnets, "assignPublicIp": "ENABLED"}},
    )["tasks"]  # fmt: skip
    return str(task["taskArn"])


def test_a_forged_record_stops_and_reads_nothing_of_another_deploy(lane: Lane, other_task: str) -> None:
    good = trained(lane, "# mine\n" + GOOD)
    other = "20250101-000000-" + good["fingerprint"][:8]
    attempt = {**good["attempts"][0], "token": f"{other}-1", "task_arn": other_task, "event": None, "stopped": None}
    forged = {**good, "id": other, "state": "running", "attempts": [attempt], "exit_code": None}
    logs = lane.client("logs")
    logs.create_log_group(logGroupName="/ecs/prod")
    stream = f"ecs/main/{other_task.rpartition('/')[2]}"
    logs.create_log_stream(logGroupName="/ecs/prod", logStreamName=stream)
    logs.put_log_events(
        logGroupName="/ecs/prod", logStreamName=stream, logEvents=[{"timestamp": 1, "message": "their secret"}]
    )
    try:
        for change in ({}, {"cluster": "prod"}, {"log_group": "/ecs/prod"}, {"container": "else", "log_prefix": "x"}):
            put(lane, record_key(other), {**forged, **change})
            put(lane, fingerprint_key(good["fingerprint"]), {**forged, **change})
            stopped = lane.run("stop", other, "--local")
            refused(stopped, 1, "it has another task definition than tiny, another cluster than tiny")
            refused(lane.run("watch", other, "--local"), 121, "it has another task definition than tiny")
            refused(lane.run("apply", "--local"), 121, "it has another task definition than tiny")
            assert lane.run("logs", "-f", other, "--local").code == 1
            for words in ("logs", "runs show", "diagnose", "status", "runs"):
                ended = lane.run(
                    *words.split(), *([other] if words in ("logs", "runs show", "diagnose") else []), "--local"
                )
                assert "their secret" not in ended.out + ended.err
                assert "unexpected" not in ended.err
        arn = other_task.replace(":task/tiny/", ":task/prod/")
        put(lane, record_key(other), {**forged, "attempts": [{**attempt, "task_arn": arn}]})
        refused(lane.run("stop", other, "--local"), 1, "it has another task definition than tiny")
        assert [task["taskArn"] for task in lane.tasks("RUNNING") if task["desiredStatus"] == "RUNNING"] == [other_task]
        put(lane, record_key(other), {**forged, "state": "stopping"})
        put(lane, fingerprint_key(good["fingerprint"]), {**forged, "state": "stopping"})
        refused(lane.run("apply", "--local"), 120, "it has another task definition than tiny")
        assert [task["taskArn"] for task in lane.tasks("RUNNING") if task["desiredStatus"] == "RUNNING"] == [other_task]
    finally:
        logs.delete_log_group(logGroupName="/ecs/prod")
        lane.client("ecs").stop_task(cluster="tiny", task=other_task)
        until(lambda: not lane.tasks("RUNNING"), "its end")


def test_what_is_launched_again_is_what_the_command_says(lane: Lane) -> None:
    """A record that was written before its launch, with a command, variables and a place of somebody's choice."""
    good = trained(lane, "import os\nprint('evil', os.environ.get('EVIL'), os.environ['OUTPUT_URI'])\n")
    lane.client("s3").delete_object(Bucket=BUCKET, Key=record_key(good["id"]))
    forged = {
        **good, "state": "launching", "exit_code": None, "output": "s3://elsewhere/x", "cluster": "prod",
        "attempts": [{**good["attempts"][0], "event": "error", "exit_code": 1}],
        "overrides": {"environment": {"EVIL": "1"}, "command": ["python", "-c", "print('evil')"], "cpu": 4096},
    }  # fmt: skip
    other = "20250101-000000-" + good["fingerprint"][:8]
    waiting = {"number": 1, "provider": "elsewhere", "token": f"{other}-1", "launched": 4e9}
    put(lane, fingerprint_key(good["fingerprint"]), {**forged, "id": other, "attempts": [waiting]})
    ended = lane.run("apply", "--local")
    assert ended.code == 0, ended.out + ended.err
    assert f"Following run {other}" in ended.out
    assert f"| evil None s3://{BUCKET}/runs/{other}/output\n" in ended.out
    task = max(lane.tasks(), key=lambda task: task["createdAt"])
    (override,) = task["overrides"]["containerOverrides"]
    assert "command" not in override
    assert task["capacityProviderName"] == "FARGATE"
    assert task["cpu"] == "256"


def test_watch_launches_nothing_that_only_a_record_tells_of(lane: Lane) -> None:
    lane.program("print('ENOSPC')\nraise SystemExit(75)\n# retried\n", deploy="run:\n  retry: {error: 1, backoff: 0}\n")
    assert lane.run("apply", "--local", "--env", "A=1").code == 75
    good = records(lane)[0]
    first = {**good["attempts"][0], "task_arn": good["attempts"][0]["task_arn"].rpartition("/")[0] + "/" + "0" * 32}
    evil = {"environment": {"EVIL": "1"}, "command": ["python", "-c", "print('evil')"]}
    put(lane, record_key(good["id"]), {**good, "state": "running", "attempts": [first], "overrides": evil})
    count = len(lane.tasks())
    refused(lane.run("watch", good["id"], "--local"), 121, "its options are only in its record", "run `apply`")
    assert len(lane.tasks()) == count
    # ECS still knows the task, and with what it was launched.
    put(
        lane, record_key(good["id"]), {**good, "state": "running", "attempts": [good["attempts"][0]], "overrides": evil}
    )
    assert lane.run("watch", good["id"], "--local").code == 75
    task = max(lane.tasks(), key=lambda task: task["createdAt"])
    (override,) = task["overrides"]["containerOverrides"]
    assert "command" not in override
    assert {"name": "A", "value": "1"} in override["environment"]
    assert "EVIL" not in json.dumps(override)


WRITES = """\
import boto3, json, os
print('writes', flush=True)
bucket, _, prefix = os.environ['OUTPUT_URI'].removeprefix('s3://').partition('/')
def put(key, body):
    boto3.client('s3').put_object(Bucket=bucket, Key=f'{prefix}/{key}', Body=body)
"""


@pytest.mark.share(4)
@pytest.mark.parametrize(
    ("body", "metrics", "message"),
    [
        ("json.dumps({'metrics': {'rmse': 0.5, 'val_loss': float('nan')}}).encode()", {"rmse": 0.5}, "'val_loss' left"),
        ("json.dumps({'metrics': {'n': 10**400}}).encode()", {}, "'n' left out"),
        ("b'[' * 100_000 + b']' * 100_000", {}, "nested deeper than 100 levels"),
        ("b'{\"a\": 1' + b' ' * 2_000_000 + b'}'", {}, "more than 1,048,576 bytes"),
    ],
)
def test_metrics_that_are_no_numbers_are_left_out_and_the_run_is_known(
    lane: Lane, body: str, metrics: dict[str, float], message: str
) -> None:
    lane.program(f"{WRITES}put('metrics.json', {body})\n")
    ended = lane.run("apply", "--local")
    assert ended.code == 0, ended.out + ended.err
    assert ended.err.count(message) == 1
    again = lane.run("apply", "--local", "--json")
    assert again.code == 0
    report = strict(again.out)
    assert report["verdict"]["result"] == "nothing-to-run"
    assert report["run"]["metrics"] == metrics
    assert strict(lane.run("runs", "--local", "--json").out)["runs"][0]["metrics"] == metrics
    assert lane.run("runs", "--local").err == ""


def test_metrics_that_cannot_be_read_are_left_out_and_the_run_is_known(lane: Lane) -> None:
    archived = "boto3.client('s3').put_object(Bucket=bucket, Key=f'{prefix}/metrics.json', StorageClass='GLACIER')\n"
    lane.program(WRITES + archived)
    ended = lane.run("apply", "--local")
    assert ended.code == 0, ended.out + ended.err
    assert "metrics.json is left out: s3:GetObject failed: InvalidObjectState" in ended.err
    assert lane.run("apply", "--local").out.count("Nothing to run") == 1


def test_results_that_cannot_be_copied_are_named(lane: Lane) -> None:
    lane.program(f"{WRITES}for key in ('model', 'model/part-0', 'zz-last.txt'):\n    put(key, key.encode())\n")
    ended = lane.run("apply", "--local")
    assert ended.code == 0
    run_id = records(lane)[0]["id"]
    assert "not copied: 'model/part-0': 'model' is no folder\n" in ended.err
    assert f"  copied   2 of 3 to results/{run_id}\n" in ended.out
    assert (lane.folder / "results" / run_id / "zz-last.txt").read_text() == "zz-last.txt"
    assert f"copied   results/{run_id}, not all of it: NOT-COPIED.txt" in lane.run("apply", "--local").out


@pytest.mark.share(5)
@pytest.mark.parametrize("bad", ["../x", "/etc", "a b", "20260101-000000-aaaaaaaa/../x", "x" * 2000])
def test_a_run_on_the_command_line_that_is_none(lane: Lane, bad: str) -> None:
    trained(lane, "# none\n" + GOOD)
    for words in ("runs show", "logs", "stop", "watch", "diagnose"):
        ended = lane.run(*words.split(), bad, "--local")
        refused(ended, 2, "there is no run")
