"""Tell of the end of a run, once, as `reconciler/run/notify.py` does."""

from __future__ import annotations

import json
import os
import time

from botocore.exceptions import BotoCoreError, ClientError

from reconciler.core.function_settings import Tell, Watched
from reconciler.core.run_paths import told_key
from reconciler.core.text import line
from reconciler.run.diagnosis import Diagnosis
from reconciler.run.message import Ended, Message, of_ended
from reconciler.run.run import Run
from reconciler.run.webhook_request import PAUSE, TRIES, NotSent, TryAgain, question, send, url_in
from reconciler.scheduled.aws import call, find, there


def in_aws() -> bool:
    """Whether this is AWS, where a run costs something: the embedded one is reached at an address of its own."""
    return "AWS_ENDPOINT_URL" not in os.environ


def tell(watched: Watched, run: Run, known: Diagnosis | None) -> None:
    """Send it to everyone who wants to hear of such an end. What can't be sent is said in the function's log.

    known: why it failed.
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
    if not message.wanted(watched.tell.on) or not _first(watched, message):
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


def _first(watched: Watched, message: Message) -> bool:
    """Leave the mark; False if it is there. Before anything is sent: at most once is what is promised."""
    body = json.dumps({"at": time.time(), "subject": message.subject}).encode()
    place = {"Bucket": watched.bucket, "Key": told_key(message.mark)}
    return there("s3", "PutObject", **place, Body=body, ContentType="application/json", IfNoneMatch="*") is not None


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
