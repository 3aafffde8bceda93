"""`exec`: a command inside a task that runs; in the embedded AWS for real, in AWS by the plugin."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli import exec_
from reconciler.core.errors import UserError
from tests.cli.test_json import holds
from tests.command import main
from tests.run.conftest import SLEEPS, Lane, records
from tests.waiting import LONG, until, until_printed

EXEC = "run: {exec: true}\n"


def refused(lane: Lane, why: str, *arguments: str) -> None:
    result = lane.run("exec", "--local", *arguments)
    assert result.code == 2, result.out + result.err
    assert why in " ".join(result.err.split()), result.err


def test_a_command_in_a_task_and_every_clear_end(lane: Lane) -> None:
    refused(lane, "no run is under way")
    lane.program(SLEEPS, deploy=EXEC)
    first = lane.start("apply", "--local", "--env", "WHO=me", "--on-interrupt", "detach")
    until_printed(first, "begun")
    (run_id,) = [run["id"] for run in records(lane)]
    # Its variables, its folder, its exit code, its two streams, and what it is given.
    asked = lane.start("exec", "--local", run_id, "sh", "-c", "cat; echo $WHO $RUN_ID; ls; echo bad >&2; exit 7",
                       stdin=-1)  # fmt: skip
    out, err = asked.communicate("given\n", timeout=LONG)
    assert asked.returncode == 7
    assert out.split() == ["given", "me", run_id, "train.py"]
    assert "bad" in err
    shell = lane.start("exec", "--local", stdin=-1)  # the only one that runs, and a shell
    assert shell.communicate("echo $((6 * 7))\nexit 3\n", timeout=LONG)[0] == "42\n"
    assert shell.returncode == 3
    told = lane.start("exec", "--local", "--json", run_id, "--", "echo", "\x1b[31mred")
    out, err = told.communicate(timeout=LONG)
    assert holds("exec", out)["exit_code"] == 0
    assert "\x1b[31mred" in err
    # What can't be run ends as in a shell, and not as wrong input does.
    missing = lane.run("exec", "--local", run_id, "nonsense")
    assert (missing.code, missing.out) == (127, ""), missing.err
    assert "nonsense can't be run there: No such file or directory" in missing.err
    folder = lane.run("exec", "--local", "--json", run_id, "/tmp")
    assert (folder.code, holds("exec", folder.out)["exit_code"]) == (126, 126)
    assert "/tmp can't be run there: " in folder.err

    # Several run: one has to be named.
    second = lane.start("apply", "--local", "--env", "WHO=you", "--on-interrupt", "detach")
    until_printed(second, "begun")
    refused(lane, "2 runs are under way: name one of")
    refused(lane, "no run is under way", "sweep-01234567")

    # The task ends, and the command with it.
    inside = lane.start("exec", "--local", run_id, "sh", "-c", "trap '' HUP; echo inside; sleep 600; true")
    until_printed(inside, "inside")
    assert lane.run("stop", run_id, "--local").code == 0
    _, err = inside.communicate(timeout=LONG)
    assert inside.returncode == 137
    assert f"the task of run {run_id} has ended" in err
    first.wait(LONG)
    refused(lane, f"nothing runs: run {run_id} is", run_id)

    # One that was launched without it.
    lane.program(SLEEPS)
    third = lane.start("apply", "--local", "--on-interrupt", "detach")
    until_printed(third, "begun")
    refused(lane, "was launched without ECS Exec write run: {exec: true}", records(lane)[0]["id"])


def test_an_option_behind_the_run_is_said_to_be_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command it would go to AWS."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy.yaml").write_text("name: tiny\nimage: {uri: x}\n")
    assert main(["exec", "20260101-000000-aaaaaaaa", "--local", "--", "ls"]) == 2
    message = capsys.readouterr().err
    assert "--local: behind the run's id begins the command" in message
    assert "options of exec come before that id" in message


def test_what_it_adds(lane: Lane) -> None:
    lane.program("print('one')\n")
    assert lane.run("apply", "--local", "--skip-run").code == 0
    lane.program("print('one')\n", deploy=EXEC)
    shown = json.loads(lane.run("plan", "--local", "--skip-image", "--json").out)
    changed = {step["kind"]: step["changes"] for step in shown["steps"] if step["changes"]}
    assert changed.keys() == {"policy"}
    assert "ssmmessages:CreateDataChannel" in json.dumps(changed)


PLUGIN = """\
#!/bin/sh
case "$1" in --version) echo '%s'; exit 0;; esac
echo "arguments: $*"; echo "session: $AWS_SSM_START_SESSION_RESPONSE"; exit 0
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH but for the shell's."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / exec_.PLUGIN


