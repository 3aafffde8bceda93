"""EventBridge's "ECS Task State Change": every change of a task is an event on the default bus of its region."""

from __future__ import annotations

import json
import queue
import threading
from datetime import datetime
from typing import Any

from moto.events.models import events_backends

from reconciler.local import server_log

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
            detail = {name: value for name, value in task.items() if value is not None and name != "tags"}
            detail["updatedAt"] = max(value for value in task.values() if isinstance(value, datetime))
            event = {
                "Source": "aws.ecs",
                "DetailType": DETAIL_TYPE,
                "Detail": json.dumps(detail, default=_time),
                "Resources": [task["taskArn"]],
            }
            try:
                backend.put_events([event])
            except Exception as error:  # a target that can't be reached mustn't end the thread
                server_log.tell(f"event: {type(error).__name__}: {error}")


def _time(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
