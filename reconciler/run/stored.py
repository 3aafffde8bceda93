"""The record of a run as it is kept in the bucket: checked whole before anything in it is believed. Pure.

A record may be forged, by whoever can write there, or be of another version. One that isn't just as this program
writes them is refused with the reason: it is never taken for a run, and never for one that isn't there. It needs
nothing but Python's own library, since the function of reconciler/scheduled reads records too.
"""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from reconciler.core import plain_json
from reconciler.core import run_paths as keys
from reconciler.core.errors import ReconcilerError, code_of
from reconciler.core.function_settings import Retry
from reconciler.core.run_paths import SCHEDULED
from reconciler.run import checkpoint
from reconciler.run.checkpoint import Checkpoint
from reconciler.run.index import LATEST, RecordedRun
from reconciler.run.index_store import Index
from reconciler.run.metrics import FILE as METRICS_FILE
from reconciler.run.metrics import MOST as METRICS_MOST
from reconciler.run.metrics import metrics_in
from reconciler.run.retry import Attempt, Event
from reconciler.run.run import Overrides, Run
from reconciler.run.state import State
from reconciler.run.usage import LARGEST_CPU, LARGEST_MEMORY, Usage

VERSION = 1
MOST = 4 * 1024 * 1024  # bytes of a record
SIZE_MOST = 1_000  # bytes of what a family's size is kept in
ATTEMPTS = 10_000
TRIES = 5  # to write a record that others write as well
MINUTE = 60.0
DEAREST = 1e9  # US dollars
LARGEST = 2**53  # of whole numbers: every reader of JSON has them
UNSEEN = 30 * 86400.0  # seconds after its last launch from which on nobody is expected to come back to a run
# Codes of what S3 never gives: archived, encrypted with a key of the program's, in KMS (`KMS.` and why) or beside it.
WITHHELD = re.compile(r"AccessDenied|InvalidObjectState|InvalidRequest|KMS\..*")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # of a variable
E = TypeVar("E", State, Event)


class Unreadable(ReconcilerError):
    """A record that can't be read. key: where it is."""

    def __init__(self, key: str, why: str, *, hint: str = "") -> None:
        super().__init__(f"the record {key!a} can't be read: {why}", hint=hint)
        self.key, self.why = key, why


class Changed(ReconcilerError):
    """A record that somebody else has written since it was read, who decides about the run."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"somebody else has gone on with run {run_id}", hint="run the command again")


class _Wrong(Exception):
    """Something in a record isn't as it has to be; the text says what."""


