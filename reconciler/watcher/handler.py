"""The function's entry point."""

from __future__ import annotations

from typing import Any


def handle(event: dict[str, Any], context: object) -> None:
    """Called by Lambda for each event."""
