"""What a newcomer is told in the first hour, word for word: each text is a file in tests/cli/door/.

Nothing here asks AWS or needs a server. What needs one has its texts elsewhere: of deploy.yaml in tests/config/bad, of
runs that fail in tests/run/golden, of projects without Docker in tests/cli/test_walks.py, of the README in tests/docs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.folder import Folder
from tests.golden import golden

DOOR = Path(__file__).parent / "door"
DEPLOY = "name: prices\ndata: prices.csv\nimage: .\ntask: {cpu: 256, memory: 512}\n"
JOB = {
    "deploy.yaml": DEPLOY,
    "prices.csv": "a\n1\n",
    "Dockerfile": "FROM python:3.13-slim\nCOPY train.py .\n",
    "train.py": "",
}
SWEEP = JOB | {"deploy.yaml": DEPLOY + "run: {sweep: {grid: {C: [1, 2]}}}\n"}

# What is in the folder, the commands, and how many lines of each are looked at (0: all).
COMMANDS: Mapping[str, tuple[Mapping[str, str], Sequence[str], int]] = {
    "no-file": ({}, ["apply", "plan", "runs", "stop", "diagnose", "cost"], 0),
    "nothing-to-begin-with": ({}, ["init"], 0),
    "one-program": ({"train model.py": "", "raw data/prices.csv": "a\n"}, ["init"], 0),
    "many-files": (
        {f"data/{n}.csv": "a\n" for n in range(50)} | {"docker/Dockerfile": "FROM x\nCOPY src src\n", "src/a.py": ""},
        ["init"],
        0,
    ),
    "no-credentials": (JOB, ["plan", "apply", "runs", "status"], 0),
    "permissions": (JOB, ["permissions", "permissions --for plan"], 3),
    "cost": (JOB, ["cost", "cost --runs-per-month 30"], 0),
    "engine": (JOB, ["apply --engine process", "apply --local --engine podman"], 0),
    "sweep": (SWEEP, ["cost"], 0),
    "local": (JOB, ["local status", "local env", "local stop", "local reset", "local list --all"], 0),
    "unknown": (JOB, ["aply", "apply --locl", "apply nothere.yaml"], 0),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_said(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [one for one in os.environ if one.startswith(("AWS_", "RECONCILER_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("sys.argv", ["reconciler"])
    files, commands, most = COMMANDS[name]
    place = Folder(tmp_path / "my job")
    for path, text in files.items():
        (place.folder / path).parent.mkdir(parents=True, exist_ok=True)
        place.write(path, text)
    place.folder.mkdir(exist_ok=True)
    said = []
    for command in commands:
        ended = place.run(*command.split())
        lines = (ended.err + ended.out).replace(str(tmp_path), "/home/ada").splitlines()
        said += [f"$ reconciler {command}", *(lines[:most] if most else lines), f"exit code {ended.code}", ""]
    golden(DOOR / f"{name}.txt", "\n".join(said))
