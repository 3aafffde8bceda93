"""Who is told how runs end, and runs that a schedule starts: real queues, a real webhook, real processes."""

from __future__ import annotations

import http.server
import json
import re
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.run.conftest import Lane, normal, until

ACCOUNT = "us-east-1:123456789012"
SECRET = "/services/T0/B0/hunter2"
NOTIFY = f"""\
notify:
  subscribers: arn:aws:sqs:{ACCOUNT}:ended
  webhook: arn:aws:ssm:{ACCOUNT}:parameter/tiny/hook
"""
SCHEDULE = "schedule: {when: 'cron(0 6 * * ? *)', timezone: Europe/Berlin}\n"


class Hook(http.server.ThreadingHTTPServer):
    """A webhook. answers: what it answers with, one after the other, then 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.got: list[Any] = []
        self.answers: list[int] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Hook(http.server.BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert (self.path, self.headers["Content-Type"]) == (SECRET, "application/json")
        answer = self.server.answers.pop(0) if self.server.answers else 200
        self.server.got += [body] if answer == 200 else []
        self.send_response(answer)
        self.end_headers()

    def log_message(self, *args: object) -> None: ...


class Ears:
    """What those who are told have heard."""

    def __init__(self, lane: Lane, hook: Hook) -> None:
        self.lane, self.hook, self.sqs = lane, hook, lane.client("sqs")
        self.queue = self.sqs.create_queue(QueueName="ended")["QueueUrl"]
        url = f"http://127.0.0.1:{hook.server_port}{SECRET}"
        lane.client("ssm").put_parameter(Name="/tiny/hook", Type="SecureString", Value=url, Overwrite=True)

    def sns(self) -> list[Any]:
        """The messages of the topic since the last look."""
        found = []
        while got := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for one in got:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=one["ReceiptHandle"])
                found.append(json.loads(json.loads(one["Body"])["Message"]))
        return found

    def webhook(self) -> list[Any]:
        """What the webhook got since the last look."""
        found, self.hook.got = self.hook.got, []
        return found


@pytest.fixture
def ears(lane: Lane) -> Iterator[Ears]:
    hook = Hook()
    found = Ears(lane, hook)
    found.sns()
    yield found
    hook.shutdown()
    hook.server_close()
    # Nothing of it is left for other tests.
    lane.program("print('none')\n")
    assert lane.run("apply", "--local", "--skip-run", "--prune").code == 0


def test_each_end_is_told_once(lane: Lane, ears: Ears) -> None:
    lane.program(
        "import os, time\nprint('begun', flush=True)\ntime.sleep(1)\nexit(int(os.environ.get('EXIT', '0')))\n",
        deploy=NOTIFY,
    )
    first = lane.start("apply", "--local")
    until(lambda: lane.tasks("RUNNING"), "a task")
    second = lane.start("watch", "--local")  # both see it end, and one of them tells
    assert [one.wait(20) for one in (first, second)] == [0, 0]
    (told,) = ears.sns()
    assert (told["result"], told["exit_code"]) == ("succeeded", 0)
    assert told["message"] == f"tiny: run {told['run']} succeeded with exit code 0"
    (text,) = ears.webhook()
    assert normal(text["text"]).splitlines()[0] == "tiny: run RUN succeeded with exit code 0"
    assert "Nothing to run" in lane.run("apply", "--local").out
    lane.run("watch", "--local")
    assert (ears.sns(), ears.webhook()) == ([], []), "not again"

    failed = lane.run("apply", "--local", "--command", "python", "-c", "raise ValueError('no rows')")
    assert failed.code == 1
    (told,) = ears.sns()
    assert (told["result"], told["cause"]) == ("failed", "the program failed: ValueError: no rows")
    (text,) = ears.webhook()
    assert re.sub(r"\d{8}-\d{6}-[0-9a-f]{8}", "RUN", text["text"]).splitlines() == [
        "tiny: run RUN failed with exit code 1",
        next(line for line in text["text"].splitlines() if line.startswith("ran for ")),
        "cost at most $0.0002",
        "reason: Essential container in task exited",
        "why: the program failed: ValueError: no rows",
        "fix: correct the program or its input",
        "more: python -m reconciler diagnose RUN",
    ]

    # A sweep is told of as a whole.
    lane.run("apply", "--local", "--count", "2", "--env", "EXIT=3")
    (told,) = ears.sns()
    assert (told["result"], told["runs"], len(told["failed"])) == ("failed", 2, 2)
    assert len(ears.webhook()) == 1


def test_only_failures_and_what_cannot_be_sent(lane: Lane, ears: Ears) -> None:
    only = NOTIFY + "  on: failure\n"
    lane.program("print('good')\n# only failures\n", deploy=only)
    assert lane.run("apply", "--local").code == 0
    assert (ears.sns(), ears.webhook()) == ([], [])
    ears.hook.answers = [503, 503]
    assert lane.run("apply", "--local", "--command", "python", "-c", "print(1); exit(4)").code == 4
    assert (len(ears.sns()), len(ears.webhook())) == (1, 1), "after two answers that ask to come again"
    ears.hook.answers = [404]
    lost = lane.run("apply", "--local", "--command", "python", "-c", "print(1); exit(5)")
    assert lost.code == 5, "the task's code all the same"
    assert "nobody was told of the end by the webhook: the webhook answered 404" in lost.err
    assert "hunter2" not in lost.out + lost.err + lane.run("plan", "--local", "--verbose").err


def test_a_run_of_the_schedule_that_nobody_watches(lane: Lane, ears: Ears) -> None:
    program = "import os\nprint('begun', os.environ['RUN_ID'])\nraise SystemExit({})\n"
    lane.program(program.format(0), deploy=NOTIFY + SCHEDULE)
    made = lane.run("apply", "--local", "--skip-run")
    assert made.code == 0, made.out + made.err
    assert "nobody is told" not in made.err
    schedule = lane.client("scheduler").get_schedule(Name="tiny-schedule")
    assert (schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"]) == (
        "cron(0 6 * * ? *)", "Europe/Berlin",
    )  # fmt: skip
    assert schedule["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 3}

    lane.program(program.format(0), deploy=NOTIFY.replace("  subscribers", "  #") + SCHEDULE)
    noted = lane.run("plan", "--local").err
    assert "note: nobody is told how the schedule's runs end" in noted
    assert "max_duration" not in noted

    def fired() -> Any:
        """Its time has come; what the topic then tells."""
        lane.control("POST", "schedules/default/tiny-schedule")
        (told,) = until(ears.sns, "the message about it")
        return told

    told = fired()
    assert (told["result"], told["message"]) == ("succeeded", "tiny: a scheduled run succeeded")
    # It is among the runs, is found by its task, has its log and its code, and isn't told of again.
    assert "succeeded  exit 0" in lane.run("runs", "--local").out.splitlines()[0]
    task = told["task"].rpartition("/")[2]
    assert lane.run("logs", task, "--local").out.startswith("begun scheduled-")
    assert lane.run("watch", task, "--local").code == 0

    lane.program(program.format(7), deploy=NOTIFY + SCHEDULE)
    assert lane.run("apply", "--local", "--skip-run").code == 0
    told = fired()
    assert (told["result"], told["containers"][0]["exitCode"]) == ("failed", 7)
    assert lane.run("watch", "--local").code == 7
    # One that never starts has no exit code at all.
    lane.behave({"do": "start-error", "code": "CannotPullContainerError", "message": "x: not found"})
    told = fired()
    assert (told["result"], told["stop_code"], told["reason"]) == (
        "failed", "TaskFailedToStart", "CannotPullContainerError: x: not found",
    )  # fmt: skip
    assert lane.run("watch", "--local").code == 122
    assert (ears.sns(), ears.webhook()) == ([], [])

    # A run that somebody starts isn't the schedule's: it is told of once, by whoever watches.
    assert lane.run("apply", "--local").code == 7
    assert [one["result"] for one in ears.sns()] == ["failed"]


def test_a_launch_of_the_schedule_that_fails_is_a_dead_letter(lane: Lane, ears: Ears) -> None:
    lane.program("print('never')\n", deploy=SCHEDULE)
    assert lane.run("apply", "--local", "--skip-run").code == 0
    iam = lane.client("iam")
    policy = json.dumps(iam.get_role_policy(RoleName="tiny-schedule-role", PolicyName="launch")["PolicyDocument"])
    broken = policy.replace("ecs:RunTask", "ecs:StopTask")
    iam.put_role_policy(RoleName="tiny-schedule-role", PolicyName="launch", PolicyDocument=broken)
    lane.control("POST", "schedules/default/tiny-schedule")
    queue = ears.sqs.get_queue_url(QueueName="tiny-schedule-dead-letters")["QueueUrl"]
    (letter,) = until(
        lambda: ears.sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"]).get("Messages"), "a letter"
    )
    assert "is not authorized to perform: ecs:RunTask" in letter["MessageAttributes"]["ERROR_MESSAGE"]["StringValue"]
    # It is drift, which the next apply puts right.
    assert "~ role             tiny-schedule-role" in lane.run("plan", "--local").out


def test_an_interrupted_run_is_told_when_its_end_is_seen(lane: Lane, ears: Ears) -> None:
    lane.program("import time\nprint('begun', flush=True)\ntime.sleep(60)\n# told later\n", deploy=NOTIFY)
    ours = lane.start("apply", "--local")
    assert ours.stdout is not None
    while "| begun" not in ours.stdout.readline():
        pass
    ours.send_signal(signal.SIGINT)
    assert ours.wait(10) == 130
    assert ears.sns() == []
    assert lane.run("watch", "--local").code == 123
    assert [one["result"] for one in ears.sns()] == ["stopped"]
