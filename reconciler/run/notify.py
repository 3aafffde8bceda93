"""Tell how a run ended, once: to the SNS topic and to the webhook.

Whoever sees a run through tells of it, and of two that do only the one whose mark in the bucket is the first. Scheduled
runs are told of by EventBridge's rules (reconciler/lower/events.py), so only the webhook, which no rule can reach
without knowing its URL, hears of those from us. docs/decisions/notify.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.config.schema import Notify
from reconciler.errors import AwsError, ReconcilerError
from reconciler.lower import RUNS, Names
from reconciler.run.case import Diagnosis
from reconciler.run.record import Run, State
from reconciler.run.webhook import post, read_url

SUBJECT = 100  # characters that SNS takes
METRICS = 12


@dataclass(frozen=True)
class Message:
    """What is told. mark: the id under which it is told once; text: for people; facts: for programs."""

    mark: str
    good: bool
    subject: str
    text: str
    facts: Mapping[str, Any]
    scheduled: bool = False


@dataclass
class Notifier:
    """Tells of the runs of one deploy. trouble: told what couldn't be sent."""

    aws: Aws
    names: Names
    trouble: Callable[[str], None] = field(default=lambda text: None)

    def tell(self, message: Message) -> None:
        """Send it to everyone who wants to hear of such an end. That this fails is said, and raises nothing of ours."""
        notify = self.names.deploy.notify
        if notify is None or notify.on not in ("both", "success" if message.good else "failure"):
            return
        to_topic = bool(notify.subscriptions) and not message.scheduled
        if not to_topic and notify.webhook is None:
            return
        try:
            if not self._first(message):
                return
        except ReconcilerError as error:
            self.trouble(f"nobody was told of the end: {error}")
            return
        if to_topic:
            self._try(lambda: self._publish(message), "by SNS")
        if notify.webhook is not None:
            self._try(lambda: self._post(notify, message), "by the webhook")

    def _first(self, message: Message) -> bool:
        """Leave the mark; False if it is there. Written before anything is sent: at most once is what is promised."""
        key = f"{RUNS}/{message.mark}/notified.json"
        body = json.dumps({"at": self.aws.clock.now(), "subject": message.subject}).encode()
        place = {"Bucket": self.names.bucket, "Key": key}
        try:
            self.aws.call("s3", "PutObject", **place, Body=body, ContentType="application/json", IfNoneMatch="*")
        except AwsError as error:
            if error.code in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
                return False
            raise
        return True

    def _try(self, send: Callable[[], None], how: str) -> None:
        try:
            send()
        except ReconcilerError as error:
            self.trouble(f"nobody was told of the end {how}: {error}")

    def _publish(self, message: Message) -> None:
        whole = json.dumps({**message.facts, "message": message.subject})
        self.aws.call(
            "sns", "Publish", TopicArn=self.names.topic, Subject=_plain(message.subject)[:SUBJECT],
            MessageStructure="json", Message=json.dumps({"default": whole, "email": message.text}),
        )  # fmt: skip

    def _post(self, notify: Notify, message: Message) -> None:
        assert notify.webhook is not None
        url = read_url(self.aws, notify.webhook.url_from)
        slack = notify.webhook.format == "slack"
        post(url, {"text": message.text} if slack else {**message.facts, "message": message.subject}, self.aws.clock)


def of_run(deploy: str, run: Run, why: Diagnosis | None = None) -> Message:
    """What is told of a run that is over. why: it failed."""
    good = run.state is State.SUCCEEDED
    code = "without an exit code" if run.exit_code is None else f"with exit code {run.exit_code}"
    subject = f"{deploy}: run {run.id} {run.state.value} {code}"
    lines = [subject]
    facts: dict[str, Any] = {
        "deploy": deploy, "run": run.id, "result": run.state.value, "exit_code": run.exit_code, "output": run.output,
        "task": run.task_arn,
    }  # fmt: skip
    if run.seconds is not None:
        lines.append(f"ran for {run.seconds:.0f} s")
        facts["seconds"] = round(run.seconds, 1)
    if run.cost is not None:
        lines.append(f"cost at most ${run.cost:.4f}")
        facts["cost"] = run.cost
    if run.reason:
        lines.append(f"reason: {run.reason}")
        facts["reason"] = run.reason
    if run.metrics:
        lines += [f"{name} = {value:.6g}" for name, value in sorted(run.metrics.items())[:METRICS]]
        facts["metrics"] = run.metrics
    if why is not None:
        lines += [f"why: {why.cause}", f"fix: {why.fix}"]
        facts["cause"] = why.cause
    lines.append(f"results: {run.output}" if good else f"more: python -m reconciler diagnose {run.id}")
    return Message(run.id, good, subject, "\n".join(lines), facts, scheduled=bool(run.schedule))


def of_sweep(deploy: str, sweep: str, ended: Sequence[Run], name: Callable[[Run], str]) -> Message:
    """What is told of a sweep. ended: the runs that were seen through now; name: of one among the others."""
    failed = [run for run in ended if run.state is not State.SUCCEEDED]
    subject = f"{deploy}: {sweep}: {len(ended) - len(failed)} of {len(ended)} runs succeeded"
    lines = [subject, *(f"{name(run)}: {run.state.value}  {run.id}" for run in failed[:20])]
    if len(failed) > 20:
        lines.append(f"and {len(failed) - 20} more")
    facts = {
        "deploy": deploy, "sweep": sweep, "result": "failed" if failed else "succeeded", "runs": len(ended),
        "failed": [run.id for run in failed],
    }  # fmt: skip
    # The same runs are told of once, however many see them through.
    return Message(min(run.id for run in ended), not failed, subject, "\n".join(lines), facts)


def _plain(text: str) -> str:
    """As SNS takes a subject: ASCII on one line."""
    return " ".join(text.encode("ascii", "replace").decode().split())
