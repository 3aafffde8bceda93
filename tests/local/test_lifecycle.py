"""Start, find, stop, reset: one server however many ask, and never a foreign process taken for it."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import local
from reconciler.local import lifecycle
from tests.local_fixtures import EmbeddedAws
from tests.waiting import until


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
        {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
        for service in ("lambda", "scheduler")
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
    assert os.getsid(running.pid) != os.getsid(0)
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


def test_a_process_that_has_got_the_pid_since_is_not_stopped(home: Path) -> None:
    running = local.ensure_running(home)
    record = json.loads((home / "server.json").read_text())
    os.kill(running.pid, signal.SIGKILL)
    until(lambda: not alive(running.pid), "the end of the server")
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"])
    try:
        (home / "server.json").write_text(json.dumps(record | {"pid": other.pid}))
        assert local.status(home) is None
        assert local.stop(home) is False
        assert other.poll() is None
        assert not (home / "server.json").exists()
    finally:
        other.kill()
        other.wait()


def test_a_server_that_hangs_is_stopped(home: Path) -> None:
    running = local.ensure_running(home)
    os.kill(running.pid, signal.SIGSTOP)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lifecycle, "STOP_SECONDS", 0.2)
            assert local.stop(home) is True
    finally:
        if alive(running.pid):
            os.kill(running.pid, signal.SIGCONT)
    assert not alive(running.pid)


COMPLETE = {"pid": 2, "port": 1, "birth": "", "started_at": 1.0, "access_key_id": "a", "secret_access_key": "b"}
BROKEN = [COMPLETE | {"pid": -1}, COMPLETE | {"port": 99999}, COMPLETE | {"port": "1"}, COMPLETE | {"birth": None}]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "[" * 99999, *map(json.dumps, BROKEN)])
def test_a_broken_record_is_as_none(home: Path, text: str) -> None:
    home.mkdir(parents=True)
    (home / "server.json").write_text(text)
    (home / "server.json").chmod(0o600)
    assert local.status(home) is None
    assert local.stop(home) is False


def test_nothing_is_left_when_the_server_is_killed_and_it_starts_again(home: Path) -> None:
    embedded_aws = EmbeddedAws(local.ensure_running(home))
    program = sleeping_task(embedded_aws)
    children = descendants(embedded_aws.running.pid)
    assert program in children
    assert len(children) == 3
    sleeping_function(embedded_aws)
    children = descendants(embedded_aws.running.pid)
    os.kill(embedded_aws.running.pid, signal.SIGKILL)
    until(lambda: not alive(embedded_aws.running.pid), "the end of the server")
    until(lambda: not any(alive(pid) for pid in children), "the end of the processes of the task and the function")
    assert local.status(home) is None
    again = local.ensure_running(home)
    assert again.pid != embedded_aws.running.pid
    left = [home / "tasks", home / "functions"]
    until(lambda: not any(folder.exists() for folder in left), "the removal of what they left")


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


PLANTED = dict.fromkeys(
    ("AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "GITHUB_TOKEN", "SSH_AUTH_SOCK", "HTTPS_PROXY", "https_proxy",
     "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "DATABASE_URL", "ANY_OTHER"), "planted-secret",
)  # fmt: skip
LOOKS = """
import os, pathlib
pid = os.getpid()
while pid > 1:
    try:
        print(pid, repr(pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode("latin-1")))
    except OSError as error:
        print(pid, error)
    pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
print("top", pid, flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_process_above_a_task_holds_a_secret_of_the_user(home: Path) -> None:
    # Started by a command that has secrets and goes on, as `apply` does.
    code = (
        "import sys; from pathlib import Path; from reconciler import local\n"
        "local.ensure_running(Path(sys.argv[1])); print('runs', flush=True); sys.stdin.read()"
    )
    root = Path(local.__file__).parents[2]
    command = subprocess.Popen(
        [sys.executable, "-c", code, str(home)], cwd=root, env=os.environ | PLANTED, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert command.stdout is not None
    assert command.stdout.readline() == "runs\n"
    running = local.status(home)
    assert running is not None
    server = Path(f"/proc/{running.pid}/environ").read_bytes().decode()
    assert not any(name in server for name in (*PLANTED, "planted-secret", running.keys.secret_access_key)), server
    embedded_aws = EmbeddedAws(running)
    arn = embedded_aws.launch_python(LOOKS)
    assert embedded_aws.finished(arn)["containers"][0]["exitCode"] == 0
    lines = embedded_aws.lines(arn)
    assert {str(running.pid)} < {line.split()[0] for line in lines}  # it did look at those above it
    assert str(command.pid) not in {line.split()[0] for line in lines}
    assert "planted-secret" not in "".join(lines)
    assert running.keys.secret_access_key not in "".join(lines)
    command.communicate()


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
    monkeypatch.setattr(lifecycle, "_server_environment", lambda: {"PYTHONPATH": str(tmp_path)})
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
    pids = {pid}
    while more := {child for child, parent in parents.items() if parent in pids} - pids:
        pids |= more
    return sorted(pids - {pid})
