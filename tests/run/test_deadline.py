"""The deadline: it holds when nobody watches; what its role and CI may do for it, and nothing more."""

from __future__ import annotations

import json
import re
from typing import Any

from reconciler.config.resource_names import Facts
from reconciler.config.schema import Deploy
from reconciler.core.run_paths import schedule_prefix
from reconciler.core.spec import Address
from reconciler.kinds import PolicySpec, RoleSpec
from reconciler.lower import lower
from reconciler.run.stop_schedule import schedule_name
from tests.run.conftest import SLEEPS, Lane, golden, records
from tests.waiting import until

FACTS = Facts("123456789012", "aws", "vpc-1", ("subnet-1",))


def deploy(**run: object) -> Deploy:
    written = {"name": "tiny", "image": {"uri": "x"}, "ci": {"user": {}}, "run": run}
    return Deploy.model_validate(written).filled()


def test_a_role_that_may_stop_these_tasks_and_nothing_else() -> None:
    assert Address("role", "tiny-stop-role") not in lower(deploy(), FACTS).nodes
    role = lower(deploy(max_duration="2h"), FACTS).nodes[Address("role", "tiny-stop-role")].spec
    assert isinstance(role, RoleSpec)
    assert list(role.managed_policies) == []
    (document,) = role.inline_policies.values()
    (statement,) = json.loads(document.text())["Statement"]
    arn = "arn:aws:ecs:us-east-1:123456789012:task/tiny/*"
    assert (statement["Effect"], statement["Action"], statement["Resource"]) == ("Allow", "ecs:StopTask", arn)
    assert '"scheduler.amazonaws.com"' in role.trust.text()
    assert '"aws:SourceAccount":"123456789012"' in role.trust.text().replace(": ", ":")


def ci_policy(**run: object) -> list[dict[str, Any]]:
    spec = lower(deploy(**run), FACTS).nodes[Address("policy", "tiny-ci-policy")].spec
    assert isinstance(spec, PolicySpec)
    statements: list[dict[str, Any]] = json.loads(spec.document.text())["Statement"]
    return statements


def test_ci_may_make_these_schedules_only_where_there_is_a_deadline() -> None:
    assert "scheduler" not in json.dumps(ci_policy())
    statements = [statement for statement in ci_policy(max_duration="2h") if "scheduler" in json.dumps(statement)]
    handed, made = sorted(statements, key=lambda statement: "Condition" not in statement)
    assert sorted(made["Action"]) == [f"scheduler:{verb}Schedule" for verb in ("Create", "Delete", "Update")]
    assert made["Resource"] == "arn:aws:scheduler:us-east-1:123456789012:schedule/default/tiny.*"
    assert (handed["Action"], handed["Resource"]) == ("iam:PassRole", "arn:aws:iam::123456789012:role/tiny-stop-role")
    assert handed["Condition"] == {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}


def test_names_fit() -> None:
    longest = "a" * 40
    name = schedule_name(longest, "20260101-000000-aaaaaaaa-99-100")
    assert len(name) <= 64
    assert name.startswith(schedule_prefix(longest))
    # The role of the schedule's function may touch only what begins so.
    for length in (1, 26, 27, 28, 30, 31, 40):
        deploy = "a" * length
        names = [schedule_name(deploy, f"scheduled-20260101-000000-aaaaaaaa-{end}") for end in ("1", "100", "1-again")]
        assert all(
            made_name.startswith(f"{schedule_prefix(deploy)}scheduled-") and len(made_name) <= 64 for made_name in names
        )
        assert len(set(names)) == 3


def schedules(lane: Lane) -> list[str]:
    listed = lane.client("scheduler").list_schedules()["Schedules"]
    return [schedule["Name"] for schedule in listed]


def test_max_duration_holds_when_nobody_watches(lane: Lane) -> None:
    lane.program(f"{SLEEPS}# deadline\n", deploy="run:\n  max_duration: 60\n")
    ours = lane.start("apply", "--local", "--on-interrupt", "detach")
    (name,) = until(lambda: schedules(lane), "a schedule")
    schedule = lane.client("scheduler").get_schedule(Name=name)
    (task,) = until(lambda: lane.tasks("RUNNING"), "a running task")
    wanted = {"Cluster": "tiny", "Task": task["taskArn"], "Reason": "run.max_duration is over"}
    until(lambda: json.loads(lane.client("scheduler").get_schedule(Name=name)["Target"]["Input"]) == wanted, "its task")
    until(lambda: [attempt["task_arn"] for attempt in records(lane)[0]["attempts"]] == [task["taskArn"]], "its record")
    assert schedule["ActionAfterCompletion"] == "DELETE"
    assert schedule["Target"]["RoleArn"].endswith(":role/tiny-stop-role")
    assert re.fullmatch(r"at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)", schedule["ScheduleExpression"])
    ours.kill()  # not even a word of good-bye
    ours.wait()
    # Its time has come: the scheduler calls StopTask, as the role that may do nothing else, and deletes the schedule.
    due = {key: schedule[key] for key in ("Name", "FlexibleTimeWindow", "ActionAfterCompletion")}
    target = lane.client("scheduler").get_schedule(Name=name)["Target"]
    lane.client("scheduler").update_schedule(**due, Target=target, ScheduleExpression="at(2001-02-03T04:05:06)")
    until(lambda: not lane.tasks("RUNNING"), "its end")
    until(lambda: not schedules(lane), "the schedule's end")
    ended = lane.run("watch", "--local")
    assert ended.code == 123, ended.out + ended.err
    assert "  why      it ran longer than its run.max_duration of 60 s\n" in ended.out
    golden("max-duration", ended)


def test_a_run_that_ends_in_time_leaves_no_schedule(lane: Lane) -> None:
    lane.program("print('quick')\n", deploy="run:\n  max_duration: 1h\n")
    assert lane.run("apply", "--local").code == 0
    assert schedules(lane) == []
