"""Leaving a run and coming back to it: interruptions, runs that ended meanwhile, stops, old logs; real processes."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.cli.past_runs import say_unseen
from reconciler.core.errors import Denied
from reconciler.run.place import Place
from reconciler.run.retry import Attempt
from reconciler.run.state import State
from reconciler.run.unwatched_ends import launched_unseen
from tests.folder import Result
from tests.run.conftest import BUCKET, SLEEPS, Gate, Lane, golden, records
from tests.run.samples import run
from tests.waiting import LONG, until, until_printed


@pytest.mark.share(2)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("choice", ["stop", "detach"])
def test_interrupted(lane: Lane, number: signal.Signals, choice: str) -> None:
    lane.program(f"{SLEEPS}# {number} {choice}\n")
    ours = lane.start("apply", "--local", "--on-interrupt", choice)
    (task,) = until(lambda: lane.tasks("RUNNING"), "a running task")
    until_printed(ours, "begun")
    ours.send_signal(number)
    _, err = ours.communicate(timeout=LONG)
    assert ours.returncode == 130
    run_id = records(lane)[0]["id"]
    if choice == "detach":
        assert f"detached; run {run_id} continues" in err
        assert f"python -m reconciler watch {run_id} --local" in err
        assert [running["taskArn"] for running in lane.tasks("RUNNING")] == [task["taskArn"]]
        assert lane.run("stop", "--local").code == 0
    else:
        assert f"run {run_id} is being stopped" in err
    ended = lane.run("watch", "--local")
    assert ended.code == 123
    assert "  why      somebody stopped it\n" in ended.out
    if number is signal.SIGINT:
        golden(f"interrupted-{choice}", ended)


def test_a_task_that_ended_while_nobody_looked(lane: Lane, gate: Gate) -> None:
    lane.program(f"print('begun', flush=True)\n{gate.wait}print('ended')\n# nobody\nraise SystemExit(37)\n")
    ours = lane.start("apply", "--local", "--on-interrupt", "detach")
    until_printed(ours, "begun")
    ours.send_signal(signal.SIGTERM)
    assert ours.wait(LONG) == 130
    gate.open()
    until(lambda: not lane.tasks("RUNNING"), "its end")
    count = len(lane.tasks())
    # The list says how it ended, and that this isn't recorded.
    newest_id = records(lane)[0]["id"]
    for command in ("runs", "status", "runs show"):
        listed = lane.run(*command.split(), "--local")
        assert "failed     exit 37" in listed.out, command
        assert f"ended with nobody watching; `watch {newest_id}` shows and records it" in listed.err
    newest = records(lane)[0]
    assert newest["state"] == "failed"
    # Every command asks the same place how it ended.
    assert f"Run {newest['id']} failed.\n  why      unknown\n" in lane.run("diagnose", "--local").out
    assert json.loads(lane.run("diagnose", "--local", "--json").out)["state"] == "failed"
    stopped = lane.run("stop", "--local").out
    assert stopped.startswith(f"run {newest['id']} is over: failed; see why: python -m reconciler diagnose ")
    assert "ended with nobody watching" in lane.run("cost", "--local").err
    kept = lane.client("s3").get_object(Bucket=BUCKET, Key=f"runs/{newest['id']}/run.json")["Body"].read()
    assert json.loads(kept)["state"] == "running"
    back = lane.run("apply", "--local")
    assert back.code == 37, back.out + back.err
    assert lane.run("runs", "--local").err == ""
    golden("came-back", back)
    assert len(lane.tasks()) == count, "looked at, not launched again"
    watched = lane.run("watch", "--local")
    assert watched.code == 37
    assert [line for line in watched.out.splitlines() if line.startswith("  | ")] == ["  | begun", "  | ended"]
    told = json.loads(lane.run("watch", "--local", "--json").out)
    assert told["verdict"] == {"result": "task-failed", "exit_code": 37, "task_exit_code": 37}


def test_a_task_that_ecs_has_forgotten(lane: Lane, gate: Gate) -> None:
    """It ended over an hour ago, and the watch was killed: its log is there, and nobody knows how it ended."""
    lane.program(f"print('begun', flush=True)\n{gate.wait}print('ended')\n# forgotten\n")
    lane.behave({"do": "expire", "seconds": 0.1})
    before = len(lane.tasks())
    ours = lane.start("apply", "--local")
    until_printed(ours, "begun")
    ours.kill()
    ours.wait()
    gate.open()
    until(lambda: len(lane.tasks()) == before, "its being forgotten")
    run_id = lane.recorded(lambda run: run["attempts"][0].update(launched=time.time() - 7200))
    assert f"Run {run_id} failed.\n" in lane.run("diagnose", "--local").out
    assert "failed     exit -" in lane.run("runs", "--local").out
    ended = lane.run("watch", "--local")
    assert ended.code == 122
    golden("forgotten", ended)
    (row, *_) = lane.run("runs", "--local").out.splitlines()
    assert row.split() == [run_id, *row.split()[1:4], "failed", "exit", "-", "-", "-"], "no cost that nobody knows"
    assert lane.run("apply", "--local").code == 0, "launched again"


def test_after_a_stop_apply_launches_anew(lane: Lane, gate: Gate, tmp_path: Path) -> None:
    """It waits for the end of what was stopped, which here doesn't heed SIGTERM."""
    lane.program(
        "import os, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"first = not os.path.exists('{tmp_path}/began')\nopen('{tmp_path}/began', 'w')\n"
        f"print('first' if first else 'second', flush=True)\n{gate.wait}"
        "if first:\n    os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    lane.behave({"do": "stop-timeout", "seconds": LONG})
    ours = lane.start("apply", "--local")
    until_printed(ours, "| first")
    ours.send_signal(signal.SIGINT)
    assert ours.wait(LONG) == 130
    assert records(lane)[0]["state"] == "stopping"
    again = lane.start("apply", "--local")
    out = until_printed(again, "Waiting for the end")
    gate.open()
    assert again.stdout is not None
    out += again.stdout.read()
    assert again.wait(LONG) == 0, out
    golden("after-a-stop", Result(0, out, ""))
    assert [(run["state"], run["exit_code"]) for run in records(lane)[:2]] == [("succeeded", 0), ("stopped", 137)]


def test_looking_back(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    lane.program("print('first line')\nprint('second line')\n# back\n")
    assert lane.run("apply", "--local").code == 0
    run_id = records(lane)[0]["id"]
    assert lane.run("logs", run_id, "--local").out.splitlines() == ["first line", "second line"]
    assert lane.run("logs", "-f", run_id, "--local").out.splitlines() == ["first line", "second line"]
    stream = f"ecs/main/{records(lane)[0]['attempts'][0]['task_arn'].rpartition('/')[2]}"
    old = [{"timestamp": int((time.time() - 7200) * 1000), "message": "an old line"}]
    lane.client("logs").put_log_events(logGroupName="/ecs/tiny", logStreamName=stream, logEvents=old)
    assert lane.run("logs", run_id, "--local").out.splitlines() == ["an old line", "first line", "second line"]
    assert lane.run("logs", run_id, "--since", "1h", "--local").out.splitlines() == ["first line", "second line"]
    assert lane.run("logs", run_id, "--since", "3600", "--local").out.splitlines() == ["first line", "second line"]
    assert lane.run("logs", run_id, "--since", "0s", "--local").err == f"run {run_id} has no log lines since then\n"
    assert lane.run("logs", run_id, "--since", "999999999d", "--local").out.startswith("an old line\n")
    assert f"run {run_id} has no attempt 7: its newest is 1" in lane.run("logs", "--attempt", "7", "--local").err
    for span in ("soon", "9" * 400 + "d"):
        assert lane.run("logs", run_id, "--since", span, "--local").code == 2
    shown = lane.run("runs", "show", run_id, "--local").out
    assert "attempt 1 on FARGATE: success" in shown
    assert lane.run("stop", run_id, "--local").out == f"run {run_id} is over: succeeded\n"
    for where in ("logs.TaskLog.read", "log_place.of_definition"):  # whoever may not read the log sees the end

        def denied(*_: object) -> None:
            raise Denied("logs", "GetLogEvents", "AccessDeniedException", "not for you")

        with monkeypatch.context() as denying:
            denying.setattr(f"reconciler.run.{where}", denied)
            if where == "log_place.of_definition":  # which says where it was before the file was changed
                lane.write("deploy.yaml", (lane.folder / "deploy.yaml").read_text() + "logs: {group: /ecs/elsewhere}\n")
            watched = lane.run("watch", run_id, "--local")
        assert (watched.code, f"Run {run_id} succeeded" in watched.out) == (0, True), watched.err
        assert "the log can't be shown: " in watched.err
        assert "not for you" in watched.err


def test_a_run_that_waits_for_its_retry_can_be_stopped(lane: Lane, gate: Gate) -> None:
    lane.program("print('once')\nraise SystemExit(75)\n", deploy="run:\n  retry: {error: 1, backoff: 60s}\n")
    ours = lane.start("apply", "--local", first=gate.pauses)
    until_printed(ours, "launching again")
    count = len(lane.tasks())
    assert "had no task under way" in lane.run("stop", "--local").out
    gate.open()
    assert ours.wait(LONG) == 123
    assert len(lane.tasks()) == count


def test_whoever_comes_back_in_a_pause_waits_for_its_end(lane: Lane) -> None:
    lane.program("print('once')\nraise SystemExit(75)\n# pause\n", deploy="run:\n  retry: {error: 1, backoff: 8s}\n")
    ours = lane.start("apply", "--local")
    until_printed(ours, "launching again")
    ours.kill()
    ours.wait()
    assert lane.run("apply", "--local").code == 75
    first, second = records(lane)[0]["attempts"]
    assert second["launched"] >= first["stopped"] + 8


@pytest.mark.parametrize(
    ("unseen", "text"),
    [
        ([], []),
        (["A"], ["run A ended with nobody watching; `watch A` shows and records it"]),
        (["A", "B"], ["runs A and B ended with nobody watching; `watch A` shows and records one"]),
        (list("ABCDEFG"), ["7 runs ended with nobody watching; `watch A` shows and records one"]),
    ],
)
def test_what_ended_with_nobody_watching_is_named(unseen: list[str], text: list[str]) -> None:
    """`watch` without an id shows the newest run, which may be none of them."""
    notes: list[str] = []
    say_unseen(SimpleNamespace(say=notes.append), unseen)  # type: ignore[arg-type]
    assert notes == text


class Launched:
    """AWS, where a task was launched that no record names yet, of a definition that was rolled back to."""

    def find(self, service: str, operation: str, **asked: Any) -> dict[str, Any]:
        """What ECS says of it."""
        if operation == "ListTasks":
            return {"taskArns": [ARN]}
        definition = "arn:aws:ecs:us-east-1:123456789012:task-definition/tiny:1"
        task = {"taskArn": ARN, "clusterArn": "x/tiny", "taskDefinitionArn": definition, "startedBy": "mark"}
        return {"tasks": [task | {"lastStatus": "RUNNING", "cpu": "256", "memory": "512"}]}


ARN = "arn:aws:ecs:us-east-1:123456789012:task/tiny/1"


@pytest.mark.parametrize(("own", "memory"), [(None, 512), (2048, 1024)])
def test_what_is_seen_before_it_is_recorded_has_the_size_of_its_task(own: int | None, memory: int) -> None:
    begun = Attempt(1, "FARGATE", "mark", 0.0, memory=own)
    known = run(attempts=(begun,), state=State.LAUNCHING, inputs={"cpu": 512, "memory": 1024})
    seen = launched_unseen(Launched(), Place("tiny", "tiny", "main", "/ecs/tiny", "ecs"), known)  # type: ignore[arg-type]
    assert seen is not None
    assert (seen.task_arn, seen.inputs["memory"]) == (ARN, memory)
