"""What is compared with files of the repository. UPDATE_GOLDEN=1 writes them anew; look at them with git diff."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

WRITE = bool(os.environ.get("UPDATE_GOLDEN"))


def golden(path: Path, text: str) -> None:
    """The text is that of the file."""
    if WRITE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    wanted = path.read_text() if path.exists() else ""
    differs = list(difflib.unified_diff(wanted.splitlines(), text.splitlines(), "wanted", "found", lineterm=""))
    assert not differs, "\n".join(differs)
    assert text == wanted
