"""Records and metrics as they come back from the bucket: whatever somebody wrote there is a run, or is refused."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from reconciler.aws.calls import Aws
from reconciler.cli.runs import _show, row
from reconciler.cli.terminal import Terminal
from reconciler.cli.verdict import exit_code, verdict
from reconciler.config.schema import Deploy
from reconciler.core import plain_json
from reconciler.core.clock import SystemClock
from reconciler.core.errors import AwsError
from reconciler.core.run_paths import (
    fingerprint_key,
    fits,
    is_fingerprint,
    is_run_id,
    is_sweep_id,
    is_task_arn,
    record_key,
)
from reconciler.core.secret import LONG, Secrets, secrets_in
from reconciler.engine.lock_holder import read_holder
from reconciler.run import metrics
from reconciler.run.checkpoint import Checkpoint
from reconciler.run.index import LATEST
from reconciler.run.place import NotOurs, Place
from reconciler.run.retry import Attempt, Event
from reconciler.run.run import Run
from reconciler.run.run_record import Runs
from reconciler.run.state import State
from reconciler.run.stored import MOST, Store, Unreadable, from_json, to_json
from reconciler.run.usage import LARGEST_CPU, LARGEST_MEMORY, Usage

ID, FINGERPRINT = "20260101-000000-aaaaaaaa", "a" * 64
SCHEDULED = "scheduled-20260101-000000-0123abcd"
KEY = record_key(ID)
ARN = "arn:aws:ecs:us-east-1:123456789012:task/tiny/0123456789abcdef0123456789abcdef"
ATTEMPT: dict[str, Any] = {
    "number": 1, "provider": "FARGATE", "token": f"{ID}-1", "launched": 5.0, "task_arn": ARN, "event": "success",
    "exit_code": 0, "reason": "", "started": 6.0, "stopped": 7.5,
}  # fmt: skip
RECORD: dict[str, Any] = {
    "version": 1, "id": ID, "fingerprint": FINGERPRINT, "state": "succeeded", "created": 5.0,
    "inputs": {"cpu": 256, "memory": 512, "containers": {"main": {"image": "x", "environment": {"A": "1"}}}},
    "output": f"s3://b/runs/{ID}/output", "cluster": "tiny", "container": "main", "task_definition": "tiny:1",
    "log_group": "/ecs/tiny", "log_prefix": "ecs", "attempts": [ATTEMPT], "exit_code": 0, "reason": "", "cost": 0.25,
    "metrics": {"rmse": 0.5}, "overrides": {"environment": {"A": "1"}, "cpu": None, "memory": None, "command": ["a"]},
    "sweep": "", "schedule": "",
}  # fmt: skip


DEPLOY = Deploy.model_validate({"name": "tiny", "image": "."}).filled()


class Bucket:
    """S3 with one object."""

    def __init__(self, body: bytes) -> None:
        self.body, self.clock = body, SystemClock()

    def find(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        assert (service, operation) == ("s3", "GetObject")
        return {"Body": io.BytesIO(self.body), "ETag": self.etag}

    @property
    def etag(self) -> str:
        """The ETag of the object that is there."""
        return hashlib.md5(self.body, usedforsecurity=False).hexdigest()

    def call(self, service: str, operation: str, **params: Any) -> dict[str, str]:
        assert (service, operation) == ("s3", "PutObject")
        self.body = params["Body"]
        return {"ETag": self.etag}

    def conditional(self, service: str, operation: str, **params: Any) -> dict[str, str] | None:
        return self.call(service, operation, **params) if self.etag == params["IfMatch"] else None


def runs(body: bytes, tell: Callable[[str], None] = lambda text: None) -> Runs:
    aws: Aws = Bucket(body)  # type: ignore[assignment]
    made = Runs(aws, "b", tell)
    made.later = True  # of the index another file tells
    return made


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (ID, True), (f"{ID}-2", True), (SCHEDULED, True), (f"{ID}-10", True),
        ("", False), ("/home/u/.ssh", False), ("a/../../.git", False), (f"{ID}/../x", False), (f"../{ID}", False),
        (f"{ID}\n", False), (f" {ID}", False), (f"{ID}-0", False), (f"{ID}-", False), (ID.upper(), False),
        ("20260101-000000-aaaaaaa", False), ("20260101-000000-aaaaaaaaa", False), (f"{SCHEDULED}-2", False),
        ("\u0662\u0660260101-000000-aaaaaaaa", False),
        (f"{ID}\\x", False), (f"{ID}\x00", False), ("fingerprints", False),
        ("sweep-01234567", False), (f"{ID}-{'9' * 30}", False),
    ],
)  # fmt: skip
def test_ids_of_runs(text: str, good: bool) -> None:
    assert is_run_id(text) is good


def test_other_names() -> None:
    assert [is_sweep_id(x) for x in ("sweep-0123abcd", "sweep-0123abcd/", "sweep-x", "")] == [True, False, False, False]
    assert [is_fingerprint(x) for x in (FINGERPRINT, "A" * 64, "a" * 63, "")] == [True, False, False, False]
    arns = (ARN, ARN.replace("tiny/", ""), ARN.replace("tiny/", "a/b/"), f"{ARN}\n", "", "arn:aws:ecs:x:1:task/a")
    assert [is_task_arn(arn) for arn in arns] == [True, True, False, False, False, False]
    assert fits(ID, FINGERPRINT)
    assert fits(SCHEDULED, "")
    assert not fits(SCHEDULED, FINGERPRINT)
    assert not fits(ID, "")
    assert not fits(ID, "b" * 64)


def changed(**more: Any) -> dict[str, Any]:
    return {**RECORD, **more}


def attempt(**more: Any) -> dict[str, Any]:
    return changed(attempts=[{**ATTEMPT, **more}])


REFUSED: list[tuple[Any, str]] = [
    (changed(id="/home/u/.ssh"), "'/home/u/.ssh' is no run's id"),
    (changed(id="a/../../.git"), "'a/../../.git' is no run's id"),
    (changed(id="20260101-000000-aaaaaaaa-2"), "whose place is another"),
    (changed(id=3), "its id is no text"),
    (changed(fingerprint="b" * 64), "its fingerprint isn't that of a run"),
    (changed(fingerprint=""), "its fingerprint isn't that of a run"),
    (changed(version=2), "it is of version 2, and this program reads version 1"),
    (changed(version=None), "it is of version None"),
    (changed(state="done"), "its state is no state"),
    (changed(state="running", attempts=[]), "it is running, and has no attempt"),
    (changed(created=1e300), "its created is no number from 0 to"),
    (changed(created=-1), "its created is no number"),
    (changed(created=True), "its created is no number"),
    (changed(created="1"), "its created is no number"),
    (changed(cost=-1.0), "its cost is no number"),
    (changed(exit_code=2**40), "its exit_code is no whole number"),
    (changed(exit_code=0.5), "its exit_code is no whole number"),
    (changed(metrics={"x": "1"}), "its metrics is no number"),
    (changed(metrics={"x": 10**390}), "its metrics is no number"),
    (changed(inputs={"cpu": "x"}), "its inputs its cpu is no whole number"),
    (changed(inputs={"cpu": 10**30}), "too large"),
    (changed(inputs={"containers": []}), "is no object"),
    (changed(inputs={"containers": {"main": {"environment": {"A": 1}}}}), "is no text"),
    (changed(inputs=[]), "its inputs is no object"),
    (changed(sweep="../x"), "its sweep is no sweep's id"),
    (changed(like="../x"), "its like is no run's id"),
    (changed(code_version=3), "its code_version is no text"),
    (attempt(image="latest"), "its image is no digest"),
    (changed(attempts={}), "its attempts is no list"),
    (attempt(memory=0), "its memory is no whole number from 1 to"),
    (attempt(checkpoint=3), "a part of it is no object"),
    (attempt(checkpoint={"files": -1, "bytes": 0}), "its checkpoint its files is no whole number"),
    (attempt(checkpoint={"files": 1, "bytes": 0, "written": "now"}), "its checkpoint its written is no number"),
    (attempt(usage=3), "a part of it is no object"),
    (attempt(usage={"memory": 2**26, "cpu": 0, "measurements": 1}), "its usage its memory is no whole number"),
    (attempt(usage={"memory": 0, "cpu": 1.5, "measurements": 1}), "its usage its cpu is no whole number"),
    (attempt(usage={"memory": 0, "cpu": 0}), "its usage its measurements is no whole number"),
    (changed(attempts=[3]), "an attempt is no object"),
    (changed(overrides=3), "a part of it is no object"),
    (changed(overrides={"environment": {"A B": "1"}}), "is no variable's name"),
    (changed(overrides={"command": "ls"}), "its command is no list"),
    (attempt(number=2), "its attempt 1 has the number 2"),
    (attempt(token="20250101-000000-aaaaaaaa-1"), "the token of its attempt 1 isn't of this run"),
    (attempt(task_arn="--cluster"), "its task_arn is no task's ARN"),
    (attempt(task_arn=f"{ARN}/../x"), "its task_arn is no task's ARN"),
    (attempt(event="won"), "its event is no end"),
    (attempt(launched=1e300), "its launched is no number"),
    (attempt(started=LATEST + 1), "its started is no number"),
    (attempt(stopped=None, provider=None), "its provider is no text"),
    ([], "it is no object"),
    (None, "it is no object"),
]


@pytest.mark.parametrize(("record", "why"), REFUSED)
def test_a_record_that_is_not_as_it_has_to_be_is_refused(record: Any, why: str) -> None:
    body = json.dumps(record).encode()
    with pytest.raises(Unreadable) as refused:
        runs(body).get(ID)
    assert refused.value.key == KEY
    assert why in refused.value.why
    assert len(refused.value.why) < 200
    assert str(refused.value).startswith(f"the record '{KEY}' can't be read: ")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "it isn't JSON"),
        (b"{", "it isn't JSON"),
        (b"\xff\xfe", "it isn't"),
        (b"[" * 100_000 + b"]" * 100_000, "deeper than 100 levels"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "deeper than 100 levels"),
        (b"[" * 150 + b"]" * 150, "deeper than 100 levels"),
        (json.dumps(RECORD).replace("0.25", "NaN").encode(), "isn't finite"),
        (json.dumps(RECORD).replace("0.25", "-Infinity").encode(), "isn't finite"),
        (json.dumps(RECORD).replace("0.25", "1e999").encode(), "isn't finite"),
        (json.dumps(RECORD).replace("0.25", "1" * 5000).encode(), "isn't finite"),
        (json.dumps(RECORD).replace("/ecs/tiny", "\\ud800").encode(), "isn't Unicode"),
        (b" " * (MOST + 1), "more than 4,194,304 bytes"),
    ],
)
def test_what_is_no_json_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        runs(body).get(ID)


def test_a_record_belongs_to_its_key() -> None:
    body = json.dumps(RECORD).encode()
    for key in (KEY, fingerprint_key(FINGERPRINT)):
        assert from_json(body, key).id == ID
    for key in (record_key(f"{ID}-2"), fingerprint_key("b" * 64), f"runs/x/../{ID}/run.json"):
        with pytest.raises(Unreadable, match="whose place is another"):
            from_json(body, key)
    for bad in ("", "../x", f"{ID}/"):
        with pytest.raises(ValueError):
            runs(body).get(bad)


def test_what_another_version_wrote_is_read() -> None:
    """Before, a number that isn't finite became null, and the run was unknown: it was trained again at every apply."""
    run = runs(json.dumps(changed(metrics={"rmse": 0.5, "val_loss": None}, more=1)).encode()).latest(FINGERPRINT)
    assert run is not None
    assert run.metrics == {"rmse": 0.5}
    least = {k: RECORD[k] for k in ("version", "id", "fingerprint", "state", "created", "inputs", "output", "cluster")}
    fewest = {k: ATTEMPT[k] for k in ("number", "provider", "token", "launched")}
    bare = runs(json.dumps({**least, "attempts": [fewest]}).encode()).get(ID)
    assert bare is not None
    assert bare.attempts == (Attempt(1, "FARGATE", f"{ID}-1", 5.0),)
    elsewhere = runs(json.dumps(changed(output="s3://another/place")).encode()).get(ID)
    assert elsewhere is not None
    assert elsewhere.output == f"s3://b/runs/{ID}/output", "the record lies in this bucket"