class Calls:
    """ECS's answer to ExecuteCommand."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def call(self, service: str, operation: str, **params: Any) -> Any:
        self.asked = {"operation": operation, **params}
        return {"session": {"sessionId": "s-1", "streamUrl": "wss://x", "tokenValue": "hunter2hunter2"}}


def test_the_plugin_gets_the_session_and_no_process_list_its_token(
    plugin: Path, capfd: pytest.CaptureFixture[str], lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="isn't installed") as missing:
        exec_._plugin()
    assert exec_.WHERE in missing.value.hint
    for version, fits in (("1.2.496.0", False), ("1.1.61.0", False), ("", False), ("1.2.497.0", True), ("2.0.0", True)):
        plugin.write_text(PLUGIN % version)
        plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
        if fits:
            assert exec_._plugin() == str(plugin)
        else:
            with pytest.raises(UserError, match="too old"):
                exec_._plugin()
    calls = Calls()
    task = {"taskArn": "arn:aws:ecs:x:1:task/tiny/0123", "containers": [{"name": "main", "runtimeId": "0123-9"}]}
    words = exec_.session(calls, "us-east-1", "tiny", "main", task, ("ls", "a b"))
    assert calls.asked == {
        "operation": "ExecuteCommand", "cluster": "tiny", "task": "0123", "container": "main", "command": "ls 'a b'",
        "interactive": True,
    }  # fmt: skip
    there = exec_.session(calls, "cn-north-1", "tiny", "main", task, ("ls", "a b"))[0]
    assert [words[0][-1], there[-1]] == [
        "https://ssm.us-east-1.amazonaws.com",
        "https://ssm.cn-north-1.amazonaws.com.cn",
    ]
    assert exec_._child([str(plugin), *words[0]], os.environ | words[1], None, lambda: False, None) == 0
    arguments, given = capfd.readouterr().out.splitlines()
    assert "hunter2" not in arguments
    assert '"Target": "ecs:tiny_0123_0123-9"' in arguments
    assert json.loads(given.removeprefix("session: ")) == {
        "SessionId": "s-1", "StreamUrl": "wss://x", "TokenValue": "hunter2hunter2",
    }  # fmt: skip

    # Through the API: the embedded AWS opens no sessions of Systems Manager, and says so.
    lane.program(SLEEPS, deploy=EXEC)
    started = lane.start("apply", "--local", "--on-interrupt", "detach")
    until_printed(started, "begun")
    monkeypatch.setenv("AWS_ENDPOINT_URL", lane.endpoint)
    for name, value in lane.keys.items():
        monkeypatch.setenv(name, value)
    result = lane.run("exec", records(lane)[0]["id"])
    assert result.code == 1, result.out + result.err
    assert "TargetNotConnectedException" in result.err
    until(lambda: lane.tasks("RUNNING"), "it goes on")


def test_nothing_goes_on_once_what_it_waits_for_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of its children is killed long before itself."""
    monkeypatch.setattr(exec_, "LOOK", 0.2)
    there = tmp_path / "there"
    many = "for n in 1 2 3 4 5 6 7 8 9 10; do sleep 600 & sleep 600 & sleep 600 & sleep 600 & sleep 600 & done"
    words = ["sh", "-c", f"trap '' HUP; sleep 600 & first=$!; {many}; touch {there}; wait $first; exit 0"]
    assert exec_._child(words, os.environ, None, there.exists, None) == 137


@pytest.mark.parametrize(
    ("name", "code"),
    [("there", 126), ("", 126), ("absent", 127), ("there/below", 127), ("no-program", 126), ("x" * 300, 126)],
)
def test_what_cannot_be_run_ends_as_in_a_shell(tmp_path: Path, name: str, code: int) -> None:
    (tmp_path / "there").write_text("not executable")
    (tmp_path / "no-program").write_text("neither a program nor a script")
    (tmp_path / "no-program").chmod(0o755)
    with pytest.raises(exec_._NotRun) as caught:
        exec_._child([f"./{name}"], os.environ, str(tmp_path), None, None)
    assert caught.value.code == code


def test_a_folder_that_is_gone_is_not_the_command(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"folder .* can't be entered") as caught:
        exec_._child(["ls"], os.environ, str(tmp_path / "gone"), None, None)
    assert not isinstance(caught.value, exec_._NotRun)
