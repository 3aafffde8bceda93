"""EventBridge Scheduler of the embedded AWS: schedules whose time has come call ECS for real, as their role.

Targets are a function, an ECS cluster (RunTask) and the universal target, any API call
(arn:aws:scheduler:::aws-sdk:ecs:stopTask).
A call that fails isn't retried; it goes to the dead-letter queue, if there is one, and to the server's log.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from botocore.exceptions import BotoCoreError, ClientError
from moto.core.exceptions import ServiceException
from moto.ecs.models import ecs_backends
from moto.scheduler.models import EventBridgeSchedulerBackend, Schedule, scheduler_backends

from reconciler.core.schedule import BadSchedule, Once, Rate, next_time, parse
from reconciler.local import server_log
from reconciler.local.clients import client
from reconciler.local.functions import Functions
from reconciler.local.identities import Identity, refusal, why_not_assumable
from reconciler.local.keys import Keys

TICK_SECONDS = 0.5
EVER = datetime(1970, 1, 1, tzinfo=UTC)
SERVICE = "scheduler.amazonaws.com"
UNIVERSAL = ":scheduler:::aws-sdk:"


class ScheduleFailed(Exception):
    """A schedule's target can't be called; the text says why."""


class Schedules:
    """Looks for due schedules in a thread of its own, from `start` to `close`."""

    def __init__(self, endpoint_url: str, functions: Functions, keys: Keys) -> None:
        self._endpoint_url, self._functions, self._keys = endpoint_url, functions, keys
        self._next: dict[str, datetime | None] = {}  # None: never
        self._due: dict[str, datetime] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)

    def start(self) -> None:
        """Begin to look at the schedules."""
        self._thread.start()

    def close(self) -> None:
        """End; a call under way may go on."""
        self._closing.set()

    def waiting(self) -> bool:
        """Whether a schedule has a time that is still to come."""
        return any(due is not None for due in list(self._next.values()))

    def fire(self, name: str, group: str = "default") -> bool:
        """Call a schedule's target now, whatever its time. False if there is no such schedule."""
        for backend, schedule in _all_schedules():
            if (schedule.name, schedule.group_name or "default") == (name, group):
                self._call(backend, schedule)
                return True
        return False

    def _run(self) -> None:
        while not self._closing.wait(TICK_SECONDS):
            try:
                self.look(datetime.now(UTC))
            except Exception as error:  # a schedule that moto took but that makes no sense mustn't end the thread
                server_log.tell(f"schedules: {type(error).__name__}: {error}")

    def look(self, now: datetime) -> None:
        """Call the targets of the schedules that are due."""
        keys = set()
        for backend, schedule in _all_schedules():
            if schedule.state not in (None, "ENABLED"):  # an update without it, for moto, leaves none
                continue
            key = f"{schedule.arn} {schedule.last_modified_date}"
            keys.add(key)
            if key not in self._next:
                self._next[key] = _due(schedule)
            due = self._next[key]
            if due is None or due > now:
                continue
            self._next[key] = _due(schedule, now)
            self._call(backend, schedule)
            if schedule.action_after_completion == "DELETE" and self._next[key] is None:
                backend.schedule_groups[schedule.group_name or "default"].schedules.pop(schedule.name, None)
        for key in self._next.keys() - keys:
            del self._next[key]

    def _call(self, backend: EventBridgeSchedulerBackend, schedule: Schedule) -> None:
        target, arn, now = schedule.target, str(schedule.arn), datetime.now(UTC).replace(microsecond=0)
        # A schedule is never due twice at the same time, however often it is called.
        due = self._due[arn] = max(now, self._due.get(arn, EVER) + timedelta(seconds=1))
        try:
            if ":lambda:" in str(target["Arn"]):
                self._call_function(backend, schedule, due)
                return
            service, operation, params = _request(schedule, due)
            _check_role(backend, schedule, f"{service}:{operation}", params)
            api = client(service, backend.region_name, self._endpoint_url, self._keys)
            api._make_api_call(operation, _with_api_names(api, operation, params))
        except (ClientError, BotoCoreError, ScheduleFailed, ServiceException, ValueError, KeyError) as error:
            server_log.tell(f"schedule {schedule.name}: {error}")
            queue = (target.get("DeadLetterConfig") or {}).get("Arn")
            if queue:
                self._dead_letter(backend, queue, schedule, str(error))

    def _call_function(self, backend: EventBridgeSchedulerBackend, schedule: Schedule, due: datetime) -> None:
        arn = str(schedule.target["Arn"])
        _check_role(backend, schedule, "lambda:InvokeFunction", {}, arn)
        event = json.loads(_with_context(schedule.target.get("Input") or "{}", schedule, due))
        if why := self._functions.call(arn, event):
            raise ScheduleFailed(why)

    def _dead_letter(self, backend: EventBridgeSchedulerBackend, queue: str, schedule: Schedule, why: str) -> None:
        _, _, _, region, _, name = queue.split(":", 5)
        sqs = client("sqs", region, self._endpoint_url, self._keys)
        role = str(schedule.target.get("RoleArn", ""))
        # Scheduler sends as the schedule's own role, which therefore has to be there and allowed to.
        if why_not_assumable(role, SERVICE) or refusal(
            Identity(backend.account_id, role, schedule.name), "sqs:SendMessage", queue
        ):
            server_log.tell(f"schedule {schedule.name}: its role may not send to the dead-letter queue")
            return
        attributes = {
            "ERROR_MESSAGE": {"DataType": "String", "StringValue": why},
            "SCHEDULE_ARN": {"DataType": "String", "StringValue": schedule.arn},
            "TARGET_ARN": {"DataType": "String", "StringValue": schedule.target["Arn"]},
        }
        try:
            url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
            body = schedule.target.get("Input") or "{}"
            sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
        except (ClientError, BotoCoreError) as error:
            server_log.tell(f"schedule {schedule.name}: dead-letter queue: {error}")


