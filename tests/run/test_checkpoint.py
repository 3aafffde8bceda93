"""What an attempt of a run leaves for the next: given to it, gone on from, told, and removed; by real processes."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.run import checkpoint
from reconciler.run.checkpoint import Checkpoint
from reconciler.run.retry import Attempt
from reconciler.run.run import Run
from reconciler.run.state import State
from reconciler.run.stored import Store, to_json
from tests.docs.pages import ROOT, blocks
from tests.run.conftest import BUCKET, Lane, records
from tests.run.ears import NOTIFY, SCHEDULE, Ears
from tests.waiting import until

PLAIN = next(
    block.text for block in blocks((ROOT / "docs" / "checkpoints.md").read_text()) if block.language == "python"
)
# It waits for its interruption, however fast it is and however late that comes.
WAITS = "import time\n" + PLAIN.replace(
    "    if stopping or",
    '    while state["step"] == 16 and os.environ["RUN_ATTEMPT"] == "1" and not stopping:\n        time.sleep(0.01)\n'
    "    if stopping or",
)
SPOT = "run: {checkpoint: true, capacity: [FARGATE_SPOT, FARGATE], retry: {interruption: 1, error: 1, backoff: 0}%s}\n"
INTERRUPTED = {"do": "spot-interruption", "after_lines": 15, "times": 1}
SWEEP = ", sweep: {grid: {N: [1, 2]}}"
LEAVES = """\
import os
from urllib.parse import urlsplit
import boto3
s3, where = boto3.client("s3"), urlsplit(os.environ["CHECKPOINT_URI"])
bucket, key = where.netloc, where.path.lstrip("/")
for body in (b"a", b"ab"):
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    s3.put_object(Bucket=bucket, Key=key + "/of/two", Body=body)
s3.put_object(Bucket=bucket, Key=key + "/gone", Body=b"x")
s3.delete_object(Bucket=bucket, Key=key + "/gone")
print("kept", [one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix=key)["Contents"]])
record, other = key.replace("checkpoint", "run.json"), key + "s"
for what in (lambda: s3.put_object(Bucket=bucket, Key=record, Body=b"{}"),
             lambda: s3.put_object(Bucket=bucket, Key=other, Body=b"{}"),
             lambda: s3.delete_object(Bucket=bucket, Key=record),
             lambda: s3.get_object(Bucket=bucket, Key=record)):
    try:
        what()
        print("allowed")
    except s3.exceptions.ClientError as error:
        print(error.response["Error"]["Code"])
raise SystemExit(3)
"""


def versions(lane: Lane, run: str) -> list[Any]:
    """What is left of a run's checkpoint, markers of deletions too."""
    listed = lane.client("s3").list_object_versions(Bucket=BUCKET, Prefix=f"runs/{run}/checkpoint")
    return [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]


def went_on(run: Any) -> list[Any]:
    """What each attempt of a run went on from: (files, the newest)."""
    kept = [attempt["checkpoint"] for attempt in run["attempts"]]
    return [recorded and (recorded["files"], recorded["newest"]) for recorded in kept]


def test_an_interrupted_run_goes_on_to_the_same_end(lane: Lane) -> None:
    assert WAITS.count("time.sleep") == 1
    lane.program(WAITS, deploy=SPOT % "")
    lane.behave(INTERRUPTED)
    result = lane.run("apply", "--local")
    assert result.code == 0, result.out + result.err
    run = records(lane)[0]
    assert [attempt["event"] for attempt in run["attempts"]] == ["interruption", "success"]
    assert went_on(run) == [None, (1, "state.json")]
    assert "attempt 2 continued from the checkpoint of 20" in result.out
    assert "(1 file, " in lane.run("runs", "show", "--local").out
    first = next(line for line in result.out.splitlines() if "of attempt 2" in line)
    assert int(first.split()[2]) > 10, "it began anew"
    assert versions(lane, run["id"]) == []
    # No other run, and the same end as that of one that nothing disturbed.
    assert "Nothing to run" in lane.run("apply", "--local").out
    lane.program(PLAIN, deploy=SPOT % ", when: always")
    undisturbed = lane.run("apply", "--local")
    total = [line for line in result.out.splitlines() if "| total" in line]
    assert total == [line for line in undisturbed.out.splitlines() if "| total" in line] != []
    (container,) = lane.client("ecs").describe_task_definition(taskDefinition="tiny")["taskDefinition"][
        "containerDefinitions"
    ]
    assert container["stopTimeout"] == 120