times = st.floats(0.0, LATEST)
texts = st.text(max_size=30).filter(lambda text: not any(secrets_in(text)))  # those are hidden where they are written
numbers = st.floats(allow_nan=False, allow_infinity=False)
inputs = st.fixed_dictionaries(
    {"cpu": st.integers(1, 2**53), "data": st.dictionaries(texts, texts, max_size=3)},
    optional={"more": st.recursive(texts | numbers | st.none() | st.booleans(), lambda c: st.lists(c, max_size=3))},
)


checkpoints = st.builds(Checkpoint, st.integers(0, 2**53), st.integers(0, 2**53), texts, st.none() | times)


usages = st.builds(Usage, st.integers(0, LARGEST_MEMORY), st.integers(0, LARGEST_CPU), st.integers(0, 2**53))


@st.composite
def whole_runs(draw: st.DrawFn) -> Run:
    """Any run that this program could come to."""
    scheduled = draw(st.booleans())
    fingerprint = "" if scheduled else draw(st.text("0123456789abcdef", min_size=64, max_size=64))
    head = draw(st.from_regex(r"\A[0-9]{8}-[0-9]{6}-\Z"))
    run_id = f"scheduled-{head}0123abcd" if scheduled else head + fingerprint[:8] + draw(st.sampled_from(["", "-2"]))
    attempts = tuple(
        Attempt(
            n, draw(texts), f"{run_id}-{n}", draw(times), draw(st.sampled_from(["", ARN])),
            draw(st.none() | st.sampled_from(Event)), draw(st.none() | st.integers(-(2**31), 2**32)), draw(texts),
            draw(st.none() | times), draw(st.none() | times), draw(st.none() | checkpoints),
            draw(st.none() | st.integers(1, 32768)), draw(st.none() | st.integers(1, 249856)),
            draw(st.sampled_from(["", f"sha256:{'0' * 64}"])), draw(st.none() | usages),
        )
        for n in range(1, draw(st.integers(1, 4)))
    )  # fmt: skip
    states = [State.LAUNCHING, State.STOPPED] if not attempts else list(State)
    if scheduled and not attempts:
        attempts = (Attempt(1, "FARGATE", f"{run_id}-1", 0.0),)
    return Run(
        id=run_id, fingerprint=fingerprint, state=draw(st.sampled_from(states)), created=draw(times),
        inputs=draw(inputs), output=f"s3://b/runs/{run_id}/output", cluster=draw(texts), attempts=attempts,
        exit_code=draw(st.none() | st.integers(-(2**31), 2**32)), reason=draw(texts),
        cost=draw(st.none() | st.floats(0.0, 1e9)), metrics=draw(st.dictionaries(texts, numbers, max_size=4)),
        schedule="tiny-schedule" if scheduled else "", sweep=draw(st.sampled_from(["", "sweep-01234567"])),
        like=draw(st.sampled_from(["", ID])), code_version=draw(texts),
    )  # fmt: skip


