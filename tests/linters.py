"""actionlint (with shellcheck for the steps) and zizmor, as requirements/dev.txt installs them, about workflows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def _tool(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} isn't installed")
    return found


def _said(*command: object) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def actionlint(*workflows: Path) -> str:
    """What it finds in these workflows; empty for nothing."""
    return _said(_tool("actionlint"), "-no-color", "-pyflakes=", f"-shellcheck={_tool('shellcheck')}", *workflows)


def zizmor(*workflows: Path) -> str:
    """What it finds in these workflows; empty for nothing."""
    return _said(_tool("zizmor"), "--offline", "--no-progress", "--persona=pedantic", *workflows)
