"""Programs and surroundings that fail for real, and what `apply` then says: golden files show the whole of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.run.conftest import DOCKERFILE, Lane, golden

HELLO = "print('hello', flush=True)\n"
S3 = "import boto3, os\ns3 = boto3.client('s3')\nbucket = os.environ['S3_BUCKET']\n"
NO_NETWORK = """\
import boto3
from botocore.config import Config

once = Config(retries={"total_max_attempts": 1})
boto3.client("s3", endpoint_url="http://127.0.0.1:9", config=once).list_buckets()
"""
PROGRAMS: list[tuple[str, str, str, str, int, str]] = [
    # name, program, more of deploy.yaml, Dockerfile, exit code, the diagnosis
    ("s3-denied", S3 + "s3.get_object(Bucket=bucket, Key='private/key.csv')\n", "", DOCKERFILE, 1,
     "tiny-task-role may not s3:GetObject"),
    ("s3-denied-write", S3 + "s3.put_object(Bucket=bucket, Key='models/m.json', Body=b'{}')\n", "", DOCKERFILE, 1,
     "tiny-task-role may not s3:PutObject"),
    ("s3-missing", S3 + "s3.get_object(Bucket=bucket, Key='runs/nothing.csv')\n",
     "  role:\n    read: [prices.csv, runs/*]\n", DOCKERFILE, 1, "an object or bucket isn't there"),
    ("out-of-memory", HELLO + "held = bytearray(800 * 2**20)\nimport time\ntime.sleep(20)\n", "", DOCKERFILE, 137,
     "out of memory: its peak reached the 512 MiB that the task has"),
    ("exception", HELLO + "def train(rows):\n    raise ValueError(f'no rows after {rows}')\n\ntrain(2024)\n", "",
     DOCKERFILE, 1, "the program failed: ValueError: no rows after 2024"),
    ("module", "import nothing_of_this_name\n", "", DOCKERFILE, 1, "the image lacks a Python module"),
    ("command", HELLO, "  command: [pyhton, train.py]\n", DOCKERFILE, 122,
     "the command isn't in the image, or can't be executed"),
    ("shell-command", HELLO, "  command: [sh, -c, 'pyhton train.py']\n", DOCKERFILE, 127,
     "the command isn't in the image, or can't be executed"),
    ("segmentation-fault", "import os, signal\nprint('training', flush=True)\nos.kill(os.getpid(), signal.SIGSEGV)\n",
     "", DOCKERFILE, 139, "the program ended by a segmentation fault (SIGSEGV)"),
    ("killed", "import os, signal\nprint('training', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n", "",
     DOCKERFILE, 137, "the program was killed (SIGKILL) (not sure)"),
    ("disk-full", HELLO + "open('/dev/full', 'w').write('x' * 10**5)\n", "", DOCKERFILE, 1, "the disk is full"),
    ("no-network", NO_NETWORK, "", DOCKERFILE, 1, "the task's subnet has no route to AWS"),
    ("secret", HELLO, "  secrets:\n    TOKEN: arn:aws:ssm:us-east-1:123456789012:parameter/not/there\n", DOCKERFILE,
     122, "a secret of the task can't be read"),
    ("no-route", HELLO, "network:\n  public_ip: false\n", DOCKERFILE, 122, "the task's subnet has no route to AWS"),
    ("unknown", "print('row 5 is no number')\nraise SystemExit(3)\n", "", DOCKERFILE, 3, "unknown"),
    ("reserved-code", "print('bad data')\nraise SystemExit(2)\n", "", DOCKERFILE, 119, "unknown"),
]  # fmt: skip


@pytest.mark.share(4)
@pytest.mark.parametrize(
    ("name", "program", "deploy", "dockerfile", "code", "why"), PROGRAMS, ids=[row[0] for row in PROGRAMS]
)
def test_a_program_that_fails(
    lane: Lane, name: str, program: str, deploy: str, dockerfile: str, code: int, why: str
) -> None:
    lane.program(program, deploy=deploy, dockerfile=dockerfile)
    ended = lane.run("apply", "--local")
    assert ended.code == code, ended.out + ended.err
    assert f"  why      {why}\n" in ended.out
    golden(name, ended)
    again = lane.run("diagnose", "--local")
    assert f"  why      {why}\n" in again.out, "`diagnose` says it again later"


def _detach(lane: Lane) -> Callable[[Any], None]:
    def action(task: Any) -> None:
        lane.client("iam").delete_role_policy(RoleName="tiny-task-execution-role", PolicyName="start")

    return action


def _forget_image(lane: Lane) -> Callable[[Any], None]:
    def action(task: Any) -> None:
        ecr = lane.client("ecr")
        images = ecr.list_images(repositoryName="tiny")["imageIds"]
        ecr.batch_delete_image(repositoryName="tiny", imageIds=images)

    return action


def _forget_log(lane: Lane) -> Callable[[Any], None]:
    return lambda task: lane.client("logs").delete_log_group(logGroupName="/ecs/tiny")


SURROUNDINGS: list[tuple[str, Callable[[Lane], Callable[[Any], None]], int, str]] = [
    ("pull-denied", _detach, 122, "ECS may not pull the image"),
    ("pull-missing", _forget_image, 122, "the image isn't there: tiny"),
    ("log-group-gone", _forget_log, 122, "the log group /ecs/tiny isn't there"),
]


@pytest.mark.share(3)
@pytest.mark.parametrize(("name", "breaks", "code", "why"), SURROUNDINGS, ids=[row[0] for row in SURROUNDINGS])
def test_what_is_taken_away_while_the_task_starts(
    lane: Lane, name: str, breaks: Callable[[Lane], Callable[[Any], None]], code: int, why: str
) -> None:
    lane.program(f"print('{name}')\n")
    lane.behave({"do": "state-delay", "state": "PROVISIONING", "seconds": 3.0})
    for service in ("ecs", "ecr", "iam", "logs"):
        lane.client(service)  # made now, to be quick then
    with lane.meanwhile(breaks(lane)):
        ended = lane.run("apply", "--local")
    assert ended.code == code, ended.out + ended.err
    assert f"  why      {why}" in ended.out
    golden(name, ended)
    lane.behave()
    # The next apply puts right what was taken away, and runs it.
    assert lane.run("apply", "--local").code == 0


def test_an_image_for_another_processor(lane: Lane) -> None:
    elf = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xff\x00" + bytes(200)  # for a machine that nobody has
    (lane.folder / "prog").write_bytes(elf)
    (lane.folder / "prog").chmod(0o755)
    lane.program("", dockerfile='FROM scratch\nCOPY prog .\nCMD ["./prog"]\n')
    ended = lane.run("apply", "--local")
    (lane.folder / "prog").unlink()
    assert ended.code == 122, ended.out
    assert "  why      the image isn't built for X86_64\n" in ended.out
    golden("architecture", ended)


@pytest.mark.parametrize(
    ("name", "rule", "capacity", "code", "why"),
    [
        ("no-capacity", {"do": "no-capacity", "times": -1}, "[FARGATE_SPOT, FARGATE]", 122, "Fargate has no room"),
        ("no-capacity-late", {"do": "no-capacity", "when": "start"}, "[FARGATE]", 122, "Fargate has no room"),
        ("spot", {"do": "spot-interruption", "after_lines": 1}, "[FARGATE_SPOT]", 143, "Spot took the capacity back"),
    ],
)  # fmt: skip
def test_capacity(lane: Lane, name: str, rule: dict[str, Any], capacity: str, code: int, why: str) -> None:
    never = "{no_capacity: 0, interruption: 0}"
    lane.program(
        f"{HELLO}import time\ntime.sleep(20)  # {name}\n", deploy=f"run:\n  capacity: {capacity}\n  retry: {never}\n"
    )
    lane.behave(rule)
    ended = lane.run("apply", "--local")
    assert ended.code == code, ended.out + ended.err
    assert f"  why      {why}" in ended.out
    golden(name, ended)
