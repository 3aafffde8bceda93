"""Unattended runs: the deploy's function sees them through, and whoever watches only looks. Real processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.run.by_hand import Function, by_hand, schedules
from tests.run.conftest import BUCKET, DEPLOY, SLEEPS, Gate, Lane, records
from tests.run.conftest import gate as gate
from tests.run.ears import NOTIFY, Ears
from tests.waiting import LONG, until, until_printed

UNATTENDED = "run:\n  unattended: true\n  retry: {error: 1, backoff: 0}\n  results: null\n"
SECOND = """\
import os
print('begun', os.environ['RUN_ID'], os.environ.get('EPOCHS'), flush=True)
raise SystemExit(0 if os.environ.get('EXIT') is None else int(os.environ['EXIT']))
"""


def test_it_is_watched_to_its_end(lane: Lane) -> None:
    lane.program(SECOND, deploy=UNATTENDED)
    result = lane.run("apply", "--local", "--env", "EPOCHS=3")
    assert result.code == 0, result.out + result.err
    (run,) = records(lane)
    assert (run["unattended"], run["state"], len(run["attempts"])) == (True, "succeeded", 1)
    assert f"begun {run['id']} 3" in result.out
    again = lane.run("apply", "--local", "--env", "EPOCHS=3")
    assert "Nothing to run" in again.out


def test_detached_and_watched_from_elsewhere(lane: Lane) -> None:
    lane.program(SECOND, deploy=UNATTENDED)
    result = lane.run("apply", "--local", "--detach", "--quiet", "--env", "EXIT=3")
    assert result.code == 0, result.out + result.err
    run_id = result.out.strip()
    watched = lane.run("watch", run_id, "--local")
    assert watched.code == 3, watched.out + watched.err
    run = until(lambda: [run for run in records(lane) if run["id"] == run_id and run["state"] == "failed"], "its end")[
        0
    ]
    assert [attempt["exit_code"] for attempt in run["attempts"]] == [3, 3]
    assert json.loads(lane.run("runs", "show", run_id, "--local", "--json").out)["run"]["unattended"] is True


BY_HAND = """\
run:
  unattended: true
  capacity: [FARGATE_SPOT, FARGATE]
  retry: {interruption: 0, no_capacity: 0, error: 1, backoff: 0}
  max_duration: 1h