def _all_schedules() -> Iterator[tuple[EventBridgeSchedulerBackend, Schedule]]:
    for account in list(scheduler_backends.values()):
        for backend in list(account.values()):
            for group in list(backend.schedule_groups.values()):
                for schedule in list(group.schedules.values()):
                    yield backend, schedule


def _due(schedule: Schedule, after: datetime | None = None) -> datetime | None:
    """When a schedule is due first after `after`, or after it was set; None for never, and for what makes no sense."""
    try:
        moments = parse(schedule.schedule_expression)
    except BadSchedule:
        return None
    try:
        zone = ZoneInfo(schedule.schedule_expression_timezone)
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    if isinstance(moments, Once):  # its moment counts even when it was past as it was set, and no StartDate or EndDate
        return next_time(moments, zone, after or EVER)
    since, start, end = map(_moment, (schedule.last_modified_date, schedule.start_date, schedule.end_date))
    if start and since and start > since:  # on it, or after
        since = start - (moments.every if isinstance(moments, Rate) else timedelta(microseconds=1))
    due = next_time(moments, zone, after or since or EVER)
    return None if end and due and due > end else due


def _moment(seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(float(seconds), UTC) if seconds else None


def _request(schedule: Schedule, due: datetime) -> tuple[str, str, dict[str, Any]]:
    """(service, operation, parameters) of a schedule's call."""
    target = schedule.target
    arn = str(target["Arn"])
    target_input = json.loads(_with_context(target.get("Input") or "{}", schedule, due))
    if UNIVERSAL in arn:
        service, _, action = arn.partition(UNIVERSAL)[2].partition(":")
        return service, action[:1].upper() + action[1:], target_input
    if ":ecs:" in arn and ":cluster/" in arn and target.get("EcsParameters"):
        params = dict(target["EcsParameters"])
        params["TaskDefinition"] = params.pop("TaskDefinitionArn")
        params["Count"] = params.pop("TaskCount", 1)
        params |= {"Cluster": arn, "StartedBy": f"chronos-schedule/{schedule.name}"[:128]}
        return "ecs", "RunTask", params | ({"Overrides": target_input} if target_input else {})
    raise ScheduleFailed(f"the target {arn} is not one that the embedded AWS calls")


def _with_context(text: str, schedule: Schedule, due: datetime) -> str:
    """The input with Scheduler's context attributes, such as <aws.scheduler.execution-id>, filled in."""
    values = {
        "schedule-arn": str(schedule.arn),
        "scheduled-time": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "execution-id": secrets.token_hex(8),
        "attempt-number": "1",
    }
    for name, value in values.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text


def _check_role(
    backend: EventBridgeSchedulerBackend, schedule: Schedule, action: str, params: dict[str, Any], resource: str = ""
) -> None:
    role = str(schedule.target.get("RoleArn", ""))
    if why_not_assumable(role, SERVICE):
        raise ScheduleFailed("The execution role you provide must allow AWS EventBridge Scheduler to assume the role.")
    permissions: list[tuple[str, str, dict[str, str]]] = [(action, resource, {})]
    if action == "ecs:RunTask":
        permissions = list(_asked(backend, params))
    for permission in permissions:
        message = refusal(Identity(backend.account_id, role, schedule.name), *permission)
        if message:
            raise ScheduleFailed(message)


def _asked(backend: EventBridgeSchedulerBackend, params: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """(action, resource, context) of what RunTask needs: the launch, the roles handed over, the task's tags."""
    definition = ecs_backends[backend.account_id][backend.region_name].describe_task_definition(
        params["TaskDefinition"]
    )
    yield "ecs:RunTask", str(definition.arn), {"ecs:cluster": params["Cluster"]}
    roles = {getattr(definition, name, None) for name in ("execution_role_arn", "task_role_arn")}
    for role in roles - {None, ""}:
        yield "iam:PassRole", str(role), {"iam:passedtoservice": "ecs-tasks.amazonaws.com"}
    if params.get("PropagateTags") or params.get("Tags"):
        task = f"{params['Cluster'].replace(':cluster/', ':task/')}/new"
        yield "ecs:TagResource", task, {"ecs:createaction": "RunTask"}


def _with_api_names(client: Any, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    """Parameters spelt as the API spells them, whatever the case of their first letters."""

    def convert(value: Any, shape: Any) -> Any:
        if shape.type_name == "structure" and isinstance(value, dict):
            members = {name.lower(): name for name in shape.members}
            by_api_name = {members.get(key.lower(), key): item for key, item in value.items()}
            return {k: convert(v, shape.members[k]) if k in shape.members else v for k, v in by_api_name.items()}
        if shape.type_name == "list" and isinstance(value, list):
            return [convert(item, shape.member) for item in value]
        return value

    shape = client.meta.service_model.operation_model(operation).input_shape
    converted: dict[str, Any] = convert(params, shape)
    return converted
