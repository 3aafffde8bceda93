"""Log lines for people: structured ones (a JSON object with an event or a message) on one readable line. Pure."""

from __future__ import annotations

import json
from typing import Any

from reconciler.core import plain_json

MESSAGES = ("event", "message", "msg")
TIMES = ("timestamp", "time", "ts", "asctime")
LEVELS = ("level", "levelname", "severity")
PLAIN = ("info", "debug", "notset")


def readable(line: str) -> str:
    """`{"event": "trained", "fold": 3, "level": "info", …}` as `trained  fold=3`; any other line as it is."""
    if not line.startswith("{"):
        return line
    try:
        text = _readable(line)
    except ValueError:  # no JSON, or a hostile one: numbers of many digits, deep nesting
        return line
    return text.encode("utf-8", "backslashreplace").decode()  # JSON may escape half a character


def _readable(line: str) -> str:
    record = plain_json.parse(line)
    message = next((key for key in MESSAGES if isinstance(record.get(key), str)), None)
    if message is None:
        return line
    level = next((str(record[key]).lower() for key in LEVELS if key in record), "")
    fields = [f"{key}={_value(value)}" for key, value in record.items() if key not in (message, *TIMES, *LEVELS)]
    parts = [record[message], *([" ".join(fields)] if fields else [])]
    return ("" if level in ("", *PLAIN) else f"{level}: ") + "  ".join(parts)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if " " in value else value
    return json.dumps(value, ensure_ascii=False)
