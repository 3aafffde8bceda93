"""Plans in a row and at once leave no thread, no open file and no memory behind: the short form of `bench.load`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.bench.test_requests import project as project
from tests.engine.project import Project
from tests.lab_client import ROOT, LabHandle

ROW, ONCE, COMMANDS, GROWTH = 10, 10, 2, 60.0  # MB that fragments of the heap may take


@pytest.mark.long
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it counts in /proc")
def test_nothing_is_left_behind(project: Project, lab: LabHandle) -> None:
    project.write("deploy.yaml", (ROOT / "deploy.yaml").read_text())
    project.ok("apply", "--skip-image", "--skip-run")
    command = [sys.executable, "-m", "bench.load", str(ROW), str(ONCE), str(COMMANDS)]
    ended = subprocess.run(
        command, cwd=project.folder, env=lab.environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    for name in ("row", "at once"):
        first, last = report[name][0], report[name][-1]
        assert (last["threads"], last["files"]) == (first["threads"], first["files"]), name
        assert last["memory"] - first["memory"] < GROWTH, name
    assert report["exit codes"] == [0] * COMMANDS
