"""The committed deploy.yaml in a folder of its own, with a small program and data, against the session's lab."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engine.project import Project, use
from tests.importer import guide
from tests.lab_client import LabHandle

ROOT = Path(__file__).resolve().parents[1]


def guide_project(
    lab: LabHandle, folder: Path, patch: pytest.MonkeyPatch, more: Mapping[str, Any] | None = None, **ci: Any
) -> Project:
    """The project. more: further sections; ci: what its `ci:` section has besides. `--local` reaches the lab."""
    project = use(lab, folder, patch)
    patch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")  # nothing is built here that needs an engine
    patch.delenv("DATA_FILE", raising=False)
    wanted = yaml.safe_load((ROOT / "deploy.yaml").read_text())
    wanted["ci"] |= ci
    wanted |= more or {}
    project.write("deploy.yaml", yaml.safe_dump(wanted))
    (folder / "data").mkdir()
    (folder / "data" / "sample.csv").write_bytes(guide.DATA)
    project.write("Dockerfile", 'FROM scratch\nCOPY main.py .\nCMD ["python", "main.py"]\n')
    project.write("main.py", "print('hello')\n")
    patch.setenv("RECONCILER_LOCAL_HOME", str(lab.home))
    return project