"""
GIVEN = {"environment": {"EXIT": "3"}, "cpu": None, "memory": None, "command": None}
TWICE = "Essential container in task exited; the program failed 2 times"


@pytest.fixture
def function(lane: Lane, ears: Ears, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    """The function by hand, after a run that it has seen through."""
    lane.program(SECOND, deploy=NOTIFY + BY_HAND)
    assert lane.run("apply", "--local", "--env", "EXIT=3").code == 3
    with by_hand(lane, monkeypatch) as function_by_hand:
        yield function_by_hand


def written(lane: Lane, run: dict[str, Any], **more: Any) -> None:
    """Have this recorded of a run, as its client does at first."""
    first: dict[str, Any] = {
        "state": "launching",
        "attempts": [],
        "exit_code": None,
        "reason": "",
        "why": "",
        "cost": None,
    }
    body = json.dumps({**run, **first, **more}).encode()
    for key in (f"runs/{run['id']}/run.json", f"runs/fingerprints/{run['fingerprint']}.json"):
        lane.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)


def told(ears: Ears, run: dict[str, Any]) -> Any:
    """The message of a run whose end `apply` saw: it follows that, and so do what the webhook gets and the mark that
    both were sent. From then on no other run is listened to.
    """
    ears.run = run["id"]
    (message,) = until(ears.sns, "its message")
    assert len(until(ears.webhook, "its webhook")) == 1
    mark = {"Bucket": BUCKET, "Key": f"runs/{run['id']}/notified.json"}
    s3 = ears.lane.client("s3")
    until(lambda: json.loads(s3.get_object(**mark)["Body"].read())["sent"], "the mark that it was sent")
    return message


def test_stopped_after_any_call_and_called_again(lane: Lane, ears: Ears, function: Function) -> None:
    (run,) = records(lane)
    message = told(ears, run)
    assert (message["result"], message["reason"]) == ("failed", TWICE)
    first, second = function.task(1), function.task(2)
    count = len(lane.tasks())
    for stop in range(1, 100):
        written(lane, run)
        lane.client("s3").delete_object(Bucket=BUCKET, Key=f"runs/{run['id']}/notified.json")
        function.calls, function.stop = 0, stop
        function.called({"start": run["id"], "given": GIVEN})
        function.ended(first)
        function.called({"start": run["id"], "given": None})  # by somebody who watches
        function.ended(second)
        recorded = json.loads(
            lane.client("s3").get_object(Bucket=BUCKET, Key=f"runs/{run['id']}/run.json")["Body"].read()
        )
        assert [attempt["task_arn"] for attempt in recorded["attempts"]] == [first["taskArn"], second["taskArn"]]
        assert (recorded["state"], recorded["exit_code"], recorded["reason"]) == ("failed", 3, TWICE)
        heard = len(ears.sns()), len(ears.webhook())
        assert max(heard) <= 1, "at most once"
        if function.calls < stop:
            assert heard == (1, 1)
            break
    assert stop > 20
    assert (len(lane.tasks()), schedules(lane)) == (count, [])


def ended_task(lane: Lane, token: str) -> bool:
    return token in {task["startedBy"] for task in lane.tasks("STOPPED")}


def test_a_run_goes_on_though_no_event_tells_of_its_tasks(lane: Lane, ears: Ears) -> None:
    """Its client is gone, and so is every event: Scheduler calls the function, as its role, with what was given."""
    lane.program(SECOND, deploy=NOTIFY + UNATTENDED)
    assert lane.run("apply", "--local", "--skip-run").code == 0
    lane.client("events").disable_rule(Name="tiny-schedule-tasks")
    before = len(lane.tasks())
    result = lane.run("apply", "--local", "--detach", "--quiet", "--env", "EXIT=3")
    assert result.code == 0, result.out + result.err
    (run,) = records(lane)

    for attempt in (1, 2):
        until(partial(ended_task, lane, f"{run['id']}-{attempt}"), "its end")
        lane.control("POST", f"schedules/default/tiny.{run['id']}-look")
    (message,) = until(ears.sns, "its message")
    (ended,) = records(lane)
    assert (message["run"], message["exit_code"], ended["state"]) == (run["id"], 3, "failed")
    assert [attempt["exit_code"] for attempt in ended["attempts"]] == [3, 3]
    assert len(lane.tasks()) - before == 2
    until(lambda: schedules(lane) == [], "that nobody looks any more")
    lane.client("events").enable_rule(Name="tiny-schedule-tasks")


def test_a_message_is_not_lost_with_the_function(lane: Lane, ears: Ears, function: Function) -> None:
    """Stopped after any of its calls and called again by Lambda under the same name: told, and told twice only where
    it was stopped after it had sent.
    """
    (run,), heard = records(lane), list[tuple[int, int]]()
    told(ears, run)
    for stop in range(1, 100):
        lane.client("s3").delete_object(Bucket=BUCKET, Key=f"runs/{run['id']}/notified.json")
        function.calls, function.stop = 0, stop
        function.called({"start": run["id"], "given": None}, call_id=f"call-{stop}")
        function.called({"start": run["id"], "given": None}, call_id=f"another-{stop}")
        heard.append((len(ears.sns()), len(ears.webhook())))
        if function.calls < stop:
            break
    assert stop > 5
    assert heard[-1] == (1, 1)
    assert {min(counts) for counts in heard} == {1}, "nothing is lost"
    assert sum(max(counts) > 1 for counts in heard) < 4


def test_stopped_by_its_user_at_any_call(lane: Lane, ears: Ears, function: Function) -> None:
    """Whatever the function does at that moment, no task is left and the run is stopped."""
    lane.program(SLEEPS, deploy=NOTIFY + BY_HAND)
    assert lane.run("apply", "--local", "--skip-run").code == 0
    function.set()
    (run,), at = records(lane), 0
    told(ears, run)

    def stop() -> None:
        assert lane.run("stop", run_id, "--local").code == 0

    while True:
        at += 1
        run_id = f"{run['id'][:15].replace('2', '1', 1)}-{run['fingerprint'][:8]}-{at + 1}"
        written(lane, run | {"id": run_id})
        ears.run = run_id
        function.calls, function.at = 0, (at, stop)
        function.called({"start": run_id, "given": GIVEN}, f"start-{at}")
        if function.calls < at:
            break
        until(lambda: len(lane.tasks("STOPPED")) == len(lane.tasks()), "the end of its task")
        for task in lane.tasks("STOPPED"):
            if task["startedBy"] == f"{run_id}-1":
                function.ended(task, f"end-{at}")
        body = lane.client("s3").get_object(Bucket=BUCKET, Key=f"runs/{run_id}/run.json")["Body"].read()
        assert (at, json.loads(body)["state"]) == (at, "stopped")
        heard = until(ears.sns, "its message")  # the function that `stop` called may tell of it a moment later
        assert [message["result"] for message in heard] == ["stopped"], at
        until(lambda: schedules(lane) == [], "that nothing is left to stop it")
    assert at > 5


def test_a_client_that_drove_it_finds_that_the_function_does_now(lane: Lane, gate: Gate) -> None:
    before = UNATTENDED.replace("  unattended: true\n", "")
    lane.program(f"print('begun', flush=True)\n{gate.wait}raise SystemExit(4)\n", deploy=before)
    lane.write(".dockerignore", "deploy.yaml\n")  # it changes, and the image doesn't
    driving = lane.start("apply", "--local")
    until(lambda: lane.tasks("RUNNING"), "a task")
    lane.write("deploy.yaml", (lane.folder / "deploy.yaml").read_text().replace(before, UNATTENDED))
    result = lane.run("apply", "--local", "--detach", "--quiet")
    assert result.code == 0, result.out + result.err
    gate.open()
    out, err = driving.communicate(timeout=LONG)
    (lane.folder / ".dockerignore").unlink()
    assert (driving.returncode, "which manages it" in err) == (4, True), out + err
    assert out.count("| begun") == 2, "each attempt's once"
    (run,) = records(lane)
    assert (run["id"], run["unattended"], [attempt["exit_code"] for attempt in run["attempts"]]) == (
        result.out.strip(), True, [4, 4],
    )  # fmt: skip


def test_its_container_is_renamed_in_the_file_meanwhile(lane: Lane, gate: Gate) -> None:
    ends = "print('begun', os.environ['RUN_ID'], flush=True)\nraise SystemExit(int(os.environ['EXIT'].split()[int("
    ends += "os.environ['RUN_ATTEMPT']) - 1]))\n"
    lane.program(gate.wait + ends, deploy=UNATTENDED + "  checkpoint: true\n  exec: true\n")
    result = lane.run("apply", "--local", "--detach", "--quiet", "--env", "EXIT=3 0")
    run_id = result.out.strip()
    until(lambda: lane.tasks("RUNNING"), "a task")
    lane.write("deploy.yaml", (lane.folder / "deploy.yaml").read_text().replace("task:\n", "task:\n  container: now\n"))
    changed = lane.run("apply", "--local", "--skip-run")
    assert changed.code == 0, changed.out + changed.err
    out, err = lane.start("exec", "--local", run_id, "sh", "-c", "echo $RUN_ID").communicate(timeout=LONG)
    assert out.split() == [run_id], err
    gate.open()
    watched = lane.run("watch", run_id, "--local")
    assert watched.code == 0, watched.out + watched.err
    assert f"begun {run_id}" in watched.out
    (run, *_) = records(lane)
    assert (run["id"], [attempt["exit_code"] for attempt in run["attempts"]], run["container"]) == (
        run_id,
        [3, 0],
        "main",
    )


def test_a_sweep_comes_back_to_an_unattended_run(lane: Lane, gate: Gate) -> None:
    lane.program(f"{gate.wait}print('ended', os.environ['EPOCHS'], flush=True)\n", deploy=UNATTENDED)
    lane.write(".dockerignore", "deploy.yaml\n")
    result = lane.run("apply", "--local", "--detach", "--quiet", "--env", "EPOCHS=1")
    assert result.code == 0, result.out + result.err
    attended = UNATTENDED.replace("  unattended: true\n", "")
    lane.write("deploy.yaml", DEPLOY + attended + "  sweep: {grid: {EPOCHS: [1, 2]}}\n")
    sweep = lane.start("apply", "--local")
    until_printed(sweep, "1 under way, 1 to launch")
    gate.open()
    out, err = sweep.communicate(timeout=LONG)
    (lane.folder / ".dockerignore").unlink()
    assert (sweep.returncode, f"run {result.out.strip()} was taken from" in err) == (0, True), out + err
    ends = {run["overrides"]["environment"]["EPOCHS"]: (run["state"], run["unattended"]) for run in records(lane)[:2]}
    assert ends == {"1": ("succeeded", False), "2": ("succeeded", False)}


def test_what_cannot_be_unattended_is_refused(lane: Lane) -> None:
    lane.program(SECOND, deploy=UNATTENDED)
    for arguments, why in (
        (["--count", "2"], "its tasks are launched by this command"),
        (["--env", "API_TOKEN=abcd1234efgh"], "--env API_TOKEN has a secret"),
    ):
        result = lane.run("apply", "--local", *arguments)
        assert (result.code, why in result.err, "abcd1234" in result.err) == (2, True, False), result.err
    lane.program(SECOND)
    result = lane.run("apply", "--local", "--detach")
    assert (result.code, "nobody would manage the run" in result.err) == (2, True), result.err
