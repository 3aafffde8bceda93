"""EventBridge's "ECS Task State Change": every change of a task is an event on the default bus of its region."""

from __future__ import annotations

import json
import queue
import sys
import threading
from datetime import datetime
from typing import Any

from moto.events.models import Rule, events_backends
from moto.events.utils import EventTemplateParser
from moto.sns.models import sns_backends

DETAIL_TYPE = "ECS Task State Change"


class TaskEvents:
    """Delivers events in a thread of its own, in order, so that no target keeps a task waiting."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[str, str, dict[str, Any]]] = queue.SimpleQueue()
        threading.Thread(target=self._deliver, name="task events", daemon=True).start()

    def put(self, account_id: str, region: str, task: dict[str, Any]) -> None:
        """Send an event about a task, given as DescribeTasks shows it."""
        self._queue.put((account_id, region, task))

    def _deliver(self) -> None:
        while True:
            account_id, region, task = self._queue.get()
            backend = events_backends[account_id][region]
            if not any(rule.targets for bus in backend.event_buses.values() for rule in bus.rules.values()):
                continue
            shown = {name: value for name, value in task.items() if value is not None and name != "tags"}
            shown["updatedAt"] = max(value for value in task.values() if isinstance(value, datetime))
            event = {
                "Source": "aws.ecs",
                "DetailType": DETAIL_TYPE,
                "Detail": json.dumps(shown, default=_time),
                "Resources": [task["taskArn"]],
            }
            try:
                backend.put_events([event])
            except Exception as error:  # a target that can't be reached mustn't end the thread
                print(f"event: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - the server's log


def install() -> None:
    """Teach moto's rules to send to SNS topics, and to leave alone what is disabled or has no pattern."""
    original: Any = Rule.send_to_targets

    def send_to_targets(self: Any, original_event: Any, transform_input: bool = True) -> None:
        pattern = self.event_pattern
        if self.state != "ENABLED" or not pattern.get_pattern() or not pattern.matches_event(original_event):
            return
        targets = self.targets
        for target in targets:
            if target["Arn"].split(":")[2] == "sns":
                _send_to_topic(self.name, target, original_event)
        others = [target for target in targets if target["Arn"].split(":")[2] != "sns"]
        if others:
            twin = object.__new__(type(self))
            twin.__dict__.update(self.__dict__, targets=others)
            original(twin, original_event, transform_input)

    Rule.send_to_targets = send_to_targets  # type: ignore[method-assign]


def _send_to_topic(rule: str, target: dict[str, Any], event: Any) -> None:
    arn = str(target["Arn"])
    topic = sns_backends[arn.split(":")[4]][arn.split(":")[3]].topics.get(arn)
    if topic is None or not _events_may_publish(topic.policy):
        why = "is not there" if topic is None else "has no policy that lets events.amazonaws.com publish"
        print(f"rule {rule}: the topic {arn} {why}", file=sys.stderr)  # noqa: T201 - the server's log
        return
    message: Any = event
    if "Input" in target:
        message = target["Input"]
    elif transformer := target.get("InputTransformer"):
        message = EventTemplateParser.parse(
            input_template=transformer.get("InputTemplate"),
            input_paths_map=transformer.get("InputPathsMap", {}),
            event=event,
        )
    topic.publish(message if isinstance(message, str) else json.dumps(message))


def _events_may_publish(policy: Any) -> bool:
    document = json.loads(policy) if isinstance(policy, str) else policy
    statements = (document or {}).get("Statement") or []
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal")
        services = principal.get("Service") if isinstance(principal, dict) else None
        if statement.get("Effect") == "Allow" and "events.amazonaws.com" in (
            services if isinstance(services, list) else [services]
        ):
            return True
    return False


def _time(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
