"""A task runs for real: its states, its environment, its lines, its end."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from tests.local_fixtures import EmbeddedAws, unique
from tests.waiting import until


def test_exit_code_and_every_line_of_many_printed_at_once(embedded_aws: EmbeddedAws) -> None:
    arn = embedded_aws.launch_python(
        "import os, sys\n"
        "sys.stdout.write(''.join(f'line {n}\\n' for n in range(10000)) + 'the end')\n"
        "sys.stdout.flush()\nos._exit(37)\n"
    )
    task = embedded_aws.finished(arn)
    assert task["containers"][0]["exitCode"] == 37
    assert (task["stopCode"], task["stoppedReason"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
    )
    assert task["desiredStatus"] == "STOPPED"
    assert embedded_aws.lines(arn) == [f"line {n}" for n in range(10000)] + ["the end"]


def test_timestamps_are_there_and_in_order(embedded_aws: EmbeddedAws) -> None:
    task = embedded_aws.finished(embedded_aws.launch_python("print('hello')"))
    names = ["createdAt", "connectivityAt", "pullStartedAt", "pullStoppedAt", "startedAt"]
    names += ["stoppingAt", "executionStoppedAt", "stoppedAt"]
    assert [task[name] for name in names] == sorted(task[name] for name in names)


def test_states_pass_in_order_and_the_exit_code_comes_with_the_end(embedded_aws: EmbeddedAws) -> None:
    embedded_aws.behaviour(
        *(
            {"do": "state-delay", "state": state, "seconds": 0.1}
            for state in ("PROVISIONING", "PENDING", "DEPROVISIONING")
        )
    )
    arn = embedded_aws.launch_python("import time; time.sleep(0.2); raise SystemExit(3)")
    seen: list[tuple[str, int | None]] = []

    def look() -> bool:
        task = embedded_aws.describe(arn)
        state = (task["lastStatus"], task["containers"][0].get("exitCode"))
        if state not in seen:
            seen.append(state)
        return bool(state[0] == "STOPPED")

    until(look, "the end of the task")
    assert seen == [("PROVISIONING", None), ("PENDING", None), ("RUNNING", None), ("DEPROVISIONING", 3), ("STOPPED", 3)]


def test_no_look_at_a_task_sees_half_a_change(embedded_aws: EmbeddedAws) -> None:
    image = embedded_aws.put_image({}, cmd=["sh", "-c", "echo said; exit 6"])
    family = embedded_aws.register(embedded_aws.container(image))
    arns = [task["taskArn"] for task in embedded_aws.run_task(family, count=10)["tasks"]]
    ecs = embedded_aws.client("ecs")
    wrong: list[object] = []

    def look() -> bool:
        tasks = ecs.describe_tasks(cluster="tests", tasks=arns)["tasks"]
        for task in tasks:
            container = task["containers"][0]
            over = task["lastStatus"] in ("DEPROVISIONING", "STOPPED")
            consistent = [
                ("exitCode" in container) == over == (container["lastStatus"] == "STOPPED"),
                ("stopCode" in task) == (task["desiredStatus"] == "STOPPED") == ("stoppingAt" in task),
                ("startedAt" in task) == (task["lastStatus"] == "RUNNING" or over),
                ("stoppedAt" in task) == (task["lastStatus"] == "STOPPED"),
                not over or embedded_aws.lines(task["taskArn"]) == ["said"],
            ]
            if not all(consistent):
                wrong.append((consistent, task))
        return all(task["lastStatus"] == "STOPPED" for task in tasks)

    until(look, "the end of all tasks")
    assert wrong == []


def test_run_task_answers_provisioning_with_everything_it_was_given(embedded_aws: EmbeddedAws) -> None:
    family = embedded_aws.register(embedded_aws.container(embedded_aws.python_image("pass")))
    overrides = {
        "containerOverrides": [{"name": "main", "environment": [{"name": "A", "value": "1"}]}],
        "cpu": "512",
        "memory": "1024",
    }
    answer = embedded_aws.run_task(
        family, startedBy="me", overrides=overrides, tags=[{"key": "k", "value": "v"}], enableExecuteCommand=False
    )
    task = answer["tasks"][0]
    assert (task["lastStatus"], task["desiredStatus"], task["startedBy"]) == ("PROVISIONING", "RUNNING", "me")
    assert (task["group"], task["platformVersion"], task["launchType"]) == (f"family:{family}", "1.4.0", "FARGATE")
    assert (task["cpu"], task["memory"]) == ("512", "1024")
    assert task["overrides"]["containerOverrides"] == overrides["containerOverrides"]
    assert task["tags"] == [{"key": "k", "value": "v"}]
    details = {item["name"]: item["value"] for item in task["attachments"][0]["details"]}
    assert details["networkInterfaceId"].startswith("eni-")
    assert "exitCode" not in task["containers"][0]
    embedded_aws.finished(task["taskArn"])
    interfaces = embedded_aws.client("ec2").describe_network_interfaces()["NetworkInterfaces"]
    assert details["networkInterfaceId"] not in [interface["NetworkInterfaceId"] for interface in interfaces]


def test_environment_is_clean_and_layered(embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    ssm, secrets = embedded_aws.client("ssm"), embedded_aws.client("secretsmanager")
    parameter = f"/{unique('parameter')}"
    ssm.put_parameter(Name=parameter, Value="from ssm", Type="SecureString")
    secret = secrets.create_secret(Name=unique("secret"), SecretString=json.dumps({"inner": "from secret"}))["ARN"]
    container = embedded_aws.container(
        embedded_aws.python_image(
            "import json, os, sys; print(json.dumps([dict(os.environ), sys.executable, os.getcwd()]))",
            env={"IMAGE": "image", "BOTH": "image"},
        ),
        environment=[{"name": "BOTH", "value": "definition"}, {"name": "LAST", "value": "definition"}],
        secrets=[
            {"name": "PLAIN", "valueFrom": parameter},
            {"name": "INNER", "valueFrom": f"{secret}:inner::"},
        ],
    )
    overrides = {"containerOverrides": [{"name": "main", "environment": [{"name": "LAST", "value": "override"}]}]}
    arn = embedded_aws.launch(embedded_aws.register(container), overrides=overrides)
    assert embedded_aws.finished(arn)["containers"][0]["exitCode"] == 0
    environment, executable, folder = json.loads(embedded_aws.lines(arn)[0])
    expected = {
        "IMAGE": "image", "BOTH": "definition", "LAST": "override", "PLAIN": "from ssm", "INNER": "from secret",
        "AWS_ENDPOINT_URL": embedded_aws.endpoint_url, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
    }  # fmt: skip
    assert {name: environment[name] for name in expected} == expected
    ours = {"PATH", "HOME", "TMPDIR", "LANG", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    ours |= {"AWS_EC2_METADATA_DISABLED", "AWS_EXECUTION_ENV", "LC_CTYPE"}
    assert environment.keys() - expected.keys() <= ours
    assert str(embedded_aws.home) in environment["HOME"]
    assert str(embedded_aws.home) in folder
    assert executable.startswith(environment["PATH"].split(":")[0])


def test_a_task_can_use_the_embedded_aws(embedded_aws: EmbeddedAws) -> None:
    bucket = unique("bucket")
    embedded_aws.client("s3").create_bucket(Bucket=bucket)
    arn = embedded_aws.launch_python(
        f"import boto3; boto3.client('s3').put_object(Bucket={bucket!r}, Key='k', Body=b'b')"
    )
    assert embedded_aws.finished(arn)["containers"][0]["exitCode"] == 0, embedded_aws.lines(arn)
    assert embedded_aws.client("s3").get_object(Bucket=bucket, Key="k")["Body"].read() == b"b"


def test_a_task_can_not_change_its_image(embedded_aws: EmbeddedAws) -> None:
    image = embedded_aws.put_image({"note": "as built"}, cmd=["sh", "-c", "cat note; echo; echo changed > note"])
    family = embedded_aws.register(embedded_aws.container(image))
    for _ in range(2):
        arn = embedded_aws.launch(family)
        embedded_aws.finished(arn)
        assert embedded_aws.lines(arn) == ["as built"]
    assert not list((embedded_aws.home / "tasks").iterdir())


@pytest.mark.parametrize(
    ("image", "definition", "override", "expected"),
    [
        (([], ["echo", "a"]), {}, {}, "a"),
        ((["echo", "e"], ["a"]), {}, {}, "e a"),
        ((["echo", "e"], ["a"]), {"command": ["b"]}, {}, "e b"),
        ((["echo", "e"], ["a"]), {"command": ["b"]}, {"command": ["c"]}, "e c"),
        ((["false"], ["a"]), {"entryPoint": ["echo", "x"]}, {}, "x"),
        ((["false"], ["a"]), {"entryPoint": ["echo", "x"]}, {"command": ["c"]}, "x c"),
    ],
)
def test_entry_point_and_command_are_put_together_as_docker_does(
    embedded_aws: EmbeddedAws,
    image: tuple[list[str], list[str]],
    definition: dict[str, Any],
    override: dict[str, list[str]],
    expected: str,
) -> None:
    reference = embedded_aws.put_image({}, entrypoint=image[0], cmd=image[1])
    family = embedded_aws.register(embedded_aws.container(reference, **definition))
    arn = embedded_aws.launch(family, overrides={"containerOverrides": [{"name": "main", **override}]})
    embedded_aws.finished(arn)
    assert embedded_aws.lines(arn) == [expected]


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_program_ended_by_a_signal_exits_with_128_and_its_number(embedded_aws: EmbeddedAws, number: int) -> None:
    task = embedded_aws.finished(embedded_aws.launch_python(f"import os; os.kill(os.getpid(), {int(number)})"))
    assert task["containers"][0]["exitCode"] == 128 + number
    assert "reason" not in task["containers"][0]


def test_stop_task_sends_sigterm_and_says_who(embedded_aws: EmbeddedAws) -> None:
    arn = embedded_aws.launch_python(
        # Not `print` in the handler: the signal may come in the middle of the other one.
        "import os, signal, sys, time\n"
        "def end(*_):\n    os.write(1, b'told to end\\n')\n    sys.exit(9)\n"
        "signal.signal(signal.SIGTERM, end)\nprint('ready', flush=True)\ntime.sleep(600)\n"
    )
    until(lambda: embedded_aws.describe(arn)["lastStatus"] == "RUNNING" and embedded_aws.lines(arn), "its first line")
    answer = embedded_aws.client("ecs").stop_task(cluster="tests", task=arn, reason="enough")["task"]
    assert (answer["desiredStatus"], answer["stopCode"], answer["stoppedReason"]) == (
        "STOPPED",
        "UserInitiated",
        "enough",
    )
    assert answer["lastStatus"] != "STOPPED"
    task = embedded_aws.finished(arn)
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "enough")
    assert task["containers"][0]["exitCode"] == 9
    assert embedded_aws.lines(arn) == ["ready", "told to end"]
    again = embedded_aws.client("ecs").stop_task(cluster="tests", task=arn, reason="again")["task"]
    assert again["stoppedReason"] == "enough"


def test_a_task_that_ignores_sigterm_is_killed_after_its_stop_timeout(embedded_aws: EmbeddedAws) -> None:
    embedded_aws.behaviour({"do": "stop-timeout", "seconds": 0.3})
    arn = embedded_aws.launch_python(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(99)"
    )
    until(lambda: embedded_aws.describe(arn)["lastStatus"] == "RUNNING" and embedded_aws.lines(arn), "its first line")
    embedded_aws.client("ecs").stop_task(cluster="tests", task=arn)
    task = embedded_aws.finished(arn)
    assert (task["stopCode"], task["containers"][0]["exitCode"]) == ("UserInitiated", 137)


def test_a_task_stopped_before_it_runs_has_no_exit_code(embedded_aws: EmbeddedAws) -> None:
    embedded_aws.behaviour({"do": "state-delay", "state": "PENDING", "seconds": 30})
    arn = embedded_aws.launch_python("print('never')")
    embedded_aws.in_status(arn, "PENDING")
    embedded_aws.client("ecs").stop_task(cluster="tests", task=arn)
    task = embedded_aws.finished(arn)
    assert task["stopCode"] == "UserInitiated"
    assert "exitCode" not in task["containers"][0]
    assert "startedAt" not in task


def test_too_much_memory_is_ended_as_ecs_does_it(embedded_aws: EmbeddedAws) -> None:
    arn = embedded_aws.launch_python(
        "import time\nprint('growing', flush=True)\nkept = []\n"
        "while True:\n    kept.append(b'x' * 2**24)\n    time.sleep(0.002)\n"
    )
    container = embedded_aws.finished(arn)["containers"][0]
    assert container["exitCode"] == 137
    assert container["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    assert embedded_aws.lines(arn) == ["growing"]


def test_memory_of_children_counts_and_they_die_with_the_task(embedded_aws: EmbeddedAws) -> None:
    arn = embedded_aws.launch_python(
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n    kept = []\n"
        "    while True:\n        kept.append(b'x' * 2**24)\n        time.sleep(0.005)\n"
        "time.sleep(600)\n"
    )
    container = embedded_aws.finished(arn)["containers"][0]
    assert (container["exitCode"], container["reason"].split(":")[0]) == (137, "OutOfMemoryError")


def test_memory_below_the_limit_is_left_alone(embedded_aws: EmbeddedAws) -> None:
    arn = embedded_aws.launch_python("import time; kept = b'x' * (400 * 2**20); time.sleep(0.3); print(len(kept))")
    assert embedded_aws.finished(arn)["containers"][0]["exitCode"] == 0
    assert embedded_aws.lines(arn) == [str(400 * 2**20)]


def test_children_of_a_task_end_with_it(embedded_aws: EmbeddedAws) -> None:
    arn = embedded_aws.launch_python(
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'], start_new_session=True)\n"
        "print(child.pid)\n"
    )
    embedded_aws.finished(arn)
    pid = int(embedded_aws.lines(arn)[0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
