"""What the log driver awslogs takes: how a container's lines go to it, and how it makes events of them. Pure.

Blocking, a program that logs faster than CloudWatch takes its lines waits; otherwise lines are lost once the buffer is
full. Sources: `LogConfiguration.options` of ECS's API reference; moby's `daemon/logger` for what the driver refuses.
"""

from __future__ import annotations

import re
import warnings
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
CREATE, FORMAT, MULTILINE, DATETIME = (
    "awslogs-create-group", "awslogs-format", "awslogs-multiline-pattern", "awslogs-datetime-format",
)  # fmt: skip
EMF = "json/emf"
BOOLEANS = frozenset(("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"))  # Go's
# Go's regular expressions have neither what looks around nor what refers back: https://github.com/google/re2/wiki/Syntax
NOT_IN_GO = re.compile(r"\\[1-9]|\(\?(?:[=!>#(]|<[=!]|P=)")
# What stands for itself in a pattern: quoted, escaped, or one of several.
LITERAL = re.compile(r"\\Q.*?(?:\\E|$)|\\[^1-9]|\\[1-7][0-7]+|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
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


def event_problem(options: Mapping[str, str]) -> tuple[str, str] | None:
    """(option, why) of what makes the driver refuse to start, of the options that say how lines become events.

    Source: `ValidateLogOpt` and `parseMultilineOptions` of moby's daemon/logger/awslogs.
    """
    if (create := options.get(CREATE)) and create not in BOOLEANS:
        return CREATE, "it is neither true nor false"
    if (form := options.get(FORMAT)) not in (None, EMF):
        return FORMAT, f"the driver knows the format {EMF} only, and not {form!r}"
    parts = [option for option in (MULTILINE, DATETIME) if option in options]
    if len(parts) > 1:
        return DATETIME, f"{DATETIME} and {MULTILINE} both say where an event begins"
    if parts and form is not None:
        return parts[0], f"with {FORMAT}: {EMF} each line is an event"
    pattern = options.get(MULTILINE, "")
    if absent := NOT_IN_GO.search(LITERAL.sub("x", pattern)):
        return MULTILINE, f"the driver reads it as a regular expression of Go, which has no {absent[0]}"
    if _is_broken(pattern):
        return MULTILINE, "it is no regular expression"
    return None


def _is_broken(pattern: str) -> bool:
    """Whether it is surely no regular expression of Go, which no library here reads."""
    if r"\Q" in pattern or _compiles_in_rust(pattern):
        return False
    try:  # takes a { that counts nothing, as Go does and Rust doesn't
        with warnings.catch_warnings(action="ignore"):
            re.compile(pattern)
    except re.error:
        return True
    return False


def _compiles_in_rust(pattern: str) -> bool:
    """Whether Rust, whose regular expressions are those of Go but for some escapes, reads this one."""
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    try:
        SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError:
        return False
    return True