def test_what_a_failed_run_left_is_marked_and_it_may_reach_nothing_else(lane: Lane) -> None:
    lane.program(LEAVES, deploy=SPOT % "")
    result = lane.run("apply", "--local")
    assert result.code == 3, result.out + result.err
    run = records(lane)[0]
    key = f"runs/{run['id']}/checkpoint"
    assert result.out.count(f"kept ['{key}', '{key}/of/two']") == 2
    assert result.out.count("| AccessDenied") == 8
    assert "| allowed" not in result.out
    assert went_on(run) == [None, (2, "of/two")]
    assert "continued from the checkpoint of" in lane.run("diagnose", "--local").out
    left = versions(lane, run["id"])
    kept = [(entry["Key"], entry["IsLatest"], entry["Size"]) for entry in left]
    assert sorted(kept) == [(key, True, 2), (f"{key}/of/two", True, 2)]
    s3 = lane.client("s3")
    marks = [s3.get_object_tagging(Bucket=BUCKET, Key=entry["Key"])["TagSet"] for entry in left]
    assert marks == [[{"Key": "reconciler:checkpoint", "Value": "left"}]] * 2
    rules = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    tags = [{"Key": "reconciler:checkpoint", "Value": "left"}]
    (rule,) = [rule for rule in rules if rule["Filter"].get("And") == {"Prefix": "runs/", "Tags": tags}]
    assert (rule["Status"], rule["Expiration"]["Days"]) == ("Enabled", 30)
    assert "Nothing to change" in lane.run("plan", "--local").out


def test_a_sweep_hands_them_on_each_its_own(lane: Lane) -> None:
    lane.program(PLAIN, deploy=SPOT % SWEEP)
    lane.behave(INTERRUPTED)
    result = lane.run("apply", "--local")
    assert result.code == 0, result.out + result.err
    runs = records(lane)
    assert sorted(went_on(run) for run in runs if len(run["attempts"]) == 2) == [[None, (1, "state.json")]]
    assert [versions(lane, run["id"]) for run in runs] == [[], []]


def test_the_function_of_the_schedule_hands_them_on(lane: Lane, ears: Ears) -> None:
    lane.program(PLAIN, deploy=NOTIFY + SCHEDULE + SPOT % "")
    assert lane.run("apply", "--local", "--skip-run").code == 0
    lane.behave(INTERRUPTED)
    lane.control("POST", "schedules/default/tiny-schedule")
    (told,) = until(ears.sns, "the message about it")
    assert told["result"] == "succeeded", told
    (run,) = records(lane)
    assert went_on(run) == [None, (1, "state.json")]
    assert versions(lane, run["id"]) == []
    # And of one that fails, what it left is marked.
    lane.program(LEAVES, deploy=NOTIFY + SCHEDULE + SPOT % "")
    assert lane.run("apply", "--local", "--skip-run").code == 0
    lane.control("POST", "schedules/default/tiny-schedule")
    (told,) = until(ears.sns, "the message about it")
    assert told["exit_code"] == 3, told
    left = versions(lane, told["run"])
    assert len(left) == 2
    tags = [lane.client("s3").get_object_tagging(Bucket=BUCKET, Key=entry["Key"])["TagSet"] for entry in left]
    assert [len(tag_set) for tag_set in tags] == [1, 1]


