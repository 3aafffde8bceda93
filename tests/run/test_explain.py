# ruff: noqa: E501  the texts are as AWS writes them
"""Why a task failed: every rule, with the texts that ECS, S3 and Python write, and what isn't known stays unknown."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli import markdown
from reconciler.cli.diagnose import SHOWN, advice
from reconciler.cli.where_files_are import in_context, of_data
from reconciler.config.schema import Deploy
from reconciler.core import secret
from reconciler.run import diagnosis, explain_end, explain_missing, explain_start, retry
from reconciler.run.diagnosis import LONGEST
from reconciler.run.explain import explain
from reconciler.run.retry import LOST_SCHEDULER, NOT_BEGUN, Event
from tests.run.samples import case
from tests.work import assert_linear, processor

NOT_STARTED: dict[str, Any] = {"event": Event.NOT_STARTED, "exit_code": None}
PULL = "CannotPullContainerError: "
INIT = "ResourceInitializationError: "
AUTH = INIT + "unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve "
LOGS = INIT + "failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log "
SHIM = "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: "
DENIED = "botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the GetObject operation: "
USER = "User: arn:aws:sts::123456789012:assumed-role/my-task-role/0a1b is not authorized to perform: "
OWN = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
QUEUES = (
    "An error occurred (AccessDenied) when calling the ListQueues operation: "
    + USER
    + (
        "sqs:ListQueues on resource: arn:aws:sqs:us-east-1:1:* because no identity-based policy allows the sqs:ListQueues action"
    )
)
TRACE = "Traceback (most recent call last):"
FILE = '  File "/app/train.py", line 3, in <module>'

# reason or log, the cause (a part of it), sure, and a part of the change to deploy.yaml
STARTS = [
    (PULL + "pull image manifest has been retried 5 time(s): failed to resolve ref docker.io/library/a:b: "
     "docker.io/library/a:b: not found", "the image isn't there", True, ""),
    (PULL + "Error response from daemon: manifest for x:y not found: manifest unknown", "the image isn't there", True,
     ""),
    (PULL + "Error response from daemon: pull access denied for x, repository does not exist or may require "
     "'docker login': denied", "isn't there, or ECS may not pull it", False, ""),
    (PULL + "inspect image has been retried 5 time(s): httpReaderSeeker: failed open: unexpected status code "
     "https://registry/v2/x: 403 Forbidden", "ECS may not pull the image", True, ""),
    (AUTH + "ecr registry auth: service call has been retried 1 time(s): AccessDeniedException: User: … is not "
     "authorized to perform: ecr:GetAuthorizationToken on resource: *", "ECS may not pull the image", True, ""),
    (AUTH + 'ecr registry auth: service call has been retried 3 time(s): RequestError: send request failed caused by: '
     'Post "https://api.ecr.us-east-1.amazonaws.com/": dial tcp 52.46.1.1:443: i/o timeout', "no route to AWS", True,
     "public_ip: true"),
    (PULL + "ref pull has been retried 5 time(s): failed to copy: httpReadSeeker: failed open: failed to do request: "
     'Get "https://prod-us-east-1-starport-layer-bucket.s3.us-east-1.amazonaws.com/x": dial tcp: i/o timeout',
     "no route to AWS", True, "public_ip: true"),
    ("An error occurred (AccessDeniedException) when calling the RunTask operation: " + USER + "ecs:RunTask on resource: x",
     "the schedule's function may not launch the task", True, ""),
    ("An error occurred (ClientException) when calling the RunTask operation: TaskDefinition is inactive",
     "ECS refused to launch the task", True, ""),
    ("ECS launched nothing: it gave no reason", "ECS refused to launch the task", True, ""),
    (PULL + "toomanyrequests: You have reached your pull rate limit.", "no more pulls", True, ""),
    (PULL + "failed to extract layer: write /x: no space left on device", "larger than the task's disk", True,
     "ephemeral_storage"),
    (PULL + "image Manifest does not contain descriptor matching platform 'linux/amd64'", "isn't built for X86_64",
     True, "platform: ARM64"),
    (PULL + "something that nobody has seen", "the image can't be pulled", False, ""),
    (AUTH + "secret from asm: service call has been retried 1 time(s): AccessDeniedException: User: … is not authorized "
     "to perform: secretsmanager:GetSecretValue", "may not read a secret", True, ""),
    (AUTH + "secrets from ssm: service call has been retried 1 time(s): invalid parameters: /a/b",
     "a secret of the task can't be read", True, ""),
    (AUTH + "secret from asm: service call has been retried 5 time(s): failed to fetch secret: i/o timeout",
     "no route to AWS", True, "public_ip"),
    (LOGS + "stream: ResourceNotFoundException: The specified log group does not exist. : exit status 1",
     "the log group /ecs/my-task isn't there", True, ""),
    (LOGS + "stream: AccessDeniedException: User: … is not authorized to perform: logs:CreateLogStream",
     "ECS may not write the log", True, ""),
    (LOGS + "stream: RequestError: send request failed: dial tcp 1.2.3.4:443: i/o timeout", "no route to AWS", True,
     "public_ip"),
    (INIT + "failed to validate logger args: the log option awslogs-stream-prefix is missing", "can't write the log",
     False, ""),
    (SHIM + 'failed to create shim task: OCI runtime create failed: exec: "pyhton": executable file not found in '
     "$PATH: unknown", "the command isn't in the image", True, ""),
    (SHIM + "OCI runtime create failed: exec /app/train: exec format error", "isn't built for X86_64", True,
     "platform: ARM64"),
    ("Timeout waiting for network interface provisioning to complete.", "network interface", True, ""),
]  # fmt: skip

ENDS: list[tuple[str, dict[str, Any], str, bool, str]] = [
    ("OOM by ECS", {"exit_code": 137, "reason": "Essential container in task exited; OutOfMemoryError: Container killed "
     "due to memory usage"}, "out of memory: its peak reached the 2048 MiB", True, "memory: 4096"),
    ("OOM by numpy", {"log": [TRACE, FILE, ("numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8.00 GiB for "
     "an array with shape (1073741824,)")]}, "out of memory: it needs more than the 2048 MiB", True, "memory: 16384"),
    ("OOM at the top", {"exit_code": 137, "reason": "OutOfMemoryError", "cpu": 32768, "memory": 249856},
     "Fargate has no size that is enough", True, ""),
    ("OOM of a worker", {"reason": "Essential container in task exited; worker 3 was out of memory (16384 MiB)"},
     "worker 3 was out of memory (16384 MiB)", True, ""),
    ("a worker's end", {"reason": "Essential container in task exited; worker 3 ended: x, exit code 1"},
     "unknown", False, ""),
    ("a lost scheduler", {"event": Event.INTERRUPTION, "reason": f"{LOST_SCHEDULER} (exit code 137)"},
     LOST_SCHEDULER, True, ""),
    ("Spot", {"event": Event.INTERRUPTION, "exit_code": 143, "reason": "Your Spot Task was interrupted."},
     "Spot took the capacity back", True, "FARGATE_SPOT, FARGATE"),
    ("no room", {"event": Event.NO_CAPACITY, "exit_code": None, "reason": "Capacity is unavailable at this time."},
     "Fargate has no room", True, "capacity"),
    ("no more of Fargate", {"event": Event.NO_CAPACITY, "exit_code": None, "reason": "You've reached the limit on the "
     "number of tasks you can run concurrently"}, "quota of Fargate", True, ""),
    ("no instance", {"event": Event.NO_CAPACITY, "exit_code": None, "managed": True,
     "reason": "Unable to launch an instance. InsufficientInstanceCapacity: We currently do not have sufficient capacity"},
     "EC2 has no instance", True, "managed-spot, managed"),
    ("no quota", {"event": Event.NO_CAPACITY, "exit_code": None, "managed": True, "reason": "VcpuLimitExceeded: You have "
     "requested more vCPU capacity than your current vCPU limit of 0 allows"}, "quota of such instances", True, ""),
    ("no right to launch", {"event": Event.NOT_STARTED, "exit_code": None, "managed": True, "reason": "Unable to launch an "
     "instance of capacity provider x. UnauthorizedOperation: " + USER + "iam:PassRole on resource: y"},
     "ECS may not launch an instance", True, ""),
    ("Spot on managed", {"event": Event.INTERRUPTION, "exit_code": 143, "managed": True, "reason": "Your Spot Task was "
     "interrupted."}, "Spot took the capacity back", True, "managed-spot, managed"),
    ("instance lost", {"event": Event.INTERRUPTION, "exit_code": None, "managed": True,
     "reason": "Host EC2 (instance i-0a1b) terminated."}, "the instance that it ran on was lost", True, "checkpoint: true"),
    ("OOM on managed", {"exit_code": 137, "reason": "OutOfMemoryError", "managed": True, "cpu": 49152, "memory": 98304},
     "out of memory", True, "memory: 196608"),
    ("no instance in time", {"event": Event.NO_CAPACITY, "exit_code": None, "managed": True,
     "reason": f"run.max_duration is over; {NOT_BEGUN}"}, "EC2 has no instance", True, "managed-spot, managed"),
    ("no place in time", {"event": Event.NO_CAPACITY, "exit_code": None, "reason": f"run.max_duration is over; {NOT_BEGUN}"},
     "nothing had room for the task until its run.max_duration was over", True, ""),
    ("no image in time", {"event": Event.TIMEOUT, "exit_code": None, "reason": f"run.max_duration is over; {NOT_BEGUN}",
     "max_duration": 60}, "its image was still being pulled", True, "max_duration: 120"),
    ("timeout", {"event": Event.TIMEOUT, "exit_code": 143, "reason": "run.max_duration is over", "max_duration": 60},
     "longer than its run.max_duration of 60 s", True, "max_duration: 120"),
    ("stopped", {"event": Event.STOPPED, "exit_code": 143, "reason": "stopped by the user"}, "somebody stopped it",
     True, ""),
    ("stopped and deaf", {"event": Event.STOPPED, "exit_code": 137, "reason": "stopped by the user"}, "it was killed",
     True, ""),
    ("S3 get", {"log": [TRACE, FILE, DENIED + USER + "s3:GetObject on resource: \"arn:aws:s3:::b/data/x.csv\" because "
     "no identity-based policy allows the s3:GetObject action"]}, "my-task-role may not s3:GetObject", True,
     "read: [data/x.csv]"),
    ("S3 get of its own bucket", {"bucket": "b", "log": [DENIED + USER + "s3:GetObject on resource: \"arn:aws:s3:::b/k\""]},
     "may not s3:GetObject", True, "read: [k]"),
    ("S3 get of another bucket", {"bucket": "a", "log": [DENIED + USER + "s3:GetObject on resource: \"arn:aws:s3:::b/k\""]},
     "may not s3:GetObject", True, ""),
    ("S3 put", {"log": [DENIED.replace("GetObject", "PutObject") + USER + "s3:PutObject on resource: "
     "\"arn:aws:s3:::b/out/m.json\" because no identity-based policy"]}, "may not s3:PutObject", True,
     "write: [out/m.json]"),
    ("S3 put beside others", {"write": ("runs/*/output/*",), "log": [DENIED.replace("GetObject", "PutObject") + USER +
     "s3:PutObject on resource: \"arn:aws:s3:::b/out/m.json\" because"]}, "may not s3:PutObject", True,
     "write: [runs/*/output/*, out/m.json]"),
    ("S3 get of a run", {"read": ("data/x.csv",), "log": [DENIED + USER +
     "s3:GetObject on resource: \"arn:aws:s3:::b/runs/20260101-000000-aaaaaaaa/output/sub/m.json\" because"]},
     "may not s3:GetObject", True, "read: [data/x.csv, runs/*/output/sub/*]"),
    ("S3 get of a record", {"log": [DENIED + USER +
     "s3:GetObject on resource: \"arn:aws:s3:::b/runs/20260101-000000-aaaaaaaa/run.json\" because"]},
     "may not s3:GetObject", True, "read: [runs/*/run.json]"),
    ("S3 head", {"log": [("botocore.exceptions.ClientError: An error occurred (403) when calling the HeadObject "
     "operation: Forbidden")], "data": "data/x.csv"}, "my-task-role may not s3:GetObject", True, "read: [data/x.csv]"),
    ("another service", {"log": ["An error occurred (AccessDeniedException) when calling the Query operation: " + USER +
     "dynamodb:Query on resource: arn:aws:dynamodb:us-east-1:1:table/t"]}, "my-task-role may not dynamodb:Query", True,
     ""),
    ("a service beside the defaults", {"read": ("a.csv", "runs/*/output/*"), "write": ("runs/*/output/*",), "log": [QUEUES]},
     "may not sqs:ListQueues", True, """task:
  role:
    write: [runs/*/output/*]
    policy:
      Statement:
      - {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "arn:aws:sqs:us-east-1:1:*"}"""),
    ("a service without a resource", {"write": ("x/*",), "log": [QUEUES.replace("arn:aws:sqs:us-east-1:1:*", "*")]},
     "may not sqs:ListQueues", True, '"Action": "sqs:ListQueues", "Resource": "*"}'),
    ("a service that names no resource", {"write": ("x/*",), "log": ["UnauthorizedOperation: You are not authorized to perform "
     "this operation. " + USER + "ec2:DescribeVpcs because no identity-based policy allows the ec2:DescribeVpcs action"]},
     "may not ec2:DescribeVpcs", True, '"Action": "ec2:DescribeVpcs", "Resource": "*"}'),
    ("a service beside a policy", {"policy": (OWN,), "log": [QUEUES]}, "may not sqs:ListQueues", True, """task:
  role:
    policy:
      Statement:
      - {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
      - {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "arn:aws:sqs:us-east-1:1:*"}"""),
    ("a service beside both", {"policy": (OWN,), "write": ("x/*",), "log": [QUEUES]}, "may not sqs:ListQueues", True,
     'write: [x/*]\n    policy:\n      Statement:\n      - {"Effect": "Allow", "Action": "s3:GetObject"'),
    ("S3 get beside only a policy", {"bucket": "b", "policy": (OWN,), "log": [DENIED + USER +
     "s3:GetObject on resource: \"arn:aws:s3:::b/m/20260101-000000-aaaaaaaa.bin\" because no identity-based policy"]},
     "may not s3:GetObject", True, '"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/m/*.bin"}'),
    ("S3 get beside both", {"bucket": "b", "policy": (OWN,), "read": ("x/*",), "log": [DENIED + USER +
     "s3:GetObject on resource: \"arn:aws:s3:::b/k\" because no identity-based policy allows"]},
     "may not s3:GetObject", True, "    read: [x/*, k]"),
    ("S3 list of all", {"bucket": "b", "write": ("x/*",), "log": [DENIED + USER +
     "s3:ListBucket on resource: \"arn:aws:s3:::b\" because no identity-based policy allows"]}, "may not s3:ListBucket",
     True, 'write: [x/*]\n    policy:\n      Statement:\n      - {"Effect": "Allow", "Action": "s3:ListBucket", "Resource"'),
    ("S3 put, its id in the name", {"write": ("runs/*/output/*",), "log": [DENIED + USER +
     "s3:PutObject on resource: \"arn:aws:s3:::b/models/scheduled-20260101-000000-aaaaaaaa/m-20260101-000000-aaaaaaaa-2.bin\" "
     "because"]}, "may not s3:PutObject", True, "write: [runs/*/output/*, models/*/m-*.bin]"),
    ("refused by a Deny", {"write": ("x/*",), "log": [DENIED + USER + "s3:PutObject on resource: \"arn:aws:s3:::b/k\" with "
     "an explicit deny in a resource-based policy"]}, "may not s3:PutObject", True, ""),
    ("refused by a boundary", {"write": ("x/*",), "log": [DENIED + USER + "s3:PutObject on resource: \"arn:aws:s3:::b/k\" "
     "because no permissions boundary allows the s3:PutObject action"]}, "may not s3:PutObject", True, ""),
    ("some refusal", {"log": ["Access Denied"]}, "AWS refused something", False, ""),
    ("no such key", {"log": [("botocore.errorfactory.NoSuchKey: An error occurred (NoSuchKey) when calling the GetObject "
     "operation: The specified key does not exist.")]}, "an object or bucket isn't there", True, ""),
    ("disk", {"log": ["OSError: [Errno 28] No space left on device: '/tmp/x'"]}, "the disk is full", True,
     "ephemeral_storage: 50"),
    ("read-only", {"log": ["OSError: [Errno 30] Read-only file system: '/app/x'"]}, "read-only", True, ""),
    ("no network", {"log": ['botocore.exceptions.EndpointConnectionError: Could not connect to the endpoint URL: "…"']},
     "no route to AWS", True, "public_ip"),
    ("a module", {"log": [TRACE, FILE, "ModuleNotFoundError: No module named 'xgboost'"]}, "lacks a Python module", True,
     ""),
    ("a command in a shell", {"exit_code": 127, "log": ["/bin/sh: 1: pyhton: not found"]}, "the command isn't in", True,
     ""),
    ("not executable", {"exit_code": 126, "log": []}, "the command isn't in", True, ""),
    ("another processor", {"exit_code": 255, "log": ["exec /usr/local/bin/python: exec format error"]},
     "isn't built for X86_64", True, "ARM64"),
    ("segmentation fault", {"exit_code": 139, "log": ["training"]}, "segmentation fault", True, ""),
    ("aborted", {"exit_code": 134, "log": []}, "SIGABRT", True, ""),
    ("an exception", {"log": ["start", TRACE, FILE, "    f()", "    ^^^", "ValueError: no rows after 2024"]},
     "the program failed: ValueError: no rows after 2024", True, ""),
    ("an exception without a text", {"log": [TRACE, FILE, "AssertionError"]}, "AssertionError", True, ""),
    ("killed", {"exit_code": 137, "log": ["training"]}, "was killed (SIGKILL)", False, ""),
    ("asked to end", {"exit_code": 143, "log": []}, "asked to end (SIGTERM)", True, ""),
    ("no code", {"event": Event.LOST, "exit_code": None, "reason": ""}, "ECS doesn't say how it ended", False, ""),
    ("got over a refusal", {"log": ["warning: AccessDenied, going on without a cache", TRACE, FILE, "KeyError: 'Close'"]},
     "the program failed: KeyError: 'Close'", True, ""),
    ("the first of a chain", {"log": [TRACE, FILE, DENIED + USER + "s3:GetObject on resource: \"arn:aws:s3:::b/k\"", "",
     "During handling of the above exception, another exception occurred:", "", TRACE, FILE, "RuntimeError: no data"]},
     "may not s3:GetObject", True, "read: [k]"),
    ("a bad line of data", {"exit_code": 3, "log": ["row 5: not a number"]}, "unknown", False, ""),
    ("nothing", {"log": []}, "unknown", False, ""),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "cause", "sure", "change"), STARTS)