@given(whole_runs())
def test_what_is_written_is_read_back(run: Run) -> None:
    kept = runs(b"")
    kept.put(run)
    assert kept.get(run.id) == run
    if run.fingerprint:
        assert kept.latest(run.fingerprint) == run
    written = kept.aws.body  # type: ignore[attr-defined]
    assert json.loads(to_json(from_json(written, record_key(run.id)))) == json.loads(written)


@pytest.mark.parametrize(
    "secret", ["succeeded", "FARGATE", "tiny", "us-east-1", "20260101", ID, "tiny-data", "launching", "container"]
)
def test_a_secret_that_reads_like_a_part_of_a_record(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, the state, an ARN or a place was marked, too, and no later apply could read the record."""
    known = Secrets()
    known.add(secret)
    monkeypatch.setattr("reconciler.run.run_record.KNOWN", known)
    kept = runs(json.dumps(changed(reason=f"it had {secret}", overrides={"environment": {"A_TOKEN": secret}})).encode())
    run = kept.get(ID)
    assert run is not None
    kept.put(replace(run, code_version=secret))
    again = kept.get(ID)
    assert again is not None
    assert secret not in f"{again.overrides} {again.code_version}"
    assert (secret in again.reason) == (len(secret) < LONG), "short words are hidden where they are a whole value"
    assert replace(again, reason=run.reason, overrides=run.overrides, code_version=run.code_version) == run


@pytest.mark.parametrize("secret", ["X86_64", "dask"])
def test_a_secret_that_reads_like_a_word_of_ours_in_the_inputs(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another architecture has another price, or none."""
    known = Secrets()
    known.add(secret)
    monkeypatch.setattr("reconciler.run.run_record.KNOWN", known)
    kept = runs(json.dumps(changed()).encode())
    run = kept.get(ID)
    assert run is not None
    inputs = {"architecture": "X86_64", "workers": {"engine": "dask", "count": 2}, "data": {"a": secret}}
    kept.put(replace(run, inputs=inputs))
    again = kept.get(ID)
    assert again is not None
    assert {**again.inputs, "data": {}} == {**inputs, "data": {}}
    assert secret not in again.inputs["data"].values()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20)
    | st.sampled_from([10**400, -(10**400), 10**20, 1e308, "/home/u/.ssh", "a/../../.git", ID, FINGERPRINT]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def shown(run: Run) -> str:
    """What every command makes of a run."""
    terminal, stream = Terminal(), io.StringIO()
    terminal.stream, terminal.live = stream, False
    terminal.print(row(terminal, run, 30))
    _show(terminal, DEPLOY, run, False, paid=True, now=0.0)
    verdict(run, exit_code(run))
    return plain_json.write(plain_json.plain(run)).decode()


def no_constant(text: str) -> None:
    raise AssertionError(text)


@given(st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode()))
def test_anything_is_a_run_or_refused(body: bytes) -> None:
    with pytest.raises(Unreadable):
        runs(body).get(ID)


