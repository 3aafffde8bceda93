"""What the embedded ECS is asked to do wrong, and does."""

from __future__ import annotations

import pytest

from reconciler.local.behaviour import Behaviour
from tests.local_fixtures import EmbeddedAws, unique
from tests.waiting import until

SLEEP = "print('ready', flush=True)\nimport time\ntime.sleep(600)\n"
LOOP = "import time\nfor n in range(1000):\n    print('line', n, flush=True)\n    time.sleep(0.01)\n"


def test_no_capacity_at_run_task_for_spot_only(embedded_aws: EmbeddedAws) -> None:
    embedded_aws.behaviour({"do": "no-capacity", "capacityProvider": "FARGATE_SPOT", "times": 2})
    family = embedded_aws.register(embedded_aws.container(embedded_aws.put_image({}, cmd=["true"])))

    def run(provider: str) -> tuple[int, list[str]]:
        strategy = [{"capacityProvider": provider, "weight": 1}]
        answer = embedded_aws.run_task(family, capacityProviderStrategy=strategy)
        return len(answer["tasks"]), [failure["reason"] for failure in answer["failures"]]

    words = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
    assert run("FARGATE_SPOT") == (0, [words])
    assert run("FARGATE") == (1, [])
    assert run("FARGATE_SPOT") == (0, [words])
    assert run("FARGATE_SPOT") == (1, [])


def test_a_refused_launch_can_be_tried_again_with_the_same_token(embedded_aws: EmbeddedAws) -> None:
    embedded_aws.behaviour({"do": "no-capacity", "reason": "RESOURCE:FARGATE"})
    family = embedded_aws.register(embedded_aws.container(embedded_aws.put_image({}, cmd=["true"])))
    token = unique("token")
    assert embedded_aws.run_task(family, clientToken=token)["failures"][0]["reason"] == "RESOURCE:FARGATE"
    assert len(embedded_aws.run_task(family, clientToken=token)["tasks"]) == 1


def test_no_capacity_after_the_launch(embedded_aws: EmbeddedAws) -> None:
    embedded_aws.behaviour({"do": "no-capacity", "when": "start"})
    task = embedded_aws.finished(embedded_aws.launch_python("pass"))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("Capacity is unavailable at this time.")
    assert "exitCode" not in task["containers"][0]


def test_spot_interruption_after_some_lines_shows_while_the_task_still_runs(embedded_aws: EmbeddedAws) -> None:
    embedded_aws.behaviour({"do": "spot-interruption", "after_lines": 3})
    arn = embedded_aws.launch_python(
        "import os, signal, sys, time\n"
        # Not `print`, which may be under way in the program at that moment and then refuses.
        "def end(*_):\n    time.sleep(0.5); os.write(1, b'saved\\n'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n" + LOOP,
        capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
    )
    seen = until(lambda: (task := embedded_aws.describe(arn)).get("stopCode") and task, "a stop code")
    assert (seen["stopCode"], seen["stoppedReason"]) == ("SpotInterruption", "Your Spot Task was interrupted.")
    assert seen["lastStatus"] != "STOPPED"
    task = embedded_aws.finished(arn)
    assert (task["stopCode"], task["containers"][0]["exitCode"]) == ("SpotInterruption", 0)
    lines = embedded_aws.lines(arn)
    assert lines[:3] == ["line 0", "line 1", "line 2"]
    assert lines[-1] == "saved"


def test_spot_interruption_after_some_time(embedded_aws: EmbeddedAws) -> None:
    embedded_aws.behaviour({"do": "spot-interruption", "after_seconds": 0.2})
    task = embedded_aws.finished(embedded_aws.launch_python(SLEEP))
    assert (task["stopCode"], task["containers"][0]["exitCode"]) == ("SpotInterruption", 143)


def test_a_lower_memory_limit_is_really_enforced(embedded_aws: EmbeddedAws) -> None:
    embedded_aws.behaviour({"do": "memory-limit", "mib": 64})
    arn = embedded_aws.launch_python("import time; kept = b'x' * (100 * 2**20); time.sleep(600)")
    container = embedded_aws.finished(arn)["containers"][0]
    assert (container["exitCode"], container["reason"].split(":")[0]) == (137, "OutOfMemoryError")


def test_lines_that_come_late_come_after_the_end(embedded_aws: EmbeddedAws) -> None:
    embedded_aws.behaviour({"do": "log-delay", "seconds": 2})
    arn = embedded_aws.launch_python("print('one'); print('two')")
    embedded_aws.finished(arn)
    assert embedded_aws.lines(arn) == []
    until(lambda: len(embedded_aws.lines(arn)) == 2, "the late lines")
    assert embedded_aws.lines(arn) == ["one", "two"]
    stream = f"run/main/{arn.split('/')[-1]}"
    events = embedded_aws.client("logs").get_log_events(logGroupName="/tests", logStreamName=stream)["events"]
    assert all(event["ingestionTime"] - event["timestamp"] >= 1900 for event in events)


def test_lines_are_lost_only_where_the_log_does_not_block(embedded_aws: EmbeddedAws) -> None:
    """A mode that isn't given is the account's, and non-blocking where that says nothing."""
    ecs, name = embedded_aws.client("ecs"), "defaultLogDriverMode"
    image = embedded_aws.python_image("for n in range(5): print(n)")

    def lines(**options: str) -> int:
        container = embedded_aws.container(image)
        container["logConfiguration"]["options"] |= options
        embedded_aws.behaviour({"do": "log-loss", "after_lines": 2})
        arn = embedded_aws.launch(embedded_aws.register(container))
        embedded_aws.finished(arn)
        return len(embedded_aws.lines(arn))

    assert [lines(), lines(mode="blocking"), lines(mode="non-blocking", **{"max-buffer-size": "1m"})] == [2, 5, 2]
    ecs.put_account_setting(name=name, value="blocking")
    try:
        assert lines() == 5
    finally:
        ecs.delete_account_setting(name=name)