class Store:
    """Reads and writes the records in one bucket, each whole by one call: a crash leaves the old one or the new one.

    calls: has `call`, `find` and `conditional`, an operation of AWS by service and name; `find` gives None for what
    doesn't exist, `conditional` where a condition doesn't hold; `each`, for many; and FAILURES, what they and reading
    their pages raise, which is raised here too. tell: told what isn't shown or kept, each once. keep: seconds for which
    runs are kept; None for always. checkpoints: whether runs leave any.
    """

    def __init__(
        self,
        calls: Any,
        bucket: str,
        tell: Callable[[str], None],
        keep: float | None = None,
        *,
        checkpoints: bool = False,
    ) -> None:
        self._calls, self.bucket, self.keep, self._checkpoints = calls, bucket, keep, checkpoints
        self._tell, self._messages = tell, set[str]()
        self._told_at: dict[str, float] = {}
        self._etags: dict[str, str] = {}  # of the records that were read or written here, by key
        self._for_index: dict[str, RecordedRun] = {}
        self.later = False  # whether the index is written when `flush` is called, and not at each end
        self.over: set[str] = set()  # ids of runs that were seen to be over, which the index may not know
        self._flushed = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def index(self, scheduled: bool) -> Index:
        """The index of scheduled runs, or of the others."""
        return Index(self._calls, self.bucket, scheduled, self.keep)

    def say(self, text: str) -> None:
        """Tell it, unless it was told before."""
        if text not in self._messages:
            self._messages.add(text)
            self._tell(text)

    def say_again(self, text: str) -> None:
        """Tell what may come again, unless that was within the last minute: many calls find it out at the same time."""
        now = self.now()
        if text not in self._told_at or now - self._told_at[text] > MINUTE:
            self._told_at[text] = now
            self._tell(text)

    def get(self, run_id: str) -> Run | None:
        """One run. Raises Unreadable; ValueError for what is no run's id."""
        if not keys.is_run_id(run_id):
            raise ValueError(run_id)
        key = keys.record_key(run_id)
        self._etags.pop(key, None)
        answer = self._calls.find("s3", "GetObject", Bucket=self.bucket, Key=key)
        if answer is None:
            return None
        self._etags[key] = str(answer["ETag"])
        return self._run(answer, key)

    def at(self, key: str) -> Run | None:
        """The run whose record has this key; its output is in this bucket. Raises Unreadable."""
        answer = self._calls.find("s3", "GetObject", Bucket=self.bucket, Key=key)
        return None if answer is None else self._run(answer, key)

    def _run(self, answer: Mapping[str, Any], key: str) -> Run:
        return self.placed(from_json(answer["Body"].read(MOST + 1), key))

    def placed(self, run: Run) -> Run:
        """A run as it was recorded; its output is in this bucket, whatever its record says."""
        return replace(run, output=f"s3://{self.bucket}/{keys.output_prefix(run.id)}")

    def put(self, run: Run, *, only_over_known: bool = False) -> None:
        """Write a run, and that it is the newest with its fingerprint.

        The fingerprint's, by which the next apply comes back to the run, is written first and, at the end, last: a
        run that was stopped between the two is never left behind half written. Where the record was read or written
        here before, it is written only over that: it decides, and the fingerprint's follows. Then an unattended run is
        written over nothing that was written since, and nobody's over one that has become unattended, or that is over
        or was stopped meanwhile. only_over_known: no other either. Raises Changed.
        """
        record = keys.record_key(run.id)
        places = [record]
        if run.fingerprint:
            first = not run.state.over and not self._etags.keys() & places
            places.insert(0 if first else 1, keys.fingerprint_key(run.fingerprint))
        body = self.body(run)
        for key in places:
            request = {"Bucket": self.bucket, "Key": key, "Body": body, "ContentType": "application/json"}
            if key in self._etags:
                self._put_over(run, request, only_over_known)
                continue
            if key != record and run.unattended and run.state.over:
                self._put_newest(run, request)
                continue
            answer = self._calls.call("s3", "PutObject", **request)
            if key == record:
                self._etags[key] = str(answer["ETag"])
        if run.state.over or self.later:
            self._for_index[run.id] = self._seen(run.id, body, self._etags[record])  # as it was written
        if run.state.over and not self.later:
            self.flush()

    def _put_over(self, run: Run, request: Mapping[str, Any], only_known: bool) -> None:
        """Write a run's record over the one that is known here. request: the parameters of PutObject; only_known: over
        no other.
        """
        key = request["Key"]
        for _ in range(TRIES):
            answer = self._calls.conditional("s3", "PutObject", **request, IfMatch=self._etags[key])
            if answer is not None:
                self._etags[key] = str(answer["ETag"])
                return
            current = self._calls.find("s3", "GetObject", Bucket=self.bucket, Key=key)
            if current is None:  # somebody has deleted it
                answer = self._calls.call("s3", "PutObject", **request)
                self._etags[key] = str(answer["ETag"])
                return
            self._etags[key], body = str(current["ETag"]), current["Body"].read(MOST + 1)
            if body == request["Body"]:
                return  # it was written, and the answer lost
            recorded = from_json(body, key)
            stopping = recorded.state is State.STOPPING and run.state is not State.STOPPING
            behind = not run.state.over and (recorded.state.over or stopping)
            if only_known or run.unattended or recorded.unattended or behind:
                break
            # Several clients that see a run through write the same of it.
        raise Changed(run.id)

    def _put_newest(self, run: Run, request: Mapping[str, Any]) -> None:
        """Write the record of its fingerprint, unless that is of a newer run: an end may be recorded late."""
        current = self._calls.find("s3", "GetObject", Bucket=self.bucket, Key=request["Key"])
        if current is None:
            self._calls.call("s3", "PutObject", **request)
            return
        with contextlib.suppress(Unreadable):
            if from_json(current["Body"].read(MOST + 1), request["Key"]).id != run.id:
                return
        self._calls.conditional("s3", "PutObject", **request, IfMatch=str(current["ETag"]))

    def flush(self, pause: float = 0.0) -> None:
        """Put what was recorded since the last time into the index. What hinders that is said: the next one does it.

        pause: seconds for which nothing is done after the last time.
        """
        if pause and self._flushed + pause > self.now():
            return
        for scheduled in (False, True):
            ids = [run_id for run_id in tuple(self._for_index) if run_id.startswith(SCHEDULED) == scheduled]
            runs = [self._for_index.pop(run_id) for run_id in ids]
            if not runs:
                continue
            try:
                unread = self.index(scheduled).update(runs, self.look, self.now(), self.over)
            except self._calls.FAILURES as error:
                self.say(f"the index of runs can't be written, and records are read instead: {error}")
                continue
            if unread > 0:
                self.say(f"{unread:,} runs aren't in the index of runs yet: `runs --rebuild` puts them in")
        self.over, self._flushed = set(), self.now()

    def look(self, run_id: str) -> RecordedRun | None:
        """A run for the index; None where it has no record."""
        answer = self._calls.find("s3", "GetObject", Bucket=self.bucket, Key=keys.record_key(run_id))
        if answer is None:
            return None
        return self._seen(run_id, answer["Body"].read(MOST + 1), str(answer["ETag"]), self._leave_checkpoint)

    def _leave_checkpoint(self, run: Run) -> None:
        """Mark the checkpoint of a run whose end nobody has seen. One that runs after all writes another."""
        newest = run.attempts[-1].launched if run.attempts else run.created
        if self._checkpoints and not run.state.over and newest + UNSEEN < self.now():
            with contextlib.suppress(*self._calls.FAILURES):
                checkpoint.leave(self._calls, self.bucket, run.id)

    def _seen(self, run_id: str, body: bytes, etag: str, also: Callable[[Run], None] = lambda run: None) -> RecordedRun:
        """A run for the index. One that can't be read is none, and is looked at again later. also: what else is done
        with the run.
        """
        try:
            run = from_json(body, keys.record_key(run_id))
        except Unreadable:
            return RecordedRun(run_id, etag, None, self.now())
        also(run)
        return RecordedRun.of(run, etag, body, self.now())

    def body(self, run: Run) -> bytes:
        """A run as it is written."""
        return to_json(run)

    def with_checkpoint(self, run: Run) -> Run:
        """A run whose newest attempt is about to be launched, with what that goes on from."""
        last = run.attempts[-1]
        if last.number == 1:
            return run
        return run.with_attempt(replace(last, checkpoint=checkpoint.look(self._calls, self.bucket, run.id)))

    def end_checkpoint(self, run: Run) -> None:
        """Remove the checkpoint of a run that succeeded; of another that is over, mark what is to be removed later.
        What hinders that is said.
        """
        if not self._checkpoints:
            return
        end = checkpoint.remove if run.state is State.SUCCEEDED else checkpoint.leave
        try:
            if stays := end(self._calls, self.bucket, run.id):
                self.say(f"{len(stays)} objects of the checkpoint of run {run.id} can't be deleted: {stays[0]}")
        except self._calls.FAILURES as error:
            self.say(f"what run {run.id} left of its checkpoint stays: {error}")

    def with_size(self, run: Run, rules: Retry) -> Run:
        """A run whose first attempt is about to be launched, with the size that another of its family needed.

        Only if that is more than its own, and one that the rules let it have.
        """
        last = run.attempts[-1]
        size = run.size_of(last)
        if last.number > 1 or size is None:
            return run
        answer = self._calls.find("s3", "GetObject", Bucket=self.bucket, Key=keys.size_key(run.family, run.schedule))
        try:
            recorded = plain_json.read(answer["Body"].read(SIZE_MOST + 1), SIZE_MOST) if answer else None
        except plain_json.NotJson:
            return run
        cpu, memory = (recorded.get("cpu"), recorded.get("memory")) if isinstance(recorded, dict) else (None, None)
        if not isinstance(cpu, int) or not isinstance(memory, int) or not rules.fits(last.provider, cpu, memory):
            return run
        enough = cpu >= size[0] and size[1] < memory
        return run.with_attempt(replace(last, cpu=cpu, memory=memory)) if enough else run

    def keep_size(self, run: Run) -> None:
        """That a run has succeeded with a larger size than its own, for the next of its family."""
        last = run.attempts[-1]
        if run.state is State.SUCCEEDED and last.memory is not None:
            place = {"Bucket": self.bucket, "Key": keys.size_key(run.family, run.schedule)}
            body = plain_json.write({"cpu": last.cpu, "memory": last.memory, "run": run.id})
            self._calls.call("s3", "PutObject", **place, Body=body, ContentType="application/json")

    def keep_usage(self, run: Run) -> None:
        """Write what the tasks of a run that is over used into its record, unless somebody writes that meanwhile. The
        index has nothing of it. Raises Unreadable.
        """
        recorded = self.get(run.id)
        if recorded is None or not recorded.state.over:
            return
        usages = {attempt.task_arn: attempt.usage for attempt in run.attempts if attempt.usage is not None}
        attempts = tuple(
            replace(attempt, usage=attempt.usage or usages.get(attempt.task_arn)) for attempt in recorded.attempts
        )
        key = keys.record_key(run.id)
        request = {"Bucket": self.bucket, "Key": key, "Body": self.body(replace(recorded, attempts=attempts))}
        request |= {"ContentType": "application/json", "IfMatch": self._etags[key]}
        self._calls.conditional("s3", "PutObject", **request)

    def metrics(self, run: Run) -> dict[str, float]:
        """The numbers that the program wrote to `metrics.json` in its output; empty without one, and for one that it
        wrote so that it can't be read, which is said: the run is over all the same.
        """
        try:
            answer = self._calls.find("s3", "GetObject", Bucket=self.bucket, Key=keys.metrics_key(run.id))
        except self._calls.FAILURES as error:
            if not WITHHELD.fullmatch(code_of(error)):
                raise
            self.say(f"run {run.id}: {METRICS_FILE} is left out: {error}")
            return {}
        if answer is None:
            return {}
        metrics, left_out = metrics_in(answer["Body"].read(METRICS_MOST + 1))
        if left_out:
            self.say(f"run {run.id}: {left_out}")
        return metrics


