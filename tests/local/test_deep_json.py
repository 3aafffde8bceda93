"""JSON inside a request, or that a program printed, is nested as deeply as somebody likes: the embedded AWS answers."""

from __future__ import annotations

import time
import uuid

from tests.local_fixtures import EmbeddedAws

DEEP = "[" * 50_000


def test_a_pattern_that_looks_into_log_lines_passes_over_a_deep_one(embedded_aws: EmbeddedAws) -> None:
    logs, group = embedded_aws.client("logs"), f"/deep-{uuid.uuid4().hex}"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    now = int(time.time() * 1000)
    lines = [{"timestamp": now, "message": message} for message in (DEEP, '{"Type": "Task"}')]
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=lines)
    answer = logs.filter_log_events(logGroupName=group, filterPattern='{ $.Type = "Task" }')
    assert [event["message"] for event in answer["events"]] == ['{"Type": "Task"}']