@given(st.data())
def test_a_record_with_anything_in_it_is_a_run_or_refused(data: st.DataObject) -> None:
    record = json.loads(json.dumps(RECORD))
    for _ in range(data.draw(st.integers(1, 3))):
        place: Any = record
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = data.draw(st.sampled_from(keys))
            if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
                break
            place = place[key]
        place[key] = data.draw(anything)
    told: list[str] = []
    kept = runs(json.dumps(record).encode(), told.append)
    run = kept.readable(ID)
    if run is None:
        assert kept.unreadable.keys() == {KEY}
        assert kept.unreadable[KEY].isprintable()
        return
    json.loads(shown(run), parse_constant=no_constant)
    again = runs(b"")
    again.put(run)
    assert again.get(ID) == run


@given(anything)
def test_any_metrics_are_numbers_that_are_read_back(value: Any) -> None:
    told: list[str] = []
    for written in (value, {"metrics": value}):
        kept = runs(json.dumps(written).encode(), told.append)
        run = from_json(json.dumps(changed(output=f"s3://b/runs/{ID}/output")).encode(), KEY)
        run = replace(run, metrics=kept.metrics(run))
        kept.put(run)
        assert kept.get(ID) == run
        assert "NaN" not in shown(run)
    assert all(text.isprintable() and len(text) < 600 for text in told)