def to_json(run: Run, hide: Callable[[Any], Any] = lambda tree: tree) -> bytes:
    """A record as it is kept. hide: makes of its plain values those that may be kept."""
    return plain_json.write(hide(plain_json.plain(run)), indent=2)


def from_json(body: bytes, key: str) -> Run:
    """The run whose record was read from this key of the bucket. Raises Unreadable."""
    try:
        record = plain_json.read(body, MOST)
    except plain_json.NotJson as error:
        raise Unreadable(key, str(error)) from None
    try:
        return _checked(record, key)
    except _Wrong as error:
        raise Unreadable(key, str(error)) from None


def _checked(record: Any, key: str) -> Run:
    if not isinstance(record, dict):
        raise _Wrong("it is no object")
    if (version := record.get("version")) != VERSION or isinstance(version, bool):
        raise _Wrong(f"it is of version {_short(version)}, and this program reads version {VERSION}")
    values = {name: _field(record, name, *rule) for name, rule in RUN.items()}
    names = record.get("overrides")
    run = Run(**values | {"attempts": (), "overrides": Overrides() if names is None else _overrides(names)})
    _is_at(run, key)
    run = replace(
        run, attempts=tuple(_attempt(attempt, number, run.id) for number, attempt in enumerate(values["attempts"], 1))
    )
    if not run.attempts and (run.schedule or run.state not in (State.LAUNCHING, State.STOPPED)):
        raise _Wrong(f"it is {run.state}, and has no attempt")
    return run


