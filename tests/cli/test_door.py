"""What a newcomer is told in the first hour, word for word: each text is a file in tests/cli/door/.

Nothing here asks AWS or needs a server. Other texts are elsewhere: those that need a server in
tests/faults/test_door.py, of deploy.yaml in tests/config/bad, of runs that fail in tests/run/golden, of projects
without Docker in tests/cli/test_walks.py, of the README in tests/docs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from reconciler.cli.build_output import BuildOutput
from reconciler.cli.live_line import LiveLine
from reconciler.cli.runs import row
from reconciler.cli.target import warn_of_secrets
from reconciler.cli.terminal import Terminal
from reconciler.config import load
from reconciler.config.run import Sweep
from reconciler.core.errors import ReconcilerError
from reconciler.image.inputs import read_inputs, snapshot
from reconciler.kinds.s3_object import ObjectSpec, changed_meanwhile
from reconciler.run.retry import Event
from reconciler.run.run import Overrides
from reconciler.run.sweep import chosen, combinations
from tests.cli.test_live_line import BUILDKIT, Screen
from tests.folder import Folder
from tests.golden import golden
from tests.run.samples import attempt, run

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
    for variable in [key for key in os.environ if key.startswith(("AWS_", "RECONCILER_"))]:
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


def a_value_that_the_sweep_lacks(folder: Path) -> None:
    chosen(combinations(Sweep(grid={"C": ("1", "2")})), {"C": "7"})


def a_file_that_changes(folder: Path) -> None:
    (folder / "app.log").write_text("a line\n")
    inputs = read_inputs(folder)
    (folder / "app.log").write_text("a line\nanother\n")
    snapshot(inputs, folder.parent / "copy")


def a_file_that_goes(folder: Path) -> None:
    (folder / "app.log").write_text("a line\n")
    inputs = read_inputs(folder)
    (folder / "app.log").unlink()
    snapshot(inputs, folder.parent / "another copy")


def data_that_changes(folder: Path) -> None:
    raise changed_meanwhile(ObjectSpec(name="bucket/data/prices.csv", file=str(folder / "prices.csv")))


def a_good_build(folder: Path) -> None:
    screen = Screen()
    build = BuildOutput(screen, LiveLine(screen), verbose=False)
    for line in BUILDKIT:
        build.say(line)
    build.over()
    print(*screen.shown, sep="\n")


def runs_of_a_sweep(folder: Path) -> None:
    done = attempt(event=Event.SUCCESS, started=10.0, stopped=75.0, exit_code=0)
    for c, loss in (("1", 0.25), ("7", 0.24)):
        varied = Overrides({"C": c, "API_TOKEN": "planted"})
        print(row(Terminal(), run(attempts=(done,), overrides=varied, metrics={"loss": loss})))
    for columns in ("100", "80", "40"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COLUMNS", columns)
            screen = Screen()
            screen.live, screen.colour = True, False
            for values in ({}, {"C": "1"}, {"C": "1", "ETA": "0.3", "NUM_LEAVES": "31", "MAX_DEPTH": "7"}):
                latest = run(attempts=(done,), overrides=Overrides(values), metrics={"loss": 0.25})
                screen.print(row(screen, latest))
            print(f"at {columns} columns:", *screen.shown, sep="\n")


def secrets_that_others_may_read(folder: Path) -> None:
    variables = {"DB_PASSWORD": "planted-1-x", "NOTE": "sk-planted1234567890abcdefghijklmnop", "EPOCHS": "20"}
    (folder / "deploy.yaml").write_text(f"{DEPLOY}\ntask: {{environment: {variables}}}\n".replace(TASK, ""))
    (folder / "prices.csv").write_text("a\n1\n")
    warn_of_secrets(load(folder / "deploy.yaml", environ={}), Terminal())


TASK = "task: {cpu: 256, memory: 512}"
# The file, and what is said by whom.
SAID = {
    "beside-a-sweep": [a_value_that_the_sweep_lacks],
    "what-changes": [a_file_that_changes, a_file_that_goes, data_that_changes],
    "folded-build": [a_good_build],
    "runs-of-a-sweep": [runs_of_a_sweep],
    "plain-secrets": [secrets_that_others_may_read],
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_where(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my job"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM python:3.13-slim\nCOPY . .\n")
    for says in SAID[name]:
        try:
            says(folder)
        except ReconcilerError as error:
            Terminal().error(error)
    said = capsys.readouterr()
    golden(DOOR / f"{name}.txt", (said.out + said.err).replace(str(tmp_path), "/home/ada"))
