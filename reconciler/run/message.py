"""What is told of a run that is over: a text for people, facts for programs. Pure.

Who takes a message takes no more than so much of it, and refuses it, or loses its end, if it has more. So it is cut
here: of metrics and of runs that failed there are fewer then, and `left_out` says how many.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from reconciler.core.limits import MESSAGE
from reconciler.core.text import message, short, slack, subject
from reconciler.run.state import State

METRICS = 12
CHAT = 2_000  # characters: Discord has no room for more, Mattermost for 16,383, Slack for 40,000
EMAIL = 20_000  # characters
LINE = 300  # characters of a line of a text that is too long
MANY = ("metrics", "failed")  # facts of which there may be very many


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
        """For programs, as JSON of at most half of what SNS takes: within another JSON it is longer."""
        facts = {key: short(value) if isinstance(value, str) else value for key, value in self.facts.items()}
        counts = {key: len(facts[key]) for key in MANY if key in facts}
        most = max(counts.values(), default=0)
        while len(json.dumps(text := json.dumps({**facts, "message": self.subject}))) > MESSAGE.most // 2 and most:
            most //= 2
            for key in counts:
                facts[key] = _first(self.facts[key], most)
            facts["left_out"] = {key: count - most for key, count in counts.items() if count > most}
        return text

    def for_topic(self) -> dict[str, Any]:
        """The parameters of SNS's Publish, but for the topic."""
        by_protocol = json.dumps({"default": self.whole, "email": _within(EMAIL, self.text)}, ensure_ascii=False)
        return {"Subject": subject(self.subject), "MessageStructure": "json", "Message": by_protocol}

    def for_webhook(self, form: str) -> bytes:
        """The body of a POST. form: `slack` or `json`."""
        return (json.dumps({"text": slack(_within(CHAT, self.text))}) if form == "slack" else self.whole).encode()


def _first(values: Any, count: int) -> Any:
    """The first of a mapping or of a list."""
    return dict(islice(values.items(), count)) if isinstance(values, Mapping) else values[:count]


def _within(room: int, text: str) -> str:
    """Lines with room for so many characters, as a chat counts them after `slack`. The last, which says where all of it
    is, stays; the others are cut, and then left out.
    """

    def size(lines: Sequence[str]) -> int:
        return len(slack("\n".join(lines)).encode("utf-16-le")) // 2

    lines = text.split("\n")
    if size(lines) <= room:
        return text
    *first, last = (line if len(line) <= LINE else f"{line[:LINE]}…" for line in lines)
    while len(first) > 1 and size([*first, "…", last]) > room:
        first.pop()
    return "\n".join([*first, *(["…"] if len(first) < len(lines) - 1 else []), last])


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
    """The message about a run that has ended."""
    good = run.state == State.SUCCEEDED
    code = "without an exit code" if run.exit_code is None else f"with exit code {run.exit_code}"
    head = message(f"{deploy}: run {run.id} {run.state} {code}")
    lines = [head]
    facts: dict[str, Any] = {
        "deploy": deploy,
        "run": run.id,
        "result": run.state,
        "exit_code": run.exit_code,
        "output": run.output,
        "task": run.task,
    }
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