def overrides_from(plain: Any) -> Overrides:
    """What is different for a run, as `plain_json.plain` makes it. Raises ValueError."""
    try:
        return _overrides(plain)
    except _Wrong as error:
        raise ValueError(str(error)) from None


def _overrides(plain: Any) -> Overrides:
    return Overrides(**{name: _field(plain, name, *rule) for name, rule in OVERRIDES.items()})


def _is_at(run: Run, key: str) -> None:
    """Raises _Wrong for a record that says another id or fingerprint than its key."""
    if not keys.is_run_id(run.id):
        raise _Wrong(f"{_short(run.id)} is no run's id")
    if not keys.fits(run.id, run.fingerprint):
        raise _Wrong(f"its fingerprint isn't that of a run with the id {run.id}")
    places = {keys.record_key(run.id)} | ({keys.fingerprint_key(run.fingerprint)} if run.fingerprint else set())
    if key not in places:
        raise _Wrong(f"it is the record of run {run.id}, whose place is another")


def _attempt(plain: Any, number: int, run_id: str) -> Attempt:
    if not isinstance(plain, dict):
        raise _Wrong("an attempt is no object")
    values = {name: _field(plain, name, *rule) for name, rule in ATTEMPT.items()}
    if values["number"] != number:
        raise _Wrong(f"its attempt {number} has the number {values['number']}")
    if values["token"] != keys.token(run_id, number):
        raise _Wrong(f"the token of its attempt {number} isn't of this run")
    return Attempt(**values)


