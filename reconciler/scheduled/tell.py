"""Tell of the end of a run, once, as `reconciler/run/notify.py` does.

Lambda calls the function again when it was stopped, by the same name of the call. If that call left the mark and didn't
come to send, it is sent then: nothing is lost with the function, and only who is stopped between the two sends twice.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from reconciler.core import plain_json
from reconciler.core.function_settings import Tell, Watched
from reconciler.core.run_paths import told_key
from reconciler.core.text import line
from reconciler.run.diagnosis import Diagnosis
from reconciler.run.message import Ended, Message, of_ended
from reconciler.run.run import Run
from reconciler.run.webhook_request import PAUSE, TRIES, NotSent, TryAgain, question, send, url_in
from reconciler.scheduled.aws import call, find, there

MARK_MOST = 10_000  # bytes of a mark


def in_aws() -> bool:
    """Whether this is AWS, where a run costs something: the embedded one is reached at an address of its own."""
    return "AWS_ENDPOINT_URL" not in os.environ


def tell(watched: Watched, run: Run, known: Diagnosis | None, call_id: str) -> None:
    """Send it to everyone who wants to hear of such an end. What can't be sent is said in the function's log.

    known: why it failed; call_id: the name of Lambda's call, the same when it is called again; empty for none.
    """
    if watched.tell is None:
        return
    message = of_ended(
        watched.deploy,
        Ended(
            id=run.id, state=run.state.value, exit_code=run.exit_code, output=run.output,
            task=run.task_arn, seconds=run.seconds, cost=run.cost if in_aws() else None, reason=run.reason,
            metrics=run.metrics, cause=known.cause if known else "", fix=known.fix if known else "",
        ),
    )  # fmt: skip
    if not message.wanted(watched.tell.on) or not _is_ours(watched, message, call_id):
        return
    if watched.tell.topic:
        try:
            call("sns", "Publish", TopicArn=watched.tell.topic, **message.for_topic())
        except (ClientError, BotoCoreError) as error:
            print(line(f"nobody was told by SNS: {error}"))
    if watched.tell.webhook:
        try:
            _post(watched.tell, message)
        except (ClientError, BotoCoreError, NotSent) as error:
            print(line(f"nobody was told by the webhook: {error}"))
    if call_id:
        call("s3", "PutObject", **_mark(watched, message, call_id, sent=True))


def _is_ours(watched: Watched, message: Message, call_id: str) -> bool:
    """Leave the mark, before anything is sent. False where another has left it, or the message was sent."""
    mark = _mark(watched, message, call_id, sent=False)
    if there("s3", "PutObject", **mark, IfNoneMatch="*") is not None:
        return True
    left = find("s3", "GetObject", Bucket=mark["Bucket"], Key=mark["Key"]) if call_id else None
    try:
        found = plain_json.read(left["Body"].read(MARK_MOST + 1), MARK_MOST) if left else None
    except plain_json.NotJson:
        return False
    return isinstance(found, dict) and found.get("call") == call_id and found.get("sent") is False


def _mark(watched: Watched, message: Message, call_id: str, *, sent: bool) -> dict[str, Any]:
    body = json.dumps({"at": time.time(), "subject": message.subject, "call": call_id, "sent": sent}).encode()
    key = told_key(message.mark)
    return {"Bucket": watched.bucket, "Key": key, "Body": body, "ContentType": "application/json"}


def _post(how: Tell, message: Message) -> None:
    service, operation, params = question(how.webhook)
    url, body = url_in(find(service, operation, **params), how.webhook), message.for_webhook(how.form)
    for number in range(TRIES):
        try:
            send(url, body)
            return
        except TryAgain:
            if number == TRIES - 1:
                raise
            time.sleep(PAUSE * 2**number)