class Pages:
    """Answers of S3, each page asked for by the mark of the one before it."""

    FAILURES = ()

    def __init__(self, *pages: dict[str, Any]) -> None:
        self.pages, self.asked, self.done = list(pages), list[dict[str, Any]](), list[tuple[str, Any]]()

        self.held = False

    def find(self, service: str, operation: str, **params: Any) -> dict[str, Any] | None:
        if operation == "PutObjectTagging":
            self.done.append(("tag", params["Key"]))
            return {}
        self.asked.append({name: value for name, value in params.items() if name not in ("Bucket", "Prefix")})
        return self.pages.pop(0) if self.pages else None

    def call(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        self.done.append(("delete", [(entry["Key"], entry["VersionId"]) for entry in params["Delete"]["Objects"]]))
        return {"Errors": [{"Key": AT, "Code": "AccessDenied"}]} if self.held else {}


RUN = "20260101-000000-aaaaaaaa"
AT = f"runs/{RUN}/checkpoint"


def version(key: str, number: str, *, latest: bool = True) -> dict[str, Any]:
    return {"Key": key, "VersionId": number, "IsLatest": latest}


def test_all_pages_of_it_are_looked_at_and_nothing_beside_it() -> None:
    def listed(key: str, second: int) -> dict[str, Any]:
        return {"Key": key, "Size": 5, "LastModified": datetime.fromtimestamp(second, UTC)}

    calls = Pages(
        {"Contents": [listed(AT, 1), listed(f"{AT}/a", 9)], "IsTruncated": True, "NextContinuationToken": "x"},
        {"Contents": [listed(f"{AT}/b", 3), listed(f"{AT}s/c", 12)]},
    )
    assert checkpoint.look(calls, "b", RUN) == Checkpoint(3, 15, "a", 9.0)
    assert calls.asked == [{}, {"ContinuationToken": "x"}]
    assert checkpoint.look(Pages(), "b", RUN) == Checkpoint(0, 0), "no bucket"

    more = {"IsTruncated": True, "NextKeyMarker": "k", "NextVersionIdMarker": "v"}

    def pages() -> Pages:
        return Pages(
            {"Versions": [version(AT, "1"), version(AT, "0", latest=False)], **more},
            {"Versions": [version(f"{AT}s", "7")], "DeleteMarkers": [version(f"{AT}/z", "5")]},
        )

    calls = pages()
    assert checkpoint.remove(calls, "b", RUN) == []
    assert calls.done == [("delete", [(AT, "1"), (AT, "0")]), ("delete", [(f"{AT}/z", "5")])]
    assert calls.asked == [{}, {"KeyMarker": "k", "VersionIdMarker": "v"}]
    calls = pages()
    checkpoint.leave(calls, "b", RUN)
    assert calls.done == [("delete", [(AT, "0")]), ("tag", AT), ("delete", [(f"{AT}/z", "5")])]

    # A 200 whose body says what stays.
    calls, told = pages(), list[str]()
    calls.held = True
    over = Run(id=RUN, fingerprint="", state=State.SUCCEEDED, created=0.0, inputs={}, output="", cluster="c")
    Store(calls, "b", told.append, checkpoints=True).end_checkpoint(over)
    assert told == [f"2 objects of the checkpoint of run {RUN} can't be deleted: {AT} (AccessDenied)"]


@pytest.mark.parametrize(
    ("state", "days", "marked"),
    [(State.RUNNING, 31, True), (State.RUNNING, 29, False), (State.FAILED, 31, False)],
)
def test_that_of_a_run_whose_end_nobody_saw_is_marked(state: State, days: int, marked: bool) -> None:
    """By whoever writes the index of runs and looks at what is left of it."""
    attempt = Attempt(1, "FARGATE", f"{RUN}-1", time.time() - days * 86400)
    run = Run(
        id=RUN,
        fingerprint=RUN[-8:] * 8,
        state=state,
        created=1.0,
        inputs={},
        output="",
        cluster="c",
        attempts=(attempt,),
    )
    body, calls = to_json(run), Pages({"Body": None, "ETag": "e"}, {"Versions": [version(AT, "1")]})
    calls.pages[0]["Body"] = io.BytesIO(body)
    store = Store(calls, "b", print, checkpoints=True)
    assert store.look(RUN) is not None
    assert calls.done == ([("tag", AT)] if marked else [])


@pytest.mark.parametrize(
    ("known", "text"),
    [
        (Checkpoint(0, 0), "started from the beginning: there was no checkpoint"),
        (Checkpoint(1, 999, "a", 0.0),
         "continued from the checkpoint of 1970-01-01 00:00:00 UTC (1 file, 999 bytes, the newest a)"),
        (Checkpoint(2, 3 * 2**20, "", 60.0),
         "continued from the checkpoint of 1970-01-01 00:01:00 UTC (2 files, 3.0 MiB)"),
    ],
)  # fmt: skip
def test_it_is_told_from_where_an_attempt_went_on(known: Checkpoint, text: str) -> None:
    assert known.text == text
