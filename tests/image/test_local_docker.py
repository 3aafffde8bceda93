"""The main job with a real Docker engine: `apply --local` builds, pushes, and runs the task in a real container."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.local.docker_choice import usable_docker

BASE = os.environ.get("RECONCILER_TEST_BASE", "")
REGISTRY = os.environ.get("RECONCILER_TEST_REGISTRY", "")
DOCKER = usable_docker(os.environ)
ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.skipif(DOCKER is None, reason="no Docker engine on this machine answers"),
    pytest.mark.skipif(not BASE, reason="RECONCILER_TEST_BASE names no image with Python to build on"),
    pytest.mark.skipif(not REGISTRY, reason="RECONCILER_TEST_REGISTRY names no registry"),
]

DEPLOY = """\
name: {name}
data: prices.csv
image: {{context: ., repository: {{name: {name}}}}}
task: {{cpu: 256, memory: 512, environment: {{WHAT: "${{WHAT:-exit 37}}"}}}}
"""
PROGRAM = """\
import os, pathlib, socket, sys, urllib.parse
what, _, number = os.environ["WHAT"].partition(" ")
print("in a container:", pathlib.Path("/.dockerenv").exists(), flush=True)
place = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
socket.create_connection((place.hostname, place.port), timeout=5).close()
print("reached the embedded AWS", flush=True)
if what == "attack":
    import http.client
    def ask(name, method, path, headers=None):
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
        connection.request(method, path, headers=headers or {})
        print(name, connection.getresponse().status, flush=True)
    ask("reset", "POST", "/_reconciler/reset")
    ask("identity", "GET", "/_reconciler/identity")
    ask("moto", "POST", "/moto-api/reset")
    ask("buckets", "GET", "/")
    for family, kind in ((socket.AF_PACKET, socket.SOCK_RAW), (socket.AF_INET, socket.SOCK_RAW)):
        try:
            socket.socket(family, kind, socket.IPPROTO_TCP)
            print("listens to what others say", flush=True)
        except PermissionError:
            print("may not listen", flush=True)
    print("role", "AWS_ACCESS_KEY_ID" in os.environ, "owner", "AKIALOCAL" in str(dict(os.environ)), flush=True)
if what == "eat":
    held = [bytearray(1 << 20) for _ in range(4096)]
sys.exit(int(number or 0))
"""


@dataclass
class Answer:
    code: int
    text: str


@dataclass
class Project:
    folder: Path
    name: str

    def run(self, *words: str, **variables: str) -> Answer:
        env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        env |= {"PYTHONPATH": str(ROOT), "RECONCILER_LOCAL_ENGINE": "docker", "RECONCILER_LOCAL_REGISTRY": REGISTRY}
        done = subprocess.run(
            [sys.executable, "-m", "reconciler", *words],
            cwd=self.folder,
            env=env | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        print(done.stdout)
        return Answer(done.returncode, done.stdout)


def docker(*words: str) -> str:
    assert DOCKER is not None
    return subprocess.run([DOCKER.command, *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path, f"tiny-{uuid.uuid4().hex[:8]}")
    (tmp_path / "deploy.yaml").write_text(DEPLOY.format(name=made.name))
    (tmp_path / "prices.csv").write_text("a,b\n1,2\n")
    (tmp_path / "train.py").write_text(PROGRAM)
    (tmp_path / "Dockerfile").write_text(
        f"FROM {BASE}\nRUN echo {made.name} > /layer\nWORKDIR /app\nCOPY train.py .\nUSER 10001\n"
        'ENTRYPOINT ["python", "train.py"]\n'
    )
    (tmp_path / ".dockerignore").write_text("*\n!train.py\n")
    yield made
    made.run("local", "stop")
    ids = docker("image", "ls", "--quiet", f"reconciler.local/{made.name}").split()
    if ids:
        docker("image", "rm", "--force", *set(ids))


def test_main_job_in_a_container(project: Project) -> None:
    first = project.run("apply", "deploy.yaml", "--local")
    assert first.code == 37  # the container's
    assert "in a container: True" in first.text
    assert "reached the embedded AWS" in first.text
    assert "building the image with Docker" in first.text
    with urllib.request.urlopen(f"http://{REGISTRY}/v2/{project.name}/tags/list") as answer:
        tags = json.load(answer)["tags"]
    assert [tag for tag in tags if tag.startswith("inputs-")]

    # A second machine has no image and no cache: the one in the repository is found by its inputs.
    images = set(docker("image", "ls", "--quiet", f"reconciler.local/{project.name}").split())
    docker("image", "rm", "--force", *images)
    second = project.run("apply", "deploy.yaml", "--local", WHAT="exit 0")
    assert second.code == 0
    assert "reached the embedded AWS" in second.text
    assert "building" not in second.text
    assert "pushing" not in second.text
    third = project.run("apply", "deploy.yaml", "--local", WHAT="exit 0")
    assert third.code == 0
    assert "building" not in third.text
    assert "in a container" not in third.text  # nothing changed: nothing is launched

    eaten = project.run("apply", "deploy.yaml", "--local", WHAT="eat")
    assert eaten.code == 137
    assert "memory" in eaten.text.lower()

    (project.folder / "train.py").write_text(PROGRAM.replace("reached", "came to"))
    plan = project.run("plan", "deploy.yaml", "--local", WHAT="exit 0")
    assert "train.py" in plan.text
    changed = project.run("apply", "deploy.yaml", "--local", "--verbose", WHAT="exit 0")
    assert changed.code == 0
    assert "came to the embedded AWS" in changed.text
    assert "Layer already exists" in changed.text


def test_a_container_reaches_no_control_and_hears_nothing(project: Project) -> None:
    """It is root inside, and on this machine's network, as it would be of any image that names no user."""
    dockerfile = project.folder / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("USER 10001\n", ""))
    ended = project.run("apply", "deploy.yaml", "--local", WHAT="attack")
    assert ended.code == 0
    for attempt in ("reset", "identity", "moto", "buckets"):
        assert f"{attempt} 403" in ended.text
    assert ended.text.count("may not listen") == 2
    assert "listens to what others say" not in ended.text
    assert "role True owner False" in ended.text
