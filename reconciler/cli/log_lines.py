"""Log lines for people: structured ones (a JSON object with an event or a message) on one readable line. Pure."""

from __future__ import annotations

import json
from typing import Any

MESSAGES = ("event", "message", "msg")
TIMES = ("timestamp", "time", "ts", "asctime")
LEVELS = ("level", "levelname", "severity")
PLAIN = ("info", "debug", "notset")


def readable(line: str) -> str:
    """`{"event": "trained", "fold": 3, "level": "info", …}` as `trained  fold=3`; any other line as it is."""
    if not line.startswith("{"):
        return line
    try:
        found = json.loads(line)
    except ValueError:
        return line
    message = next((key for key in MESSAGES if isinstance(found.get(key), str)), None)
    if message is None:
        return line
    level = next((str(found[key]).lower() for key in LEVELS if key in found), "")
    rest = [f"{key}={_value(value)}" for key, value in found.items() if key not in (message, *TIMES, *LEVELS)]
    parts = [found[message], *([" ".join(rest)] if rest else [])]
    return ("" if level in ("", *PLAIN) else f"{level}: ") + "  ".join(parts)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if " " in value else value
    return json.dumps(value, ensure_ascii=False)