def test_a_task_that_never_started(reason: str, cause: str, sure: bool, change: str) -> None:
    explained = explain(case(**NOT_STARTED, reason=reason))
    assert cause in explained.cause
    assert (explained.sure, bool(explained.change)) == (sure, bool(change))
    assert change in explained.change
    assert explained.evidence == (reason,)
    assert explained.fix


@pytest.mark.parametrize(("known", "cause", "sure", "change"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_a_task_that_ran(known: dict[str, Any], cause: str, sure: bool, change: str) -> None:
    explained = explain(case(**known))
    assert cause in explained.cause
    assert (explained.sure, bool(explained.change)) == (sure, bool(change)), explained
    assert change in explained.change
    assert explained.fix
    assert explained.evidence
    # Evidence is quoted, never made up.
    texts = [*known.get("log", ()), known.get("reason", ""), "exit code", "stop code", "no exit code"]
    assert all(
        any(text and (text.strip() in line or line in text) for text in texts) for line in explained.evidence if line
    )


def test_unknown_shows_what_there_is() -> None:
    explained = explain(
        case(exit_code=3, reason="Essential container in task exited", log=[f"line {n}" for n in range(9)])
    )
    assert explained.cause == "unknown"
    assert explained.evidence == (
        "exit code: 3", "Essential container in task exited", *(f"line {n}" for n in range(4, 9))
    )  # fmt: skip


def test_a_change_is_a_part_of_deploy_yaml() -> None:
    import yaml

    changes = [explain(case(**NOT_STARTED, reason=row[0])).change for row in STARTS]
    changes += [explain(case(**row[1])).change for row in ENDS]
    for change in filter(None, changes):
        Deploy.model_validate({"name": "my-pipeline", **yaml.safe_load(change)})


SCRIPTS = [
    ("exec /app/run.sh: no such file or directory", "#!/bin/sh\r", "run.sh has Windows line endings in its first line", True),
    ("exec ./run.sh: no such file or directory", "#!/bin/bash", "run.sh can't be started: its first line names a", False),
    ("exec ./run.sh: no such file or directory", "", "run.sh can't be started: its first line names a program", False),
    ("env: \u2018python\\r\u2019: No such file or directory", "", "the script has Windows line endings", True),
    ("env: 'python3\\r': No such file or directory", "", "the script has Windows line endings", True),
    ("/bin/bash: ./run.sh: /bin/sh^M: bad interpreter: No such file or directory", "", "the script has Windows", True),
]  # fmt: skip


@pytest.mark.parametrize(("line", "first", "cause", "sure"), SCRIPTS)
def test_script_whose_first_line_names_no_program(line: str, first: str, cause: str, sure: bool) -> None:
    asked: list[str] = []

    def first_line(name: str) -> str:
        asked.append(name)
        return first

    explained = explain(case(log=[line], exit_code=127 if "env" in line else 1, first_line=first_line))
    assert explained.cause.startswith(cause)
    assert (explained.sure, explained.change) == (sure, "")
    assert asked in ([], ["run.sh"])


NO_MODULE = "ModuleNotFoundError: No module named 'some_thing.inner'"
NO_COMMAND = 'exec: "pyhton": executable file not found in $PATH'
UNDONE = [
    "line 1: FROM python:3.10: Python 3.13 of this machine runs the program",
    "line 2: RUN make",
    "line 3: USER 1",
]
MISSING: list[tuple[dict[str, Any], str, str, str]] = [  # what is known, the cause, a part of the fix, the change
    ({"log": [TRACE, NO_MODULE]}, "the image lacks a Python module", "add it to what the Dockerfile installs", ""),
    ({"log": [TRACE, NO_MODULE], "undone": []}, "the image lacks a Python module", "add it to what the Dockerfile", ""),
    ({"log": [TRACE, NO_MODULE], "undone": UNDONE}, "the image lacks a Python module",
     "without Docker, these lines of the Dockerfile weren't followed: line 2: RUN make; use Docker", ""),
    ({"log": [TRACE, NO_MODULE], "advice": lambda name: f"look for {name}"}, "the image lacks a Python module",
     "look for some_thing", ""),
    ({"log": ["/usr/local/bin/python: No module named app"]}, "the image lacks a Python module", "add it to what", ""),
    ({"log": [TRACE, "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"]},
     "the library libGL.so.1 isn't in the image", "with a RUN of the Dockerfile", ""),
    ({"log": [TRACE, "ImportError: libGL.so.1: cannot open shared object file: No such file"], "undone": UNDONE},
     "the library libGL.so.1 isn't in the image", "without Docker no system package is installed", ""),
    ({"log": [TRACE, "ImportError: cannot import name 'x' from 'y' (/app/y.py)"]},
     "a Python module isn't the one that the program expects", "look at the version", ""),
    ({"reason": NO_COMMAND}, "the command isn't in the image", "CMD or ENTRYPOINT of the Dockerfile: did you mean `python`?", ""),
    ({"reason": NO_COMMAND, "command": ("pyhton", "-m", "train", "--n", "5")}, "the command isn't in the image",
     "correct task.command or task.entrypoint: did", 'task:\n  command: [python, -m, train, --n, "5"]'),
    ({"reason": NO_COMMAND.replace("pyhton", "jq"), "undone": UNDONE}, "the command isn't in the image",
     "weren't followed: line 2: RUN make; use Docker", ""),
    ({"exit_code": 127, "log": ["sh: 1: jq: not found"], "undone": ["line 3: USER 1"]}, "the command isn't in the image",
     "correct CMD", ""),
    ({"exit_code": 127, "log": ["src/run.sh: line 4: jqq: command not found"]},
     "jqq, which line 4 of src/run.sh starts, isn't in the image", "correct line 4 of src/run.sh, or have the Dockerfile install", ""),
    ({"exit_code": 127, "log": ["/h/main/rootfs/app/run.sh: 4: exec: pyhton: not found"], "undone": []},
     "pyhton, which line 4 of /app/run.sh starts", "did you mean `python`?", ""),
    ({"exit_code": 127, "log": ["/bin/bash: line 1: jq: command not found"]}, "the command isn't in the image",
     "correct CMD or ENTRYPOINT of the Dockerfile, or have the Dockerfile install jq", ""),
    ({"exit_code": 127, "log": ["env: 'jq': No such file or directory"]}, "the command isn't in the image",
     "install jq", ""),
    ({"exit_code": 127, "log": ["sh: 1: ./go.sh: not found"], "in_context": lambda name: f"look for {name}"},
     "the command isn't in the image", "look for ./go.sh", ""),
    ({"reason": "OCI runtime create failed: unable to start container process: exec: \"./src/run.sh\": permission denied"},
     "./src/run.sh isn't executable", "`chmod +x ./src/run.sh`", ""),
    ({"exit_code": 126, "log": ["/bin/sh: 1: ./src/run.sh: Permission denied"]}, "./src/run.sh isn't executable",
     '["sh", "./src/run.sh"]', ""),
    ({"exit_code": 126, "log": ["bash: line 1: ./train.py: Permission denied"]}, "./train.py isn't executable",
     '["python", "./train.py"]', ""),
    ({"exit_code": 127, "log": ["/bin/sh: 1: [python,: not found"]}, "CMD or ENTRYPOINT of the Dockerfile isn't the JSON",
     "need double quotes", ""),
    ({"reason": "CannotStartContainerError: no command specified: neither the image nor the task has one"},
     "neither the image nor the task names a command", "task.command", ""),
    ({"exit_code": 127, "log": ["bash: line 1: S3_KEY: unbound variable"]}, "the variable S3_KEY isn't set",
     "without `data:`", ""),
    ({"exit_code": 2, "log": ["./run.sh: 3: OUTPUT_URI: parameter not set"]}, "the variable OUTPUT_URI isn't set",
     "only a run that `apply` launches has it", ""),
    ({"exit_code": 1, "log": ["run.sh: line 2: COLOUR: unbound variable"]}, "the variable COLOUR isn't set",
     "task.environment, or let the script do without: ${COLOUR:-}", ""),
    ({"exit_code": 1, "log": ["run.sh: line 2: $1: unbound variable"]}, "the script was started without the argument $1",
     "task.command", ""),
    ({"log": ["python: can't open file '/train.py': [Errno 2] No such file or directory"], "exit_code": 2},
     "the program's file /train.py isn't in the image", "COPY it", ""),
    ({"log": ["python: can't open file '/h/tasks/a/main/rootfs/app/x.py': [Errno 2] No such file or directory"],
      "exit_code": 2, "undone": []}, "the program's file /app/x.py isn't in the image", "COPY it", ""),
    ({"log": ["python: can't open file '/train.py': [Errno 2] No such file or directory"], "exit_code": 2, "undone": []},
     "there is no /train.py on this machine", "a process has no root of its own", ""),
    ({"log": [TRACE, FILE, "FileNotFoundError: [Errno 2] No such file or directory: '/app/x.json'"], "undone": []},
     "there is no /app/x.json on this machine", "or use Docker", ""),
    ({"log": [TRACE, FILE, "FileNotFoundError: [Errno 2] No such file or directory: '/app/x.json'"]},
     "the program failed: FileNotFoundError", "correct the program", ""),
]  # fmt: skip


@pytest.mark.parametrize(("known", "cause", "fix", "change"), MISSING)
def test_what_is_missing_knows_how_the_image_was_made(known: dict[str, Any], cause: str, fix: str, change: str) -> None:
    explained = explain(case(**known))
    assert explained.cause.startswith(cause)
    assert fix in explained.fix
    assert explained.change == change
    assert "model" not in explained.fix + explained.change  # which is only this project's own program


def test_what_the_build_context_says_of_a_module(tmp_path: Path) -> None:
    (tmp_path / "src/mine").mkdir(parents=True)
    (tmp_path / "requirements.txt").write_text("numpy==2\nscikit-learn>=1\n")
    (tmp_path / "pyproject.toml").write_text('dependencies = [\n  "some-thing>=1",\n]\n')
    assert advice(tmp_path, "mine").startswith("src/mine is in the build context: COPY it")
    assert advice(tmp_path, "numpy").startswith("requirements.txt names it")
    assert advice(tmp_path, "some_thing").startswith("pyproject.toml names it")
    assert advice(tmp_path, "num") == advice(tmp_path, "other") == ""


LOOKED_FOR: list[tuple[list[str], dict[str, Any], str, str]] = [  # the log, the case, the cause, a part of the fix
    ([TRACE, FILE, "FileNotFoundError: [Errno 2] No such file or directory: 'prices.csv'"], {}, "prices.csv is data",
     "read s3://$S3_BUCKET/$S3_KEY;"),
    ([TRACE, FILE, "FileNotFoundError: [Errno 2] No such file or directory: '/app/in/prices.csv'"], {"undone": []},
     "/app/in/prices.csv is data", "read s3://$S3_BUCKET/$S3_KEY;"),
    (["wc: prices.csv: No such file or directory"], {}, "prices.csv is data", "$S3_KEY"),
    (["cat: can't open 'prices.csv': No such file or directory", "no rows"], {}, "prices.csv is data", "$S3_KEY"),
    (["run.sh: line 3: my other.csv: No such file or directory"], {}, "my other.csv is data",
     "read s3://$S3_BUCKET/data/my other.csv;"),
    (["Error: ENOENT: no such file or directory, open 'prices.csv'", "    at Object.openSync (node:fs:573:18)"], {},
     "prices.csv is data", "$S3_KEY"),
    (["head: cannot open \u2018img/a/1.png\u2019 for reading: No such file or directory"], {}, "img/a/1.png is data",
     "read s3://$S3_BUCKET/pics/a/1.png;"),
    (['thread main panicked: Os { code: 2, message: "No such file or directory (os error 2)": prices.csv'], {},
     "prices.csv is data", "$S3_KEY"),
    (["wc: big.bin: No such file or directory"], {}, "big.bin is data", "read s3://somebodys-bucket/x/big.bin;"),
    (["cat: conf/a.json: No such file or directory"], {}, "there is no conf/a.json where",
     ".dockerignore leaves conf/a.json out"),
    ([TRACE, FILE, "FileNotFoundError: [Errno 2] No such file or directory: '/app/conf/b.txt'"], {},
     "there is no /app/conf/b.txt where", "conf/b.txt is in the build context"),
    ([TRACE, FILE, "FileNotFoundError: [Errno 2] No such file or directory: 'out/x.csv'"], {},
     "the program failed: FileNotFoundError", "correct the program"),
    (["wc: /x/nothing.csv: No such file or directory"], {}, "unknown", ""),
    (["wc: prices.csv: No such file or directory"], {"exit_code": 0}, "unknown", ""),
    (["prices.csv has no rows"], {}, "unknown", ""),
]  # fmt: skip


@pytest.mark.parametrize(("log", "known", "cause", "fix"), LOOKED_FOR)
def test_a_file_that_the_program_did_not_find(
    tmp_path: Path, log: list[str], known: dict[str, Any], cause: str, fix: str
) -> None:
    (tmp_path / "conf").mkdir()
    for name, text in ((".dockerignore", "*.csv\nconf/*.json\n"), ("conf/a.json", ""), ("conf/b.txt", "")):
        (tmp_path / name).write_text(text)
    files = ["prices.csv", "my other.csv", {"file": "img/", "key": "pics"}, "s3://somebodys-bucket/x/big.bin"]
    deploy = Deploy.model_validate({"name": "tiny", "image": ".", "data": files}).filled()
    where = {"of_data": partial(of_data, deploy), "in_context": partial(in_context, tmp_path, "Dockerfile")}
    explained = explain(case(**{"log": log, **where, **known}))
    assert explained.cause.startswith(cause)
    assert fix in explained.fix
    assert explained.evidence[-1] in log or cause == "unknown"


def test_the_build_context_is_searched_in_linear_time(tmp_path: Path) -> None:
    def work(size: int) -> Callable[[], object]:
        (tmp_path / "requirements.txt").write_text("\n" * size)
        return lambda: advice(tmp_path, "numpy")

    assert_linear(work, 5_000)


HOSTILE = [
    "CannotPull ", "ResourceInitializationError ", "registry auth ", "ResourceNotFoundException ", "log group ",
    "no such file or directory ", "executable file ", "Forbidden ", "HeadObject ", "AccessDenied ",
    "not authorized to perform: ", "not authorized to perform: s3:", "not authorized to perform ", "on resource: ",
    "when calling the ", "ImportError: ", "ModuleNotFoundError: ", "Unable to allocate 1", "MemoryError", "exec ", "env: ",
    "^M", "\r: ", "capacity is ", "RESOURCE", " ", "\t", "\n", "a", "a.", "a:", "1", "é", "(", "<", "\\", "\x00",
    "Traceback (most recent call last):", "During handling of the above exception",
]  # fmt: skip


@pytest.mark.share(4)
@pytest.mark.parametrize("part", HOSTILE)
@pytest.mark.parametrize("event", [Event.ERROR, Event.NOT_STARTED])
def test_a_line_of_any_length_is_explained_at_once(part: str, event: Event) -> None:
    def work(size: int) -> Callable[[], object]:
        line = part * (size // len(part) + 1)
        lines = [line, TRACE, line, f"E{line}"]
        return lambda: explain(case(log=lines, reason=line, event=event))

    assert_linear(work, 26_000)
    assert processor(lambda: explain(case(log=[part * 50_000] * 20, reason=part * 50_000, event=event))) < 2


def test_many_lines() -> None:
    assert_linear(
        lambda size: lambda: explain(case(log=[TRACE, "During handling of the above exception"] * size)), 1000
    )


@pytest.mark.share(4)
@pytest.mark.parametrize("part", [part for part in HOSTILE if part.strip()])
def test_patterns_themselves_are_linear(part: str) -> None:
    """So that the cut isn't all that there is between a line and a function that never ends."""
    patterns = [
        value for module in (explain_start, explain_end, explain_missing, retry) for value in vars(module).values()
    ]
    patterns = [pattern for pattern in patterns if isinstance(pattern, re.Pattern)]
    assert len(patterns) >= 3
    for pattern in patterns:

        def work(size: int, pattern: re.Pattern[str] = pattern) -> Callable[[], object]:
            text = part * size
            return lambda: pattern.search(text)

        assert_linear(work, 2000)


def test_evidence_is_cut_where_errors_do_not_stand() -> None:
    line = "ImportError: " + "x" * 100_000 + " the end"
    explained = explain(case(log=[line]))
    assert explained.cause == "the image lacks a Python module"
    assert len(explained.evidence[0]) <= LONGEST
    assert explained.evidence[0].startswith("ImportError: xxx")
    assert explained.evidence[0].endswith("xxx the end")


@pytest.mark.parametrize("before", range(2_960, 3_010, 7))
def test_a_secret_is_hidden_before_a_line_is_cut(before: int) -> None:
    """A program that fails may print all of its environment, in one line."""
    known = secret.Secrets()
    known.add("planted-one-2-three-4")
    line = "x" * before + "planted-one-2-three-4" + "y" * 5_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diagnosis, "KNOWN", known)
        failed = case(log=[line], reason=line)
    assert "plant" not in failed.log[0] + failed.reason
    assert "thre" not in failed.log[0] + failed.reason


@pytest.mark.parametrize("name", ["S3_KEY", "OUTPUT_URI", "USE_S3"])
def test_a_variable_of_ours_that_is_not_set(name: str) -> None:
    log = [
        "Traceback (most recent call last):", '  File "/app/train.py", line 3, in <module>', f'    k = os.environ["{name}"]',
        "        ~~~~~~~~~~^^^^^^^^^^", '  File "<frozen os>", line 685, in __getitem__', f"KeyError: '{name}'",
    ]  # fmt: skip
    explained = explain(case(log=log))
    assert explained.cause == f"the variable {name} isn't set"
    assert explained.evidence == ('File "/app/train.py", line 3, in <module>', f"KeyError: '{name}'")
    own = explain(case(log=[line.replace(name, "Close") for line in log]))
    assert own.cause == "the program failed: KeyError: 'Close'"


@pytest.mark.parametrize(
    "library",
    ["<frozen importlib._bootstrap>", "/usr/lib/python3.13/os.py", "/usr/local/lib/python3.11/json/decoder.py",
     "/opt/venv/lib/python3.12/site-packages/pandas/io/common.py", "/x/site-packages/numpy/core.py"],
)  # fmt: skip
def test_the_place_is_the_programs_own_line(library: str) -> None:
    log = ["Traceback (most recent call last):", '  File "/app/lib/train.py", line 3, in <module>', "    f()",
           f'  File "{library}", line 685, in f', "    raise", "ValueError: no"]  # fmt: skip
    assert explain(case(log=log)).evidence[0] == 'File "/app/lib/train.py", line 3, in <module>'
    assert explain(case(log=[log[0], *log[3:]])).evidence[0].startswith(f'File "{library}"')


def test_no_part_of_a_secret_is_left_where_a_text_is_cut_to_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    known = secret.Secrets()
    known.add("planted-zz-77")
    for module in (diagnosis, markdown):
        monkeypatch.setattr(module, "KNOWN", known)
    for pad in range(400, 610):
        text = "x" * pad + "planted-zz-77" + "y" * (1000 - pad)
        assert "plan" not in diagnosis.cut(text, SHOWN)
        shown_run = {
            "id": "r",
            "overrides": {"environment": {"A": text}},
            "state": "failed",
            "exit_code": 1,
            "metrics": {},
        }
        sweep = {"id": "s", "counts": {}, "runs": [shown_run]}
        assert "plan" not in markdown.ended("n", {"verdict": {"exit_code": 1, "result": "failed"}, "sweep": sweep})
