"""A small project in a folder of its own, with the session's embedded AWS, empty, or with one of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.local import ensure_running, reset, stop
from tests.folder import Folder

DEPLOY = """\
name: tiny
data: prices.csv
image: .
task:
  cpu: 256
  memory: 512
logs:
  retention_days: 1
"""
PROGRAM = """\
import json, os, sys, urllib.request
print("hello from the task", flush=True)
import boto3
bucket, _, prefix = os.environ["OUTPUT_URI"].removeprefix("s3://").partition("/")
s3 = boto3.client("s3")
rows = s3.get_object(Bucket=os.environ["S3_BUCKET"], Key=os.environ["S3_KEY"])["Body"].read().decode().splitlines()
body = json.dumps({"metrics": {"rows": len(rows)}})
s3.put_object(Bucket=bucket, Key=f"{prefix}/metrics.json", Body=body.encode())
s3.put_object(Bucket=bucket, Key=f"{prefix}/report.html", Body=b"<p>report</p>")
print(f"read {len(rows)} rows", flush=True)
sys.exit(int(os.environ.get("EXIT", "0")))
"""
DOCKERFILE = """\
FROM python:3.13-slim
COPY train.py .
CMD ["python", "train.py"]
"""


@dataclass
class Project(Folder):
    """A folder with a deploy.yaml, a program and data. home: of its embedded AWS."""

    home: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home = self.folder / ".reconciler" / "local"


@pytest.fixture(scope="session")
def home_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of one embedded AWS for many tests: to make it empty is a tenth of the work of starting one."""
    home = tmp_path_factory.mktemp("embedded") / "local"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECONCILER_LOCAL_ENGINE", "process")
        yield home
    stop(home)


@pytest.fixture
def project(own_project: Project, home_of_all: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The small project, whose `--local` is the session's embedded AWS, empty."""
    monkeypatch.setenv("RECONCILER_LOCAL_HOME", str(home_of_all))
    ensure_running(home_of_all)
    reset(home_of_all)
    own_project.home = home_of_all
    return own_project


@pytest.fixture
def own_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The small project, whose `--local` starts an embedded AWS of its own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    made = Project(tmp_path)
    made.write("deploy.yaml", DEPLOY)
    made.write("train.py", PROGRAM)
    made.write("Dockerfile", DOCKERFILE)
    made.write("prices.csv", "a,b\n1,2\n3,4\n")
    # The tests here are about the commands; those with a container engine are in tests/image.
    monkeypatch.setenv("RECONCILER_LOCAL_ENGINE", "process")
    yield made
    stop(tmp_path / ".reconciler" / "local")