def test_missing_just_after_the_launch(embedded_aws: EmbeddedAws) -> None:
    embedded_aws.behaviour({"do": "missing", "looks": 2})
    arn = embedded_aws.launch_python("pass")
    ecs = embedded_aws.client("ecs")
    answers = [ecs.describe_tasks(cluster="tests", tasks=[arn]) for _ in range(3)]
    assert [len(answer["failures"]) for answer in answers] == [1, 1, 0]
    assert answers[0]["failures"] == [{"arn": arn, "reason": "MISSING"}]
    embedded_aws.finished(arn)


def test_a_stopped_task_is_forgotten(embedded_aws: EmbeddedAws) -> None:
    embedded_aws.behaviour({"do": "expire", "seconds": 0.2})
    arn = embedded_aws.launch_python("pass")
    ecs = embedded_aws.client("ecs")
    until(lambda: ecs.describe_tasks(cluster="tests", tasks=[arn])["failures"], "the task's being forgotten")
    assert arn not in ecs.list_tasks(cluster="tests", desiredStatus="STOPPED")["taskArns"]


def test_errors_at_the_start_and_a_missing_exit_code(embedded_aws: EmbeddedAws) -> None:
    words = "pull access denied, repository does not exist or may require authorization"
    embedded_aws.behaviour({"do": "start-error", "code": "CannotPullContainerError", "message": words})
    task = embedded_aws.finished(embedded_aws.launch_python("pass"))
    assert task["stoppedReason"] == f"CannotPullContainerError: {words}"
    embedded_aws.behaviour({"do": "no-exit-code"})
    task = embedded_aws.finished(embedded_aws.launch_python("pass"))
    assert task["stopCode"] == "EssentialContainerExited"
    assert "exitCode" not in task["containers"][0]


def test_the_essential_container_ends_the_task_and_its_neighbour(embedded_aws: EmbeddedAws) -> None:
    helper = embedded_aws.container(embedded_aws.put_image({}, cmd=["sleep", "60"]), "helper", essential=False)
    main = embedded_aws.container(embedded_aws.python_image("print('main'); raise SystemExit(5)"))
    arn = embedded_aws.launch(embedded_aws.register(helper, main))
    task = embedded_aws.finished(arn)
    assert {c["name"]: c["exitCode"] for c in task["containers"]} == {"helper": 143, "main": 5}
    assert task["stopCode"] == "EssentialContainerExited"
    assert embedded_aws.lines(arn, "main") == ["main"]
    assert embedded_aws.lines(arn, "helper") == []


def test_a_container_that_is_not_essential_may_end_first(embedded_aws: EmbeddedAws) -> None:
    helper = embedded_aws.container(embedded_aws.put_image({}, cmd=["false"]), "helper", essential=False)
    main = embedded_aws.container(embedded_aws.python_image(SLEEP))
    arn = embedded_aws.launch(embedded_aws.register(main, helper))

    def look() -> bool:
        task = embedded_aws.describe(arn)
        return bool(task["lastStatus"] == "RUNNING" and task["containers"][1].get("exitCode") == 1)

    until(look, "a running task with a container that has ended")
    embedded_aws.client("ecs").stop_task(cluster="tests", task=arn)
    assert embedded_aws.finished(arn)["stopCode"] == "UserInitiated"


@pytest.mark.parametrize(
    ("code", "condition", "runs"), [(0, "SUCCESS", True), (1, "SUCCESS", False), (1, "COMPLETE", True)]
)
def test_depends_on(embedded_aws: EmbeddedAws, code: int, condition: str, runs: bool) -> None:
    first = embedded_aws.container(
        embedded_aws.python_image(f"import time; time.sleep(0.1); raise SystemExit({code})"), "first", essential=False
    )
    main = embedded_aws.container(
        embedded_aws.put_image({}, cmd=["echo", "after"]),
        dependsOn=[{"containerName": "first", "condition": condition}],
    )
    arn = embedded_aws.launch(embedded_aws.register(main, first))
    task = embedded_aws.finished(arn)
    if runs:
        assert task["stopCode"] == "EssentialContainerExited"
        assert embedded_aws.lines(arn) == ["after"]
        assert task["containers"][0]["exitCode"] == 0
    else:
        assert task["stopCode"] == "TaskFailedToStart"
        assert task["containers"][0]["reason"] == "dependency container first exited with exit code 1"


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({}, "must be a JSON list"),
        ([{"do": "nothing"}], "rule 1: 'do' must be one of"),
        ([{"do": "no-capacity"}, {"do": "missing"}], "rule 2 .missing.: 'looks' is missing"),
        ([{"do": "missing", "looks": "2"}], "looks has the wrong type"),
        ([{"do": "missing", "looks": 1, "hours": 2}], "unknown key 'hours'"),
        ([{"do": "state-delay", "state": "RUNNING", "seconds": 1}], "'state' must be one of"),
        ([{"do": "no-capacity", "when": "never"}], "'when' must be"),
    ],
)
def test_rules_that_are_wrong_are_refused_with_a_word(rules: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Behaviour().replace(rules)


def test_rules_count_and_match(embedded_aws: EmbeddedAws) -> None:
    rules = Behaviour()
    rules.replace([{"do": "no-capacity", "family": "a", "skip": 1, "times": 2}])
    taken = [len(rules.take("no-capacity", {"family": family})) for family in ("a", "b", "a", "a", "a")]
    assert taken == [0, 0, 1, 1, 0]
    status, answer = embedded_aws.control("POST", "behaviour", [{"do": "?"}])
    assert status == 400
    assert "rule 1" in answer["message"]
