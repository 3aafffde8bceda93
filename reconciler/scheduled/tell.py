"""Tell of the end of a run, once, as `reconciler/run/notify.py` does.

Lambda calls the function again when it was stopped, by the same name of the call. If that call left the mark and didn't
come to send, it is sent then: nothing is lost with the function, and only who is stopped between the two sends twice.
Where all its calls were stopped, a later one by another name takes the mark over.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from reconciler.core import plain_json
from reconciler.core.function_settings import Tell, Watched
from reconciler.core.run_paths import told_key
from reconciler.core.text import line
from reconciler.run.diagnosis import Diagnosis
from reconciler.run.message import Ended, Message, of_ended
from reconciler.run.run import Run
from reconciler.run.webhook import NotSent, TryAgain, post
from reconciler.scheduled.aws import call, conditional, find, is_unclear, there

MARK_MOST = 10_000  # bytes of a mark
LONGEST = 900.0  # seconds: how long Lambda lets a call last
CALLS = 4  # that try to send: Lambda's three, and one of the look 20 minutes later
SETTLED, BUSY = True, False
WAYS = ("SNS", "the webhook")


@dataclass(frozen=True)
class Mark:
    """That a call tells of a run's end. ways: by which it was; tries: calls before it that couldn't."""

    call: str
    ways: tuple[str, ...] = ()
    tries: int = 0

    @classmethod
    def read(cls, call_id: str, record: Mapping[str, Any]) -> Mark:
        """What another call has left, which may be anything."""
        names, tries = record.get("told"), record.get("tries")
        ways = tuple(way for way in WAYS if isinstance(names, list) and way in names)
        return cls(call_id, ways, tries if isinstance(tries, int) and 0 <= tries < CALLS else 0)


def in_aws() -> bool:
    """Whether this is AWS, where a run costs something: the embedded one is reached at an address of its own."""
    return "AWS_ENDPOINT_URL" not in os.environ


def tell(watched: Watched, run: Run, diagnosis: Diagnosis | None, call_id: str) -> bool:
    """Send it to everyone who wants to hear of such an end. What can't be sent is said in the function's log.

    diagnosis: why it failed; call_id: the name of Lambda's call, the same when it is called again; empty for none.
    Returns whether that is settled, and False while another call may be sending. Raises NotSent for what may get there
    when it is called again, so often at most.
    """
    if watched.tell is None:
        return True
    message = of_ended(
        watched.deploy,
        Ended(
            id=run.id,
            state=run.state.value,
            exit_code=run.exit_code,
            output=run.output,
            task=run.task_arn,
            seconds=run.seconds,
            cost=run.cost if in_aws() else None,
            reason=run.reason,
            metrics=run.metrics,
            cause=diagnosis.cause if diagnosis else "",
            fix=diagnosis.fix if diagnosis else "",
        ),
    )
    mark = _taken(watched, message, call_id) if message.wanted(watched.tell.on) else SETTLED
    if not isinstance(mark, Mark):
        return mark
    ways, failure = _send(watched, watched.tell, message, mark)
    again = bool(failure and call_id and mark.tries + 1 < CALLS)
    if call_id:
        mark = replace(mark, ways=ways, tries=mark.tries + 1)
        call("s3", "PutObject", **_written(watched, message, mark, sent=not again))
    if again:
        raise NotSent(f"run {run.id}: it is tried again to tell of its end: {failure}")
    return True


def _send(watched: Watched, settings: Tell, message: Message, mark: Mark) -> tuple[tuple[str, ...], str]:
    """Send it by each way by which it wasn't. Returns by which it was, and why it wasn't by one that may work later."""
    ways, failure = mark.ways, ""
    senders = {
        "SNS": settings.topic and (lambda: call("sns", "Publish", TopicArn=settings.topic, **message.for_topic())),
        "the webhook": settings.webhook
        and (lambda: post(find, settings.webhook, message.for_webhook(settings.form), time.sleep)),
    }
    for name, send_by in senders.items():
        if not send_by or name in ways:
            continue
        try:
            send_by()
            ways = (*ways, name)
        except (ClientError, BotoCoreError, NotSent) as error:
            failure = str(error) if isinstance(error, TryAgain) or is_unclear(error) else failure
            print(line(f"nobody was told by {name}: {error}"))
    return ways, failure


def _taken(watched: Watched, message: Message, call_id: str) -> Mark | bool:
    """The mark that is left before anything is sent; SETTLED where the message was sent, or is sent by a client; BUSY
    while another call may be sending. One that can't be, since no call lasts so long, has died.
    """
    mark = Mark(call_id)
    if there("s3", "PutObject", **_written(watched, message, mark, sent=False), IfNoneMatch="*") is not None:
        return mark
    place = {"Bucket": watched.bucket, "Key": told_key(message.mark)}
    answer = find("s3", "GetObject", **place) if call_id else None
    try:
        record = plain_json.read(answer["Body"].read(MARK_MOST + 1), MARK_MOST) if answer else None
    except plain_json.NotJson:
        return SETTLED
    if answer is None or not isinstance(record, dict) or record.get("sent") is not False or "call" not in record:
        return SETTLED
    mark = Mark.read(call_id, record)
    if record["call"] == call_id:
        return mark
    at = record.get("at")
    if isinstance(at, (int, float)) and time.time() - LONGEST < at <= time.time():
        return BUSY
    put = conditional("s3", "PutObject", **_written(watched, message, mark, sent=False), IfMatch=answer["ETag"])
    return BUSY if put is None else mark


def _written(watched: Watched, message: Message, mark: Mark, *, sent: bool) -> dict[str, Any]:
    about = {"at": time.time(), "subject": message.subject, "call": mark.call, "sent": sent}
    body = json.dumps({**about, "told": mark.ways, "tries": mark.tries}).encode()
    key = told_key(message.mark)
    return {"Bucket": watched.bucket, "Key": key, "Body": body, "ContentType": "application/json"}
