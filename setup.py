"""Everything is in pyproject.toml, but for the commit, which is written into what is built."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

NAME = Path("reconciler") / "commit.txt"


def commit() -> str:
    """Of the checkout; what SOURCE_COMMIT says; or what a source distribution has brought along. Empty if unknown."""
    if NAME.is_file():
        return NAME.read_text(encoding="utf-8")
    if given := os.environ.get("SOURCE_COMMIT", ""):
        return given
    git = ["git", "--no-optional-locks"]
    try:
        # Of this folder's own repository, never of one around it.
        top = subprocess.run([*git, "rev-parse", "--show-toplevel"], capture_output=True, text=True, check=True)
        if Path(top.stdout.strip()).resolve() != Path.cwd().resolve():
            return ""
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + ("-dirty" if changed.stdout else "")


def write(folder: str) -> None:
    """Write it into what is built."""
    if found := commit():
        (Path(folder) / NAME).write_text(found, encoding="utf-8")


class BuildPy(build_py):
    """A wheel's files."""

    def run(self) -> None:
        """Copy them, and write the commit."""
        super().run()
        if not self.editable_mode:
            write(self.build_lib)


class Sdist(sdist):
    """A source distribution's files."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Copy them, and write the commit."""
        super().make_release_tree(base_dir, files)
        write(base_dir)


setup(cmdclass={"build_py": BuildPy, "sdist": Sdist})
