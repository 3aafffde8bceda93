"""What the embedded AWS answers where it is no AWS: whole JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import StartResponse


def json_answer(start: StartResponse, status: str, value: object, *headers: tuple[str, str]) -> list[bytes]:
    """A whole JSON answer. value: bytes are JSON already."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers])
    return [body]
