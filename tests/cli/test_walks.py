"""Four projects of somebody's own, from an empty folder by the README: `init`, and `apply --local`, without Docker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.local import ensure_running, reset
from tests.folder import Folder, Result

NUMPY = """\
import io, os, sys
from urllib.parse import urlsplit

import boto3
import numpy as np

s3, where = boto3.client("s3"), urlsplit(os.environ["CHECKPOINT_URI"])
place = {"Bucket": where.netloc, "Key": where.path.lstrip("/") + "/weights.npy"}
try:
    weights = np.load(io.BytesIO(s3.get_object(**place)["Body"].read()))
except s3.exceptions.NoSuchKey:
    weights = np.zeros(3)
print("begins with", weights[0], flush=True)
for step in range(int(weights[0]), 20):
    weights += 1
    if weights[0] % 5 == 0:
        file = io.BytesIO()
        np.save(file, weights)
        s3.put_object(**place, Body=file.getvalue())
    if step == 12 and os.environ["RUN_ATTEMPT"] == "1":
        sys.exit("out of luck")
print("ends with", weights.sum())
"""
MANY = """\
import os
import boto3
from pkg import names
s3 = boto3.client("s3")
pages = s3.get_paginator("list_objects_v2").paginate(Bucket=os.environ["S3_BUCKET"], Prefix=os.environ["S3_PREFIX"])
found = [one for page in pages for one in page["Contents"]]
print(names.of(found), sum(one["Size"] for one in found))
"""
SHELL = """\
#!/bin/sh
set -e
echo "start"
echo
printf '  a\\t  b   c\\n'
echo "{$GREETING}"
"""
IRIS = """\
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier
X, y = load_iris(return_X_y=True)
print("accuracy", DecisionTreeClassifier(random_state=0).fit(X, y).score(X, y))
"""


class Walk(Folder):
    """A folder of somebody's, with nothing of this project's in it."""

    def put(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        self.write(name, text)

    def program(self, ended: Result) -> list[str]:
        """The program's lines, as they are shown."""
        return [line.removeprefix("  | ") for line in ended.out.splitlines() if line.startswith("  | ")]


@pytest.fixture
def walk(tmp_path: Path, home_of_all: Path, monkeypatch: pytest.MonkeyPatch) -> Walk:
    monkeypatch.setenv("RECONCILER_LOCAL_HOME", str(home_of_all))
    monkeypatch.setenv("RECONCILER_LOCAL_ENGINE", "process")
    ensure_running(home_of_all)
    reset(home_of_all)
    folder = tmp_path / "my job"
    folder.mkdir()
    return Walk(folder)


def test_a_numpy_loop_with_checkpoints(walk: Walk) -> None:
    walk.put("train.py", NUMPY)
    walk.put("Dockerfile", 'FROM python:3.13-slim\nWORKDIR /app\nCOPY train.py .\nCMD ["python", "train.py"]\n')
    walk.ok("init")
    walk.change("\nrun:", "\nrun:\n  checkpoint: true\n  retry: {error: 1, backoff: 0s} #")
    ended = walk.ok("apply", "--local")
    assert walk.program(ended) == ["begins with 0.0", "out of luck", "begins with 10.0", "ends with 60.0"]
    assert "with the same inputs succeeded" in walk.ok("apply", "--local").out


def test_fifty_files_and_a_large_one_with_src_and_a_dockerfile_in_a_folder(walk: Walk) -> None:
    walk.put("src/pkg/__init__.py", "")
    walk.put("src/pkg/names.py", "def of(found): return len(found)\n")
    walk.put("src/train.py", MANY)
    for number in range(50):
        walk.put(f"data/parts/{number}.csv", "a\n")
    with (walk.folder / "data" / "large.bin").open("wb") as file:
        file.truncate(30_000_000)  # of 300 MB in a walk by hand; what is larger than one part of an upload is enough
    walk.put(
        "docker/Dockerfile",
        "FROM python:3.13-slim\nWORKDIR /app\nCOPY src/ src/\nENV PYTHONPATH=/app/src\nCMD python src/train.py\n",
    )
    walk.ok("init")
    assert walk.program(walk.ok("apply", "--local")) == ["51 30000100"]
    assert "Nothing to run" in walk.ok("apply", "--local").out


def test_a_shell_program(walk: Walk) -> None:
    walk.put("run.sh", SHELL)
    (walk.folder / "run.sh").chmod(0o755)
    walk.put("Dockerfile", 'FROM alpine:3\nENV GREETING="good  day"\nCOPY run.sh /run.sh\nCMD ["/run.sh"]\n')
    walk.ok("init")
    ended = walk.ok("apply", "--local")
    assert walk.program(ended) == ["start", "", "  a\t  b   c", "{good  day}"]
    assert walk.ok("logs", "--local").out == "start\n\n  a\t  b   c\n{good  day}\n"


def test_a_node_program_needs_docker_and_is_told_before_anything_is_made(walk: Walk) -> None:
    walk.put("main.js", "console.log('hello')\n")
    walk.put("Dockerfile", 'FROM node:22-slim\nCOPY main.js .\nCMD ["node", "main.js"]\n')
    walk.ok("init")
    ended = walk.run("apply", "--local")
    assert (ended.code, "this image isn't Python: it needs Docker or Podman" in ended.err) == (2, True)
    assert "missing            cluster " in walk.run("status", "--local").out
    assert " ok  " not in walk.run("status", "--local").out


@pytest.mark.long
def test_iris_with_scikit_learn(walk: Walk) -> None:
    asked = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(walk.folder.parent), "scikit-learn"]
    if (answer := subprocess.run(asked, capture_output=True, text=True)).returncode:
        pytest.skip(f"no scikit-learn can be had here: {answer.stderr.strip()[-200:]}")
    walk.put("train.py", IRIS)
    walk.put("requirements.txt", "scikit-learn\n")
    walk.ok("init")  # which writes the Dockerfile
    assert walk.program(walk.ok("apply", "--local")) == ["accuracy 1.0"]
