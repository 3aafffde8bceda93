"""A folder in which the command line is run, in this process, and how a command ended."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.command import main


@dataclass
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The object on standard output."""
        return json.loads(self.out)


@dataclass
class Folder:
    """A folder with a deploy.yaml and data, in which commands are run."""

    folder: Path

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project."""
        (self.folder / name).write_text(text)
        return self.folder / name

    def change(self, old: str, new: str) -> None:
        """Change deploy.yaml."""
        text = (self.folder / "deploy.yaml").read_text()
        assert old in text
        self.write("deploy.yaml", text.replace(old, new))

    def run(self, *arguments: str) -> Result:
        """Run a command."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.chdir(self.folder):
            try:
                code = main(arguments)
            except SystemExit as left:
                code = left.code if isinstance(left.code, int) else 1
        assert "Traceback" not in err.getvalue()
        return Result(code, out.getvalue(), err.getvalue())

    def ok(self, *arguments: str) -> Result:
        """Run a command that has to succeed."""
        found = self.run(*arguments)
        assert found.code == 0, found.out + found.err
        return found

    def plan(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """The steps of a plan by address."""
        steps = self.ok("plan", "--json", *arguments).json["steps"]
        return {f"{step['kind']}.{step['name']}": step for step in steps}

    def todo(self, *arguments: str) -> dict[str, str]:
        """The actions of a plan by address, without those that do nothing."""
        return {a: step["action"] for a, step in self.plan(*arguments).items() if step["action"] != "none"}
