"""A run that ECS ends for want of memory goes on with more, and the next of its family begins with that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.core.function_settings import Retry
from reconciler.run.retry import Attempt
from reconciler.run.run import Run
from reconciler.run.state import State
from reconciler.run.stored import Store
from tests.run.conftest import BUCKET, Lane, records
from tests.run.ears import NOTIFY, SCHEDULE, Ears
from tests.waiting import until

GROWS = "import time\nkept = b'x' * (100 * 2**20)\nprint('%s', flush=True)\ntime.sleep(%s)\n"
RULES = "run: {checkpoint: true, retry: {out_of_memory: 2}%s}\n"
LITTLE = {"do": "memory-limit", "mib": 64, "times": 1}


def sizes(run: Any) -> list[Any]:
    """The memory of each attempt."""
    return [attempt["memory"] for attempt in run["attempts"]]


def test_it_goes_on_with_more_and_the_next_begins_with_that(lane: Lane) -> None:
    lane.program(GROWS % ("first", 0.5), deploy=RULES % "")
    lane.behave(LITTLE)
    result = lane.run("apply", "--local")
    assert result.code == 0, result.out + result.err
    assert "out of memory with 512 MiB: launching again on FARGATE with 1,024 MiB" in result.out
    assert "  size     it needed 1,024 MiB; in deploy.yaml:\n      task: {cpu: 256, memory: 1024}\n" in result.out
    assert sizes(records(lane)[0]) == [None, 1024]
    first = records(lane)[0]["id"]
    asked = {task["startedBy"]: task["memory"] for task in lane.tasks() if task["startedBy"].startswith(first)}
    assert asked == {f"{first}-1": "512", f"{first}-2": "1024"}
    assert "with 256 CPU units and 1,024 MiB" in lane.run("runs", "show", "--local").out
    assert lane.run("apply", "--local").out.count("Nothing to run") == 1, "the size is no part of the fingerprint"
    # Another image of the same: the size that worked is the first.
    lane.program(GROWS % ("second", 0), deploy=RULES % "")
    result = lane.run("apply", "--local")
    assert result.code == 0, result.out + result.err
    newest = records(lane)[0]
    assert sizes(newest) == [1024]
    (task,) = [task for task in lane.tasks() if task["startedBy"] == f"{newest['id']}-1"]
    assert (task["cpu"], task["memory"]) == ("256", "1024")
    # Not where the file allows less, and then there is nothing to go on with.
    lane.program(GROWS % ("third", 0.5), deploy=RULES % ", max_memory: 512")
    lane.behave(LITTLE)
    result = lane.run("apply", "--local")
    assert result.code == 137, result.out + result.err
    newest = records(lane)[0]
    assert sizes(newest) == [None]
    assert newest["reason"].endswith("out of memory with 512 MiB, and there is no larger size up to run.max_memory")


def test_the_function_of_the_schedule_does_the_same(lane: Lane, ears: Ears) -> None:
    lane.program(GROWS % ("scheduled", 0.5), deploy=NOTIFY + SCHEDULE + RULES % "")
    assert lane.run("apply", "--local", "--skip-run").code == 0
    lane.behave(LITTLE)
    for wanted in ([None, 1024], [1024]):
        lane.control("POST", "schedules/default/tiny-schedule")
        (told,) = until(ears.sns, "the message about it")
        assert told["result"] == "succeeded", told
        record = lane.client("s3").get_object(Bucket=BUCKET, Key=f"runs/{told['run']}/run.json")["Body"].read()
        assert sizes(json.loads(record)) == wanted


class Kept:
    """A bucket with one object, or none."""

    def __init__(self, body: bytes | None) -> None:
        self.body, self.put = body, list[str]()

    def find(self, service: str, operation: str, **params: Any) -> dict[str, Any] | None:
        self.put.append(params["Key"])
        return None if self.body is None else {"Body": self}

    def read(self, most: int) -> bytes:
        assert self.body is not None
        return self.body[:most]


def run_of(**more: Any) -> Run:
    attempts = (Attempt(1, "FARGATE", "t", 0.0),)
    known: dict[str, Any] = {"inputs": {"cpu": 512, "memory": 1024}, "attempts": attempts, **more}
    return Run(id="r", fingerprint="", state=State.LAUNCHING, created=0.0, output="", cluster="c", **known)


@pytest.mark.parametrize(
    ("body", "most", "wanted"),
    [
        (None, None, None),
        (b'{"cpu": 512, "memory": 2048}', None, 2048),
        (b'{"cpu": 512, "memory": 2048}', 2048, 2048),
        (b'{"cpu": 512, "memory": 2048}', 2047, None),
        (b'{"cpu": 512, "memory": 1024}', None, None),
        (b'{"cpu": 256, "memory": 2048}', None, None),
        (b'{"cpu": 512, "memory": 2049}', None, None),
        (b'{"cpu": 7, "memory": 2048}', None, None),
        (b'{"cpu": [], "memory": 2048}', None, None),
        (b'{"cpu": 512}', None, None),
        (b"[]", None, None),
        (b"{", None, None),
        (b"{" + b" " * 2_000 + b"}", None, None),
    ],
)
def test_what_is_kept_of_a_family_is_believed_only_where_it_is_a_size(
    body: bytes | None, most: int | None, wanted: int | None
) -> None:
    rules = Retry(0, 0, 0, (), 0.0, None, None, 1, most)
    sized = Store(Kept(body), "b", lambda text: None).with_size(run_of(), rules)
    assert sized.attempts[-1].memory == wanted


def test_a_family_is_all_but_image_and_data() -> None:
    def family(**inputs: Any) -> str:
        container = {"image": inputs.pop("image", "a"), "command": inputs.pop("command", ["x"])}
        return run_of(inputs={"cpu": 512, "memory": 1024, "containers": {"main": container}, **inputs}).family

    assert family() == family(image="b") == family(data={"k": "1"})
    assert len({family(), family(command=["y"]), family(memory=2048), family(architecture="ARM64")}) == 4
    assert run_of().family != run_of(schedule="s").family
