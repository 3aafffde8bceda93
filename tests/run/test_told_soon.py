"""How soon the end of a task is told: on a clock of the test's own, so that no machine is too slow for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from reconciler.aws.calls import Aws
from reconciler.run.logs import TaskLog
from reconciler.run.retry import Attempt
from reconciler.run.watch import LastLines, Silent, Watch

CALL = 0.02  # seconds that each call takes
ARN = "arn:aws:ecs:us-east-1:123456789012:task/tiny/0123456789abcdef0123456789abcdef"


class OneTask:
    """ECS and CloudWatch Logs of one task, which prints a line as it ends. late: seconds until the line is shown."""

    def __init__(self, ends: float, late: float) -> None:
        self.clock = self
        self.time = self.began = 1_000_000.0
        self.ends, self.late = self.began + ends, late

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let them pass."""
        self.time += seconds

    def find(self, service: str, operation: str, **asked: Any) -> dict[str, Any]:
        """The task, or until when there are lines."""
        self.time += CALL
        if operation == "DescribeLogStreams":
            stored = self.ends + self.late
            return {"logStreams": [{"lastIngestionTime": int(stored * 1000)}] if self.time >= stored else []}
        assert operation == "DescribeTasks"
        task: dict[str, Any] = {"taskArn": ARN, "lastStatus": "RUNNING", "containers": [{"name": "main"}]}
        task["startedAt"] = datetime.fromtimestamp(self.began, UTC)
        if self.time >= self.ends:
            stopped = datetime.fromtimestamp(self.ends, UTC)
            task |= {"lastStatus": "STOPPED", "executionStoppedAt": stopped, "stoppedReason": "it ended"}
            task["containers"] = [{"name": "main", "exitCode": 0}]
        return {"tasks": [task]}

    def call(self, service: str, operation: str, **asked: Any) -> dict[str, Any]:
        """A page of the log."""
        assert operation == "GetLogEvents"
        self.time += CALL
        stored = self.ends + self.late
        line = {"timestamp": int(self.ends * 1000), "ingestionTime": int(stored * 1000), "message": "the last"}
        shown = self.time >= stored
        new = shown and asked.get("nextToken") != "end"
        return {"events": [line] if new else [], "nextForwardToken": "end" if shown else "begin"}


@pytest.mark.parametrize("ends", [0.0, 0.7, 2.5, 61.3, 3600.0])
@pytest.mark.parametrize("late", [0.0, 0.2])
def test_the_end_is_told_within_a_second(ends: float, late: float) -> None:
    aws = OneTask(ends, late)
    lines: list[str] = []

    class Told(Silent):
        def line(self, container: str, text: str, timestamp: float) -> None:
            lines.append(text)

    log = TaskLog(cast(Aws, aws), "/ecs/tiny", "ecs", ARN)
    watch = Watch(cast(Aws, aws), "tiny", Attempt(1, "FARGATE", "t", aws.began, ARN), log, Told(), "main")
    end = watch.follow()
    assert end.exit_code == 0
    assert aws.time - aws.ends < 1.0, f"told {aws.time - aws.ends:.2f} s after it"
    LastLines(log, watch.watcher, end, stopped_at=watch.stopped_at, alive=watch.alive).read()
    assert lines == ["the last"]
    assert aws.time - aws.ends < 1.0 + 2 * late, f"its lines were waited for until {aws.time - aws.ends:.2f} s after it"
