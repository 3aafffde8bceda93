"""A project's own modules are never taken for Python's: `python -m` looks for modules in the current folder first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DEPLOY = "name: tiny\nimage: .\n"


def test_modules_in_the_users_folder_are_not_imported(tmp_path: Path) -> None:
    """Before, random.py or queue.py of a project ended each command as "a bug of ours"."""
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "__main__.py").write_text("import sys; print(*sys.modules)")
    done = subprocess.run([sys.executable, "-m", "plain"], cwd=tmp_path, capture_output=True, text=True, check=True)
    before_ours = {"__future__", *(name.partition(".")[0] for name in done.stdout.split())}
    shadowing = {*sys.stdlib_module_names, "yaml", "pydantic", "botocore", "model"} - before_ours
    assert {"random", "queue", "calendar", "secrets", "argparse", "json", "token"} <= shadowing
    for name in shadowing - set(sys.builtin_module_names):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('the project: {name}')")
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "deploy.yaml").write_text(DEPLOY)
    shown = subprocess.run(
        [sys.executable, "-m", "reconciler", "show", "deploy.yaml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    assert "name: tiny" in shown.stdout