@pytest.mark.parametrize(
    ("text", "expected", "said"),
    [
        (b'{"metrics": {"rmse": 0.5, "val_loss": NaN}}', {"rmse": 0.5}, "metrics.json: 'val_loss' left out"),
        (b'{"a": Infinity, "b": -Infinity, "c": 1e999, "d": 1}', {"d": 1.0}, "'a', 'b', 'c' left out"),
        (json.dumps({"n": 10**400}).encode(), {}, "'n' left out"),
        (b'{"n": ' + b"1" * 10_000 + b', "m": 2}', {"m": 2.0}, "'n' left out"),
        (b"[" * 100_000 + b"]" * 100_000, {}, "nested deeper than 100 levels"),
        (b'{"a": ' * 100_000 + b"1" + b"}" * 100_000, {}, "nested deeper than 100 levels"),
        (b'{"rmse": 1}' + b" " * metrics.MOST, {}, "more than 1,048,576 bytes"),
        (json.dumps({"x" * 1001: 1, "y": 2}).encode(), {"y": 2.0}, "xxx...' left out"),
        (b'{"a\\u001b[2Jb\\n": NaN}', {}, "'a\\x1b[2Jb\\n' left out"),
        (b'{"\\ud800": 1}', {}, "a text in it isn't Unicode"),
        (b'{"a": true, "b": null, "c": "1", "d": [1]}', {}, ""),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1.0}, ""),
        (b"", {}, "it isn't JSON"),
    ],
)  # fmt: skip
def test_metrics(text: bytes, expected: Mapping[str, float], said: str) -> None:
    assert metrics.metrics_in(text)[0] == expected
    told = metrics.metrics_in(text)[1]
    assert said in told
    assert bool(said) == bool(told)


