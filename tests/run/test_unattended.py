"""Who is told how runs end: real queues, a real webhook, real processes."""

from __future__ import annotations

import json
import re
import signal

from tests.run.conftest import Gate, Lane, normal
from tests.run.ears import NOTIFY, SCHEDULE, Ears
from tests.waiting import LONG, until, until_printed


def test_each_end_is_told_once(lane: Lane, ears: Ears, gate: Gate) -> None:
    lane.program(
        f"import os\nprint('begun', flush=True)\n{gate.wait}exit(int(os.environ.get('EXIT', '0')))\n", deploy=NOTIFY
    )
    first = lane.start("apply", "--local")
    until(lambda: lane.tasks("RUNNING"), "a task")
    second = lane.start("watch", "--local")
    until_printed(second, "| begun")
    gate.open()  # both see it end, and one of them tells
    assert [client.wait(LONG) for client in (first, second)] == [0, 0]
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
    assert "no notification of the end was sent by the webhook: the webhook answered 404" in lost.err
    assert "hunter2" not in lost.out + lost.err + lane.run("plan", "--local", "--verbose").err


def test_a_schedule_that_may_not_call_its_function_is_a_dead_letter(lane: Lane, ears: Ears) -> None:
    lane.program("print('never')\n", deploy=SCHEDULE)
    assert lane.run("apply", "--local", "--skip-run").code == 0
    iam = lane.client("iam")
    policy = json.dumps(iam.get_role_policy(RoleName="tiny-schedule-role", PolicyName="launch")["PolicyDocument"])
    broken = policy.replace("lambda:InvokeFunction", "lambda:GetFunction")
    iam.put_role_policy(RoleName="tiny-schedule-role", PolicyName="launch", PolicyDocument=broken)
    lane.control("POST", "schedules/default/tiny-schedule")
    queue = ears.sqs.get_queue_url(QueueName="tiny-schedule-dead-letters")["QueueUrl"]
    (letter,) = until(
        lambda: ears.sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"]).get("Messages"), "a letter"
    )
    assert (
        "is not authorized to perform: lambda:InvokeFunction"
        in letter["MessageAttributes"]["ERROR_MESSAGE"]["StringValue"]
    )
    # It is drift, which the next apply puts right.
    assert "~ role             tiny-schedule-role" in lane.run("plan", "--local").out


def test_an_interrupted_run_is_told_when_its_end_is_seen(lane: Lane, ears: Ears) -> None:
    lane.program("import time\nprint('begun', flush=True)\ntime.sleep(600)\n# told later\n", deploy=NOTIFY)
    ours = lane.start("apply", "--local")
    until_printed(ours, "| begun")
    ours.send_signal(signal.SIGINT)
    assert ours.wait(LONG) == 130
    assert ears.sns() == []
    assert lane.run("watch", "--local").code == 123
    assert [message["result"] for message in ears.sns()] == ["stopped"]
