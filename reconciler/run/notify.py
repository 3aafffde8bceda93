"""Tell how a run ended, once: to the SNS topic and to the webhook.

Whoever sees a run through tells of it, and of several that do only the one whose mark in the bucket is the first. For
scheduled runs one of them is the function of reconciler/scheduled. docs/decisions/notify.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from reconciler.aws.calls import Aws
from reconciler.config.unattended import Notify
from reconciler.core.errors import ReconcilerError
from reconciler.core.run_paths import told_key
from reconciler.core.secret import KNOWN
from reconciler.core.text import message
from reconciler.lower import Names
from reconciler.run.diagnosis import Diagnosis
from reconciler.run.message import Ended, Message, of_ended
from reconciler.run.run import Run
from reconciler.run.state import State
from reconciler.run.webhook import post


@dataclass
class Notifier:
    """Tells of the runs of one deploy. trouble: told what couldn't be sent."""

    aws: Aws
    names: Names
    trouble: Callable[[str], None] = field(default=lambda text: None)

    def tell(self, message: Message) -> None:
        """Send it to everyone who wants to hear of such an end. That this fails is said, and raises nothing of ours."""
        notify = self.names.deploy.notify
        if notify is None or not message.wanted(notify.on):
            return
        message = _without_secrets(message)
        try:
            if not self._first(message):
                return
        except ReconcilerError as error:
            self.trouble(f"no notification of the end was sent: {error}")
            return
        if notify.subscriptions:
            self._try(lambda: self._publish(message), "by SNS")
        if notify.webhook is not None:
            self._try(lambda: self._post(notify, message), "by the webhook")

    def _first(self, message: Message) -> bool:
        """Leave the mark; False if it is there. Written before anything is sent: at most once is what is promised."""
        key = told_key(message.mark)
        body = json.dumps({"at": self.aws.clock.now(), "subject": message.subject}).encode()
        place = {"Bucket": self.names.bucket, "Key": key}
        mark = {**place, "Body": body, "ContentType": "application/json"}
        return self.aws.conditional("s3", "PutObject", **mark, IfNoneMatch="*") is not None

    def _try(self, send: Callable[[], None], how: str) -> None:
        try:
            send()
        except ReconcilerError as error:
            self.trouble(f"no notification of the end was sent {how}: {error}")

    def _publish(self, message: Message) -> None:
        self.aws.call("sns", "Publish", TopicArn=self.names.topic, **message.for_topic())

    def _post(self, notify: Notify, message: Message) -> None:
        assert notify.webhook is not None
        body = message.for_webhook(notify.webhook.format)
        post(self.aws.find, notify.webhook.url_from, body, self.aws.clock.sleep)


def _without_secrets(message: Message) -> Message:
    facts = KNOWN.hide_all(message.facts)
    return replace(message, subject=KNOWN.text(message.subject), text=KNOWN.text(message.text), facts=facts)


def of_run(deploy: str, run: Run, why: Diagnosis | None = None, *, paid: bool = True) -> Message:
    """What is told of a run that is over. why: it failed. paid: whether it was in AWS, where it costs something."""
    cause, fix = (why.cause, why.fix) if why else ("", "")
    return of_ended(
        deploy,
        Ended(
            id=run.id,
            state=run.state.value,
            exit_code=run.exit_code,
            output=run.output,
            task=run.task_arn,
            seconds=run.seconds,
            cost=run.cost if paid else None,
            reason=KNOWN.text(run.reason),
            metrics=run.metrics,
            cause=cause,
            fix=fix,
        ),
    )


def of_sweep(deploy: str, sweep: str, runs: Sequence[Run], name: Callable[[Run], str]) -> Message:
    """What is told of a sweep. runs: the runs that were seen through now; name: of one among the others."""
    failed = [run for run in runs if run.state is not State.SUCCEEDED]
    subject = f"{deploy}: {sweep}: {len(runs) - len(failed)} of {len(runs)} runs succeeded"
    lines = [subject, *(f"{name(run)}: {run.state.value}  {run.id}" for run in failed[:20])]
    if len(failed) > 20:
        lines.append(f"and {len(failed) - 20} more")
    facts = {
        "deploy": deploy,
        "sweep": sweep,
        "result": "failed" if failed else "succeeded",
        "runs": len(runs),
        "failed": [run.id for run in failed],
    }
    # The same runs are told of once, however many see them through.
    text = "\n".join(map(message, lines))
    return Message(min(run.id for run in runs), not failed, subject, text, facts)