@pytest.mark.parametrize(
    ("code", "is_told"),
    [
        *((code, True) for code in ("InvalidObjectState", "AccessDenied", "InvalidRequest", "KMS.DisabledException")),
        *((code, False) for code in ("SlowDown", "InternalError", "ExpiredToken", "RequestTimeout")),
    ],
)
@pytest.mark.parametrize("of_boto3", [False, True])
def test_metrics_that_s3_never_gives_are_left_out(code: str, is_told: bool, of_boto3: bool) -> None:
    class Refusing:
        FAILURES = (AwsError, ClientError)

        def find(self, service: str, operation: str, **params: Any) -> None:
            if of_boto3:
                raise ClientError({"Error": {"Code": code, "Message": "no"}}, operation)
            raise AwsError(service, operation, code, "no")

    told: list[str] = []
    read = partial(Store(Refusing(), "b", told.append).metrics, from_json(json.dumps(RECORD).encode(), KEY))
    if is_told:
        assert read() == {}
        assert len(told) == 1
        assert code in told[0]
        return
    with pytest.raises(Refusing.FAILURES):
        read()


def test_too_many_metrics_are_cut() -> None:
    many = {f"m{n}": n for n in range(metrics.COUNT + 7)}
    kept, said = metrics.metrics_in(json.dumps(many).encode())
    assert len(kept) == metrics.COUNT
    assert "and 2 more left out" in said


PLACE = Place("tiny", "tiny", "main", "/ecs/tiny", "ecs")
TASK = {
    "taskArn": ARN, "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/tiny", "startedBy": f"{ID}-1",
    "taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/tiny:3",
}  # fmt: skip


@pytest.mark.parametrize(
    ("more", "ours"),
    [
        ({}, True),
        ({"startedBy": "20250101-000000-aaaaaaaa-1"}, False),
        ({"startedBy": None}, False),
        ({"clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/prod"}, False),
        ({"taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/tiny-prod:3"}, False),
        ({"taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/prod-tiny:3"}, False),
    ],
)
def test_whose_a_task_is(more: dict[str, Any], ours: bool) -> None:
    assert PLACE.has({**TASK, **more}, f"{ID}-1") is ours
    own_attempt = Attempt(1, "FARGATE", f"{ID}-1", 0.0, ARN)
    if not ours:
        with pytest.raises(
            NotOurs, match="another task definition than tiny, another cluster than tiny, or another mark"
        ):
            PLACE.check({**TASK, **more}, own_attempt)
    assert PLACE.may_hold(ARN)
    assert not PLACE.may_hold(ARN.replace("/tiny/", "/prod/"))


@pytest.mark.parametrize(
    "value",
    ["", "x", "[" * 100_000, '{"a":' * 100_000, '{"since": 1e300}', '{"expires": NaN}', '{"pid": 1e999}', "[1]", "3",
     '{"pid": ' + "9" * 5000 + "}", '{"since": "x"}', '{"expires": -5}', '{"id": {}, "since": []}'],
)  # fmt: skip
def test_a_lock_that_cannot_be_read_is_somebodys(value: str) -> None:
    holder = read_holder({"Value": value})
    assert holder.who == "somebody"
    assert "since 1970-01-01" in str(holder)


@given(anything)
def test_json_is_json(value: Any) -> None:
    """What is printed with --json has no NaN, which most readers of JSON refuse."""
    text = plain_json.write(value)
    json.loads(text, parse_constant=no_constant)
