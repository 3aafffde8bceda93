"""How a container's lines go to its log driver: the options `mode` and `max-buffer-size`. Pure.

Blocking, a program that logs faster than CloudWatch takes its lines waits; otherwise lines are lost once the buffer is
full. Sources: `LogConfiguration.options` of ECS's API reference; moby's `daemon/logger` for what the driver refuses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

BLOCKING, NON_BLOCKING = MODES = ("blocking", "non-blocking")
MODE, BUFFER = "mode", "max-buffer-size"
SETTING = "defaultLogDriverMode"  # the account's setting for containers without a mode
DEFAULT = NON_BLOCKING  # where the setting says nothing either, since 2025-06-25
# The options of the driver that ECS lets through; it refuses a task definition with another:
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
AWSLOGS = frozenset((
    "awslogs-create-group", "awslogs-datetime-format", "awslogs-endpoint", "awslogs-format", "awslogs-group",
    "awslogs-multiline-pattern", "awslogs-region", "awslogs-stream-prefix", BUFFER, MODE,
))  # fmt: skip
SIZE = re.compile(r"\d+(?:\.\d+)? ?(?:[kmgt]?i?b?)?", re.IGNORECASE | re.ASCII)


def mode_problem(options: Mapping[str, str]) -> str | None:
    """Why the log driver refuses this mode."""
    mode = options.get(MODE)
    return None if mode in (None, *MODES) else f"a log driver has the modes {' and '.join(MODES)}"


def buffer_problem(options: Mapping[str, str]) -> str | None:
    """Why the log driver refuses this size of a buffer."""
    size = options.get(BUFFER)
    if size is None:
        return None
    if not SIZE.fullmatch(size):
        return "it is not a size such as 10m"
    return "the blocking mode has no buffer" if options.get(MODE) == BLOCKING else None