def _field(mapping: Any, name: str, check: Callable[[Any], Any], *default: Any) -> Any:
    """A field as it is used; one that isn't there has its default, if there is one."""
    if not isinstance(mapping, dict):
        raise _Wrong("a part of it is no object")
    if name not in mapping and default:
        return default[0]
    try:
        return check(mapping.get(name))
    except _Wrong as error:
        raise _Wrong(f"its {name} {error}") from None


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong("is no text")
    return value


def _one_of(is_valid: Callable[[str], bool], noun: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not is_valid(text := _text(value)):
            raise _Wrong(f"is no {noun}: {_short(text)}")
        return text

    return check


def _member(of: type[E], noun: str) -> Callable[[Any], E]:
    check = _one_of(lambda text: text in set(of), noun)
    return lambda value: of(check(value))


def _number(least: float, most: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise _Wrong(f"is no number from {least:g} to {most:g}")
        return float(value)

    return check


def _whole_number(least: int, most: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise _Wrong(f"is no whole number from {least} to {most}")
        return value

    return check


def _maybe(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)


def _mapping(of: Callable[[Any], Any], name: Callable[[Any], Any] = _text) -> Callable[[Any], dict[str, Any]]:
    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _Wrong("is no object")
        return {name(key): of(item) for key, item in value.items()}

    return check


def _words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _Wrong("is no list")
    return tuple(_text(word) for word in value)


def _attempts(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > ATTEMPTS:
        raise _Wrong(f"is no list of at most {ATTEMPTS:,}")
    return value


def _metrics(value: Any) -> dict[str, float]:
    """Before, a number that isn't finite was kept as null: it is left out, as it is now from the beginning."""
    numbers = {key: value for key, value in _mapping(lambda value: value)(value).items() if value is not None}
    return _mapping(_number(-sys.float_info.max, sys.float_info.max))(numbers)


def _inputs(value: Any) -> dict[str, Any]:
    """What the run was made of. What is read of it again is as it has to be; the rest is shown as it is."""
    inputs = _mapping(_plain)(value)
    for name, check in INPUTS.items():
        if name in inputs:
            _field(inputs, name, check)
    return inputs


def _container(value: Any) -> dict[str, Any]:
    container = _mapping(lambda item: item)(value)
    _field(container, "image", _text, "")
    _field(container, "environment", _mapping(_text), {})
    return container


def _checkpoint(value: Any) -> Checkpoint:
    return Checkpoint(**{name: _field(value, name, *rule) for name, rule in CHECKPOINT.items()})


def _usage(value: Any) -> Usage:
    return Usage(**{name: _field(value, name, *rule) for name, rule in USAGE.items()})


def _plain(value: Any) -> Any:
    """A value whose numbers every reader of JSON has."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        raise _Wrong("has a number that is too large")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("is neither true nor false")
    return value


_time = _number(0.0, LATEST)
_size = _whole_number(1, LARGEST)
_code = _maybe(_whole_number(-(2**31), 2**32))
_variable = _one_of(lambda text: bool(NAME.fullmatch(text)), "variable's name")
_task = _one_of(lambda text: not text or keys.is_task_arn(text), "task's ARN")

# What a record has: its name, how it is checked, and its default if it may be left out.
RUN: Mapping[str, tuple[Any, ...]] = {
    "id": (_text,),
    "fingerprint": (_text,),
    "state": (_member(State, "state"),),
    "created": (_time,),
    "inputs": (_inputs,),
    "output": (_text,),
    "cluster": (_text,),
    "container": (_text, ""),
    "task_definition": (_text, ""),
    "log_group": (_text, ""),
    "log_prefix": (_text, ""),
    "attempts": (_attempts, ()),
    "exit_code": (_code, None),
    "reason": (_text, ""),
    "why": (_text, ""),
    "cost": (_maybe(_number(0.0, DEAREST)), None),
    "metrics": (_metrics, {}),
    "sweep": (_one_of(lambda text: not text or keys.is_sweep_id(text), "sweep's id"), ""),
    "budget": (_maybe(_number(0.0, DEAREST)), None),
    "schedule": (_text, ""),
    "code_version": (_text, ""),
    "like": (_one_of(lambda text: not text or keys.is_run_id(text), "run's id"), ""),
    "unattended": (_flag, False),
}
ATTEMPT: Mapping[str, tuple[Any, ...]] = {
    "number": (_whole_number(1, ATTEMPTS),),
    "provider": (_text,),
    "token": (_text,),
    "launched": (_time,),
    "task_arn": (_task, ""),
    "event": (_maybe(_member(Event, "end")), None),
    "exit_code": (_code, None),
    "reason": (_text, ""),
    "started": (_maybe(_time), None),
    "stopped": (_maybe(_time), None),
    "checkpoint": (_maybe(_checkpoint), None),
    "cpu": (_maybe(_size), None),
    "memory": (_maybe(_size), None),
    "image": (_one_of(lambda text: not text or keys.is_digest(text), "digest"), ""),
    "usage": (_maybe(_usage), None),
}
OVERRIDES: Mapping[str, tuple[Any, ...]] = {
    "environment": (_mapping(_text, _variable), {}),
    "cpu": (_maybe(_size), None),
    "memory": (_maybe(_size), None),
    "command": (_maybe(_words), None),
}
INPUTS: Mapping[str, Callable[[Any], Any]] = {
    "cpu": _size,
    "memory": _size,
    "architecture": _text,
    "ephemeral_storage": _maybe(_size),
    "workers": _mapping(_plain),
    "containers": _mapping(_container),
}
assert ATTEMPT.keys() == {field.name for field in fields(Attempt)}
CHECKPOINT: Mapping[str, tuple[Any, ...]] = {
    "files": (_whole_number(0, LARGEST),),
    "bytes": (_whole_number(0, LARGEST),),
    "newest": (_text, ""),
    "written": (_maybe(_time), None),
}
USAGE: Mapping[str, tuple[Any, ...]] = {
    "memory": (_whole_number(0, LARGEST_MEMORY),),
    "cpu": (_whole_number(0, LARGEST_CPU),),
    "measurements": (_whole_number(0, LARGEST),),
}
assert USAGE.keys() == {field.name for field in fields(Usage)}
assert CHECKPOINT.keys() == {field.name for field in fields(Checkpoint)}
assert RUN.keys() == {field.name for field in fields(Run)} - {"version", "overrides"}
assert OVERRIDES.keys() == {field.name for field in fields(Overrides)}
