"""What a command loads before it does anything: the start of Python is most of a short command's time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab_client import ROOT

AWS = {
    "boto3",
    "botocore",
    "moto",
    "reconciler.aws.calls",
    "reconciler.engine.deployment",
    "reconciler.kinds",
    "reconciler.run",
}
FILE = {"pydantic", "yaml", "reconciler.config"}
BAD = "name: x\nregoin: us-east-1\ndata: nowhere.csv\nimage: .\n"


def loaded(folder: Path, *arguments: str, code: int) -> set[str]:
    """The modules that the command has loaded when it ends, as Python itself tells."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-X", "importtime", "-m", "reconciler", *arguments]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr[-2000:]
    lines = [line for line in ended.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize(
    ("arguments", "code", "without"),
    [
        (("--help",), 0, AWS | FILE | {"subprocess"}),
        (("--version",), 0, AWS | FILE),
        (("plan", "--help"), 0, AWS | FILE),
        (("plan", "bad.yaml"), 2, AWS | {"tenacity", "urllib3", "reconciler.cli.plan"}),
        (("apply", "bad.yaml", "--json"), 2, AWS | {"tenacity", "urllib3", "reconciler.cli.apply"}),
    ],
)
def test_nothing_is_loaded_that_is_not_needed(
    arguments: tuple[str, ...], code: int, without: set[str], tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    found = loaded(tmp_path, *arguments, code=code)
    assert "reconciler.cli.main" in found
    assert found & without == set()
