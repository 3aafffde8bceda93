"""How this program was called, so that what it says to type can be typed: not every Python that has a `reconciler`
command beside it (pipx) has the package.
"""

from __future__ import annotations

import os
import sys

MODULE = "python -m reconciler"
COMMAND = "reconciler"


def program() -> str:
    """`reconciler` where that command was typed, else `python -m reconciler`."""
    name = os.path.basename(sys.argv[0])  # noqa: PTH119  pathlib isn't needed for anything here
    return COMMAND if name in (COMMAND, f"{COMMAND}.exe") else MODULE


def typed(text: str) -> str:
    """A text whose commands can be typed as this one was."""
    return text.replace(MODULE, program())


def typed_comments(text: str) -> str:
    """A file whose comment lines name commands as they are typed here; what it runs stays."""
    return "\n".join(typed(line) if line.startswith("#") else line for line in text.split("\n"))
