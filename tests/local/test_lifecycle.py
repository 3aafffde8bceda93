"""Start, find, stop, reset: one server however many ask, and never a foreign process taken for it."""

from __future__ import annotations

import http.server
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import local
from reconciler.local import lifecycle
from tests.local_fixtures import EmbeddedAws, until


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RECONCILER_LOCAL_ENGINE", "process")  # whatever engine this machine has
    folder = tmp_path / "state" / "local"
    yield folder
    local.stop(folder)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie doesn't."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def sleeping_task(embedded_aws: EmbeddedAws) -> int:
    """The pid of the program of a task that runs and has a child in a session of its own."""
    arn = embedded_aws.launch_python(
        "import os, subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'], start_new_session=True)\n"
        "print(os.getpid(), flush=True)\ntime.sleep(99)\n"
    )
    return int(
        until(lambda: embedded_aws.describe(arn)["lastStatus"] == "RUNNING" and embedded_aws.lines(arn), "it")[0]
    )


def sleeping_function(embedded_aws: EmbeddedAws) -> None:
    """A function that is under way, called by a schedule, and would run for long."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as file:
        file.writestr("sleeps.py", "import time\ndef handle(event, context): time.sleep(99)\n")
    assume = [
        {"Effect": "Allow", "Principal": {"Service": f"{one}.amazonaws.com"}, "Action": "sts:AssumeRole"}
        for one in ("lambda", "scheduler")
    ]
    may = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    iam, name = embedded_aws.client("iam"), "sleeps"
    trust = json.dumps({"Version": "2012-10-17", "Statement": assume})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="may", PolicyDocument=json.dumps(may))
    arn = embedded_aws.client("lambda").create_function(
        FunctionName=name, Role=role, Runtime="python3.13", Handler="sleeps.handle", Code={"ZipFile": code.getvalue()},
        Timeout=90,
    )["FunctionArn"]  # fmt: skip
    embedded_aws.client("scheduler").create_schedule(
        Name=name, ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": role},
    )  # fmt: skip
    before = descendants(embedded_aws.running.pid)
    assert embedded_aws.control("POST", f"schedules/default/{name}")[0] == 200
    until(lambda: len(descendants(embedded_aws.running.pid)) > len(before), "the function's process")


def test_the_package_imports_neither_moto_nor_boto3() -> None:
    code = "import sys, reconciler.local; sys.exit(any(name in sys.modules for name in ('moto', 'boto3', 'werkzeug')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(local.__file__).parents[2]).returncode == 0


def test_start_find_and_stop(home: Path) -> None:
    assert local.status(home) is None
    assert local.stop(home) is False
    running = local.ensure_running(home)
    assert local.ensure_running(home) == running == local.status(home)
    assert running.runner == "process"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "server.json").stat().st_mode) == 0o600
    assert os.getsid(running.pid) == running.pid != os.getsid(0)
    assert local.stop(home) is True
    assert not alive(running.pid)
    assert local.status(home) is None
    assert not (home / "server.json").exists()


def test_many_that_start_it_at_once_get_the_same(home: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from reconciler import local\n"
        "print(local.ensure_running(Path(sys.argv[1])).pid)"
    )
    root = Path(local.__file__).parents[2]
    commands = [
        subprocess.Popen([sys.executable, "-c", code, str(home)], cwd=root, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert len({command.communicate()[0] for command in commands}) == 1


def test_a_foreign_server_on_the_port_is_neither_found_nor_stopped(home: Path) -> None:
    class Foreign(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"identity": "another"}')

        def log_message(self, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Foreign) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        home.mkdir(parents=True)
        record = {"pid": os.getpid(), "port": server.server_port, "identity": "ours", "started_at": 1.0}
        (home / "server.json").write_text(json.dumps(record))
        assert local.status(home) is None
        assert local.stop(home) is False  # this very process would have been ended
        server.shutdown()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_broken_record_is_as_none(home: Path, text: str) -> None:
    home.mkdir(parents=True)
    (home / "server.json").write_text(text)
    assert local.status(home) is None


def test_nothing_is_left_when_the_server_is_killed_and_it_starts_again(home: Path) -> None:
    embedded_aws = EmbeddedAws(local.ensure_running(home))
    program = sleeping_task(embedded_aws)
    children = descendants(embedded_aws.running.pid)
    assert program in children
    assert len(children) == 3
    sleeping_function(embedded_aws)
    children = descendants(embedded_aws.running.pid)
    os.kill(embedded_aws.running.pid, signal.SIGKILL)
    os.waitpid(embedded_aws.running.pid, 0)
    until(lambda: not any(alive(pid) for pid in children), "the end of the processes of the task and the function")
    assert local.status(home) is None
    again = local.ensure_running(home)
    assert again.pid != embedded_aws.running.pid
    left = [home / "tasks", home / "functions"]
    until(lambda: not any(one.exists() for one in left), "the removal of what they left")


def test_a_server_whose_folder_is_gone_ends(home: Path) -> None:
    embedded_aws = EmbeddedAws(local.ensure_running(home))
    sleeping_task(embedded_aws)
    processes = [embedded_aws.running.pid, *descendants(embedded_aws.running.pid)]
    shutil.rmtree(home)
    until(lambda: not any(alive(pid) for pid in processes), "the end of the server that nobody can find any more")
    assert local.status(home) is None


def test_stop_ends_the_tasks_that_run(home: Path) -> None:
    embedded_aws = EmbeddedAws(local.ensure_running(home))
    sleeping_task(embedded_aws)
    sleeping_function(embedded_aws)
    children = descendants(embedded_aws.running.pid)
    assert local.stop(home) is True
    until(lambda: not any(alive(pid) for pid in children), "the end of the function")
    assert not (home / "tasks").exists()
    assert not (home / "functions").exists()


def test_reset_forgets_all_and_keeps_running(home: Path) -> None:
    embedded_aws = EmbeddedAws(local.ensure_running(home))
    sleeping_task(embedded_aws)
    sleeping_function(embedded_aws)
    embedded_aws.client("s3").create_bucket(Bucket="a-bucket")
    embedded_aws.behaviour({"do": "no-capacity", "times": -1})
    children = descendants(embedded_aws.running.pid)
    local.reset(home)
    until(lambda: not any(alive(pid) for pid in children), "the end of what ran")
    assert not any(alive(pid) for pid in descendants(embedded_aws.running.pid)), "the function isn't called again"
    assert local.status(home) == embedded_aws.running
    assert embedded_aws.client("s3").list_buckets()["Buckets"] == []
    assert embedded_aws.client("ecs").list_clusters()["clusterArns"] == []
    assert embedded_aws.client("logs").describe_log_groups()["logGroups"] == []
    assert embedded_aws.control("GET", "behaviour") == (200, [])
    assert not (home / "images").exists()
    assert embedded_aws.client("ec2").describe_subnets()["Subnets"]  # the default VPC is there again
    assert embedded_aws.finished(embedded_aws.launch_python("pass"))["containers"][0]["exitCode"] == 0


def test_reset_of_one_that_does_not_run_empties_its_folder(home: Path) -> None:
    (home / "images" / "x").mkdir(parents=True)
    local.reset(home)
    assert not (home / "images").exists()
    assert local.status(home) is None


def test_the_users_settings_do_not_reach_the_server(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-user")
    monkeypatch.setenv("AWS_PROFILE", "of-the-user")
    running = local.ensure_running(home)
    assert b"AWS_" not in Path(f"/proc/{running.pid}/environ").read_bytes()


def test_missing_packages_are_named_with_the_command_that_installs_them(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "NEEDED_MODULES", ("no_such_module",))
    with pytest.raises(local.LocalError, match=r"no_such_module.*pip install 'reconciler\[local\]'"):
        local.ensure_running(home)


def test_a_server_that_ends_at_once_shows_the_end_of_its_log(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "werkzeug.py").write_text("raise ImportError('broken on purpose')")
    monkeypatch.setattr(lifecycle, "_server_environment", lambda identity: {"PYTHONPATH": str(tmp_path)})
    with pytest.raises(local.LocalError, match=r"did not start(.|\n)*server.log(.|\n)*broken on purpose"):
        local.ensure_running(home)


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(local.LocalError, match="can't use the folder"):
        local.ensure_running(tmp_path / "file")


def descendants(pid: int) -> list[int]:
    """All processes below this one."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has just ended
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {pid})
