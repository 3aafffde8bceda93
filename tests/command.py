"""The command line in this process."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.cli.main import main as command_line
from tests import clients


def main(arguments: Sequence[str]) -> int:
    """Run one command, whose clients are kept for the next. Returns its exit code."""
    with clients.of_command():
        return command_line(arguments)
