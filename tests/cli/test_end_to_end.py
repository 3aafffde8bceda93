"""The whole job through the commands: real requests to the embedded AWS, a real process as the task."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from reconciler.local import status
from tests.cli.conftest import Project
from tests.lab_client import ROOT
from tests.local_fixtures import EmbeddedAws
from tests.waiting import LONG, children_work, until_printed


def client(project: Project, service: str) -> Any:
    running = status(project.home)
    assert running is not None
    return EmbeddedAws(running).client(service)


def test_apply_runs_the_task_and_the_second_apply_does_nothing(own_project: Project) -> None:
    first = own_project.run("apply", "--local")
    assert first.code == 0, first.out + first.err
    lines = first.out.splitlines()
    assert "+ bucket           tiny-data-123456789012" in lines
    assert "Plan: 11 to create." in lines
    assert any(line.startswith("  + task-definition  tiny  ") and line.endswith(" s") for line in lines)
    assert [line for line in lines if line.startswith("  | ")] == ["  | hello from the task", "  | read 3 rows"]
    assert any(line.startswith("Run ") and line.endswith("exit code 0.") for line in lines)
    assert any(line.split() == ["rows", "3"] for line in lines)
    copied = next(line.split()[1] for line in lines if line.startswith("  copied"))
    assert (own_project.folder / copied / "report.html").read_text() == "<p>report</p>"
    assert f"  report   {copied}/report.html" in lines

    tasks = client(own_project, "ecs").list_tasks(cluster="tiny", desiredStatus="STOPPED")["taskArns"]
    with children_work() as worked:
        again = subprocess.run(
            [sys.executable, "-m", "reconciler", "apply", "--local"],
            cwd=own_project.folder,
            capture_output=True,
            text=True,
        )
    assert worked.seconds < 2
    assert again.returncode == 0, again.stderr
    assert "Nothing to change: 11 resources are as the file says." in again.stdout
    assert "Nothing to run: run " in again.stdout
    assert client(own_project, "ecs").list_tasks(cluster="tiny", desiredStatus="STOPPED")["taskArns"] == tasks


def test_a_reader_that_goes_away_hears_of_the_task(project: Project) -> None:
    project.write("train.py", "import time\nfor n in range(600):\n    print(n, flush=True)\n    time.sleep(0.05)\n")
    command = [sys.executable, "-m", "reconciler", "apply", "--local"]
    apply = subprocess.Popen(command, cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert apply.stdout is not None
    assert apply.stderr is not None
    for line in apply.stdout:
        if line.startswith("  | "):
            break
    apply.stdout.close()
    assert apply.wait(LONG) == 141
    told = apply.stderr.read()
    apply.stderr.close()
    (task,) = client(project, "ecs").list_tasks(cluster="tiny", desiredStatus="RUNNING")["taskArns"]
    run = re.search(r"run (\S+) continues\nfollow it again: python -m reconciler watch \1 --local", told)
    assert run is not None, told
    assert project.run("stop", run[1], "--local").code == 0
    assert client(project, "ecs").describe_tasks(cluster="tiny", tasks=[task])["tasks"][0]["desiredStatus"] == "STOPPED"


def test_a_failing_program_ends_apply_with_its_exit_code(project: Project) -> None:
    project.write("deploy.yaml", (project.folder / "deploy.yaml").read_text() + "\n".join(["", ""]))
    project.write("train.py", "import sys\nfor n in range(3): print('line', n)\nsys.exit(37)\n")
    ended = project.run("apply", "--local")
    assert ended.code == 37
    assert "  | line 2" in ended.out
    assert "failed" in ended.out
    assert "exit code 37." in ended.out
    # What failed is run again, since no run with these inputs succeeded.
    again = project.run("apply", "--local")
    assert again.code == 37
    assert "with the same inputs failed" in again.out


def test_a_quiet_apply_shows_the_last_lines_of_a_failure(project: Project) -> None:
    project.write("train.py", "import sys\nfor n in range(30): print('line', n)\nsys.exit(5)\n")
    ended = project.run("apply", "--local", "--quiet")
    assert ended.code == 5
    shown = [line for line in ended.out.splitlines() if line.startswith("  | ")]
    assert shown == [f"  | line {n}" for n in range(10, 30)]


def test_plan_changes_nothing(project: Project) -> None:
    first = project.run("plan", "--local")
    assert first.code == 0
    assert "Plan: 11 to create." in first.out
    assert project.run("plan", "--local", "--detailed-exitcode").code == 2
    iam = client(project, "iam")
    assert iam.list_roles()["Roles"] == []
    assert client(project, "s3").list_buckets()["Buckets"] == []
    assert client(project, "ssm").describe_parameters()["Parameters"] == []
    assert not (project.folder / "results").exists()


def test_plan_as_json(project: Project) -> None:
    assert project.run("apply", "--local", "--skip-run", "--skip-image").code == 0
    client(project, "logs").put_retention_policy(logGroupName="/ecs/tiny", retentionInDays=7)
    planned = project.run("plan", "--local", "--skip-image", "--json")
    answer = json.loads(planned.out)
    assert answer["version"] == 1
    assert answer["summary"] == {"create": 0, "update": 1, "replace": 0, "delete": 0, "adopt": 0, "none": 9}
    (step,) = [step for step in answer["steps"] if step["action"] != "none"]
    assert step == {
        "action": "update",
        "kind": "log-group",
        "name": "/ecs/tiny",
        "changes": [{"path": "retention_in_days", "from": 7, "to": 1}],
    }


def test_skip_image_and_skip_run_do_the_resources_alone(project: Project) -> None:
    ended = project.run("apply", "--local", "--skip-image", "--skip-run")
    assert ended.code == 0, ended.err
    assert "image " not in ended.out
    assert client(project, "ecs").list_tasks(cluster="tiny")["taskArns"] == []
    assert project.run("plan", "--local", "--skip-image", "--detailed-exitcode").code == 0


def test_an_apply_that_skips_the_image_leaves_it_and_runs_nothing_again(project: Project) -> None:
    assert project.run("apply", "--local").code == 0
    ended = project.run("apply", "--local", "--skip-image")
    assert ended.code == 0, ended.err
    assert "Nothing to change: 10 resources are as the file says." in ended.out
    assert "Nothing to run: run " in ended.out
    # A change of something else keeps the image in the record, so that it isn't forgotten.
    project.write("deploy.yaml", (project.folder / "deploy.yaml").read_text().replace("days: 1", "days: 3"))
    assert project.run("apply", "--local", "--skip-image").code == 0
    assert project.run("apply", "--local", "--target", "log-group./ecs/tiny").code == 0
    record = client(project, "ssm").get_parameters_by_path(Path="/reconciler/tiny/record")["Parameters"]
    lines = "".join(parameter["Value"] for parameter in record).splitlines()
    assert len(lines) == 11
    assert "image tiny" in lines


def test_a_changed_file_is_named_and_run(project: Project) -> None:
    assert project.run("apply", "--local").code == 0
    project.write("train.py", (project.folder / "train.py").read_text().replace("hello", "good morning"))
    planned = project.run("plan", "--local")
    assert "image changed: these files" in planned.out
    assert "~ train.py" in planned.out
    ended = project.run("apply", "--local")
    assert ended.code == 0
    assert "  | good morning from the task" in ended.out


def test_destroy_keeps_data_unless_told(project: Project) -> None:
    assert project.run("apply", "--local", "--skip-run").code == 0
    unasked = project.run("destroy", "--local")
    assert unasked.code == 2
    assert "pass --yes" in unasked.err
    assert project.run("destroy", "--local", "--yes").code == 0
    s3 = client(project, "s3")
    assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["tiny-data-123456789012"]
    assert client(project, "iam").list_roles()["Roles"] == []
    assert project.run("destroy", "--local", "--yes", "--delete-data").code == 0
    assert s3.list_buckets()["Buckets"] == []
    assert client(project, "ecr").describe_repositories()["repositories"] == []
    left = client(project, "ssm").describe_parameters()["Parameters"]
    assert left == []
    assert "Nothing to destroy" in project.run("destroy", "--local", "--yes").out


def test_status_in_one_screen(project: Project) -> None:
    assert project.run("apply", "--local").code == 0
    shown = project.run("status", "--local")
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert len(lines) < 24
    assert sum(line.startswith("  ok ") for line in lines) == 11
    assert any("succeeded" in line and "exit 0" in line for line in lines)
    answer = json.loads(project.run("status", "--local", "--json").out)
    assert answer["runs"][0]["metrics"] == {"rows": 3.0}


def test_a_bad_file_touches_nothing(own_project: Project) -> None:
    own_project.write("deploy.yaml", "name: tiny\nregoin: us-east-1\ndata: missing.csv\n")
    ended = own_project.run("apply", "--local")
    assert ended.code == 2
    assert "deploy.yaml:2:1" in ended.err
    assert "region" in ended.err
    assert "deploy.yaml:3:7" in ended.err
    assert status(own_project.home) is None


def test_show_fills_in_every_default(project: Project) -> None:
    shown = project.run("show")
    assert shown.code == 0
    assert "retention_days: 1" in shown.out
    assert "name: tiny-task-execution-role" in shown.out


def test_local_status_stop_reset(own_project: Project) -> None:
    assert "not running" in own_project.run("local", "status").out
    assert own_project.run("apply", "--local", "--skip-run", "--skip-image").code == 0
    assert "running at http://127.0.0.1:" in own_project.run("local", "status").out
    assert "empty" in own_project.run("local", "reset").out
    assert "Plan: 10 to create" in own_project.run("plan", "--local", "--skip-image").out
    # A shell whose AWS tools are led elsewhere reaches it after one line, and nothing of that is left.
    line = shlex.join([sys.executable, "-m", "reconciler", "local", "env"])
    ask = (
        "import boto3; print(boto3.client('sts').get_caller_identity()['Account'], boto3.session.Session().region_name)"
    )
    misled = {
        "AWS_PROFILE": "mine", "AWS_SESSION_TOKEN": "mine", "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "mine",
    }  # fmt: skip
    shell = subprocess.run(
        ["bash", "-euc", f'eval "$({line})"; exec {shlex.quote(sys.executable)} -c "$0"', ask], cwd=own_project.folder,
        env={**os.environ, **misled, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert (shell.returncode, shell.stdout) == (0, "123456789012 us-east-1\n"), shell.stderr
    assert "stopped" in own_project.run("local", "stop").out
    gone = own_project.run("local", "env")
    assert (gone.code, gone.out) == (1, "")
    assert "isn't running" in gone.err
    assert "wasn't running" in own_project.run("local", "stop").out


def started(project: Project, *arguments: str, stderr: int = subprocess.STDOUT) -> subprocess.Popen[str]:
    """The command line as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "reconciler", *arguments], cwd=project.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, stderr=stderr,
        text=True,
    )  # fmt: skip


