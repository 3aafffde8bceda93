"""What a command loads before it does anything: the start of Python is most of a short command's time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.cli.arguments import parser
from reconciler.cli.top_help import COMMANDS, columns, text
from reconciler.local import lifecycle
from tests.engine.project import use
from tests.lab_client import ROOT, LabHandle

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
# What takes longer to load than a message to print.
DEAR = {"html", "logging", "structlog", "subprocess", "tenacity", "urllib3"}
OF_PYDANTIC = {"email", "hashlib", "importlib.metadata", "secrets"}  # the same, but that pydantic needs them
MOTO_ITSELF = {"backend_index", "backends", "core", "moto_api", "moto_server", "settings", "utilities"}
BAD = "name: x\nregoin: us-east-1\ndata: nowhere.csv\nimage: .\n"


def loaded(folder: Path, *arguments: str, code: int) -> set[str]:
    """The modules that the command has loaded when it ends, as Python itself tells."""
    return imported(folder, "-m", "reconciler", *arguments, code=code)


def imported(folder: Path, *words: str, code: int = 0) -> set[str]:
    """The same of any Python."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-X", "importtime", *words]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr[-2000:]
    lines = [line for line in ended.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize(
    ("arguments", "code", "without"),
    [
        (("--version",), 0, AWS | FILE),
        (("plan", "--help"), 0, AWS | FILE | DEAR | OF_PYDANTIC),
        (("plan", "bad.yaml"), 2, AWS | DEAR | {"reconciler.cli.plan"}),
        (("apply", "bad.yaml", "--json"), 2, AWS | DEAR | {"reconciler.cli.apply"}),
    ],
)
def test_nothing_is_loaded_that_is_not_needed(
    arguments: tuple[str, ...], code: int, without: set[str], tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    modules = loaded(tmp_path, *arguments, code=code)
    assert "reconciler.cli.main" in modules
    assert modules & without == set()


# Runs a command, and writes at its end how many objects the searches for garbage had to look through.
COUNTED = """
import atexit, gc, runpy, sys
seen = []
def objects(oldest):
    return sum(len(gc.get_objects(generation=number)) for number in range(oldest + 1))
gc.callbacks.append(lambda phase, info: phase == "start" and seen.append(objects(info["generation"])))
atexit.register(lambda: print("looked through:", sum(seen)))
sys.argv[0] = "reconciler"
runpy.run_module("reconciler", run_name="__main__", alter_sys=True)
"""


def test_a_plan_loads_no_repetition_and_looks_for_no_garbage(
    lab: LabHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten and thirty milliseconds of its half a second."""
    project = use(lab, tmp_path, monkeypatch)
    for name in ("deploy.yaml", "Dockerfile"):
        project.write(name, (ROOT / name).read_text())
    (tmp_path / "data").mkdir()
    project.write("data/sample.csv", "Open time,Open\n2018-01-01 00:00:00,1\n")
    project.ok("apply", "--skip-image", "--skip-run")
    modules = imported(tmp_path, "-m", "reconciler", "plan", "--skip-image")
    assert "botocore.session" in modules
    assert modules & {"asyncio", "tenacity", "boto3"} == set()
    words = [sys.executable, "-c", COUNTED, "plan", "--skip-image"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "Nothing to change" in ended.stdout
    assert int(ended.stdout.rpartition("looked through:")[2]) < 20_000


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_the_list_of_commands_loads_nothing_else(word: str, tmp_path: Path) -> None:
    modules = loaded(tmp_path, word, code=0)
    ours = {module for module in modules if module.partition(".")[0] == "reconciler"}
    assert ours == {"reconciler", "reconciler.cli", "reconciler.cli.top_help", "reconciler.cli.program_name"}
    assert modules & (AWS | FILE | DEAR | OF_PYDANTIC | {"argparse", "dataclasses", "pathlib", "re", "typing"}) == set()


@pytest.mark.parametrize("width", [1, 40, 78, 118, 1000])
def test_the_list_of_commands(width: int) -> None:
    """It is the parser's own, names each command once, and fits where the words do."""
    top = parser("reconciler")
    assert list(top.commands) == list(COMMANDS)
    shown = text("reconciler", width)
    lines = shown.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("    ") and line[4] != " "] == list(COMMANDS)
    assert [line for line in lines[8:] if len(line) > max(width, 70)] == []
    assert " ".join(shown.split()).count(" ".join(COMMANDS["destroy"].split())) == 1


@pytest.mark.parametrize(
    ("given", "width"), [("80", 78), ("120", 118), ("", 78), ("0", 78), ("wide", 78)]
)  # fmt: skip
def test_its_width_is_argparses(given: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", given)
    assert columns() == width or (not given.isdecimal() and os.isatty(1))
    assert parser("reconciler").format_help() == text("reconciler", columns())


def test_what_the_embedded_aws_loads_before_its_first_answer(tmp_path: Path) -> None:
    """Of moto the services that it puts right, and whatever these need; nothing of what a client plans with."""
    modules = imported(tmp_path, "-c", "import reconciler.local.embedded")
    services = {module.split(".")[1] for module in modules if module.startswith("moto.")} - MOTO_ITSELF
    assert services == {
        "awslambda", "cloudwatch", "dynamodb", "dynamodbstreams", "ec2", "ecr", "ecs", "events", "iam", "kinesis",
        "logs", "s3", "s3bucket_path", "scheduler", "secretsmanager", "sns", "sqs", "ssm", "sts",
    }  # fmt: skip
    ours = {module.split(".")[1] for module in modules if module.startswith("reconciler.")}
    assert ours <= {"aws", "core", "image", "local", "permissions", "version"}
    assert modules & {"pydantic", "tenacity", "reconciler.aws.calls", "reconciler.image.docker"} == set()


def test_the_bench_is_smaller_than_what_it_measures(tmp_path: Path) -> None:
    """To the system, the peak memory of a process is at least what its parent had when it started it."""
    assert imported(tmp_path, "-c", "import bench.__main__") & {"moto", "botocore", "boto3", "pydantic"} == set()


def test_the_start_of_the_embedded_aws_is_said_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(lifecycle, "_start", lambda home: told.append("started"))
    lifecycle.ensure_running(tmp_path / "local", told.append)
    assert [line.split(";")[0] for line in told] == ["starting the embedded AWS", "started"]
