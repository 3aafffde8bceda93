"""What is told of a run that is over: a text for people, facts for programs. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.text import message, slack, subject
from reconciler.run.state import State

METRICS = 12


@dataclass(frozen=True)
class Message:
    """What is told. mark: the id under which it is told once; text: for people; facts: for programs."""

    mark: str
    good: bool
    subject: str
    text: str
    facts: Mapping[str, Any]

    def wanted(self, on: str) -> bool:
        """Whether who wants to hear of `success`, `failure` or `both` hears of this."""
        return on in ("both", "success" if self.good else "failure")

    @property
    def whole(self) -> str:
        """For programs, as JSON."""
        return json.dumps({**self.facts, "message": self.subject})

    def for_topic(self) -> dict[str, Any]:
        """The parameters of SNS's Publish, but for the topic."""
        by_protocol = json.dumps({"default": self.whole, "email": self.text})
        return {"Subject": subject(self.subject), "MessageStructure": "json", "Message": by_protocol}

    def for_webhook(self, form: str) -> bytes:
        """The body of a POST. form: `slack` or `json`."""
        return (json.dumps({"text": slack(self.text)}) if form == "slack" else self.whole).encode()


@dataclass(frozen=True)
class Ended:
    """A run that is over. seconds: that its programs ran; cost: US dollars; cause, fix: why it failed, if known."""

    id: str
    state: str
    exit_code: int | None
    output: str
    task: str
    seconds: float | None = None
    cost: float | None = None
    reason: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    cause: str = ""
    fix: str = ""


def of_ended(deploy: str, run: Ended) -> Message:
    """What is told of it."""
    good = run.state == State.SUCCEEDED
    code = "without an exit code" if run.exit_code is None else f"with exit code {run.exit_code}"
    head = message(f"{deploy}: run {run.id} {run.state} {code}")
    lines = [head]
    facts: dict[str, Any] = {
        "deploy": deploy, "run": run.id, "result": run.state, "exit_code": run.exit_code, "output": run.output,
        "task": run.task,
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
        facts["metrics"] = dict(run.metrics)
    if run.cause:
        lines += [f"why: {run.cause}", f"fix: {run.fix}"]
        facts["cause"] = run.cause
    lines.append(f"results: {run.output}" if good else f"more: python -m reconciler diagnose {run.id}")
    return Message(run.id, good, head, "\n".join(map(message, lines)), facts)