@contextlib.contextmanager
def watched(project: Project) -> Iterator[subprocess.Popen[str]]:
    """An apply whose program has written a result, and goes on until the file `done` is there."""
    project.write("train.py", WRITES_AND_GOES_ON.format(done=str(project.folder / "done")))
    assert project.run("apply", "--local", "--skip-run").code == 0
    with started(project, "apply", "--local", stderr=subprocess.PIPE) as process:
        until_printed(process, "| written")
        try:
            yield process
        finally:
            project.write("done", "")


def test_destroy_under_a_watched_run_says_it_and_keeps_what_it_wrote(project: Project) -> None:
    with watched(project) as ours, started(project, "destroy", "--local", "--yes", "--delete-data") as theirs:
        told = until_printed(theirs, "waiting for ecs:DeleteCluster")
        project.write("done", "")
        told += theirs.communicate()[0]
        out, err = ours.communicate()
    assert theirs.returncode == 0, told
    (run_id,) = re.findall(r"note: run (\S+) is under way, and its results are deleted; end it: python", told)
    assert (project.folder / "results" / run_id / "half.txt").read_text() == "half"
    assert ours.returncode == 0, out + err


def test_who_watches_is_told_of_no_results_that_are_gone(project: Project) -> None:
    """The bucket is deleted under a run: its end and its exit code are shown all the same."""
    with watched(project) as ours:
        s3, bucket = client(project, "s3"), "tiny-data-123456789012"
        versions = s3.list_object_versions(Bucket=bucket)
        for version in [*versions.get("Versions", ()), *versions.get("DeleteMarkers", ())]:
            s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
        s3.delete_bucket(Bucket=bucket)
        project.write("done", "")
        out, err = ours.communicate()
    assert ours.returncode == 0, out + err
    assert "can't be recorded: there is no bucket tiny-data-123456789012 any more\n" in err
    assert "the results are gone: there is no bucket tiny-data-123456789012 any more\n" in err
    assert "succeeded after" in out
    assert "copied" not in out
    assert "results  s3://" not in out


WRITES_AND_GOES_ON = """\
import boto3, os, time
bucket, _, prefix = os.environ["OUTPUT_URI"].removeprefix("s3://").partition("/")
boto3.client("s3").put_object(Bucket=bucket, Key=prefix + "/half.txt", Body=b"half")
print("written", flush=True)
while not os.path.exists({done!r}): time.sleep(0.02)
print("ended", flush=True)
"""
