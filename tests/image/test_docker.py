"""With a real Docker engine: skipped, with the reason, where there is none or no base image to build on.

RECONCILER_TEST_BASE: an image with `python`; RECONCILER_TEST_REGISTRY: host:port of a registry on loopback.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.aws.calls import Aws
from reconciler.core.diff import diff
from reconciler.core.errors import ReconcilerError
from reconciler.image.base import base_tag
from reconciler.image.kind import ImageKind, ImageSpec, changed_files
from reconciler.image.source import image_spec
from reconciler.local.docker_choice import usable_docker
from reconciler.local.docker_engine import local_engine
from reconciler.local.docker_runner import LocalRunner, remove_leftovers
from reconciler.local.runner import ContainerSpec, Exit, StartError, TaskSpec
from tests.image.conftest import images, remove_images

BASE = os.environ.get("RECONCILER_TEST_BASE", "")
REGISTRY = os.environ.get("RECONCILER_TEST_REGISTRY", "")
DOCKER = usable_docker(os.environ)
pytestmark = [
    pytest.mark.skipif(DOCKER is None, reason="no Docker engine on this machine answers"),
    pytest.mark.skipif(not BASE, reason="RECONCILER_TEST_BASE names no image with Python to build on"),
]
needs_registry = pytest.mark.skipif(not REGISTRY, reason="RECONCILER_TEST_REGISTRY names no registry")

PROGRAM = """
import os, sys, time
what = sys.argv[1] if len(sys.argv) > 1 else ""
if what == "exit": sys.exit(int(sys.argv[2]))
if what == "lines":
    for n in range(int(sys.argv[2])): print("line", n)
if what == "eat": hold = [bytearray(1 << 20) for _ in range(4096)]
if what == "env": print(os.environ["PLAIN"], "|", repr(os.environ["LINES"]), "|", os.environ["PATH"])
if what == "sleep":
    print("asleep", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    folder, mark = tmp_path / "project", uuid.uuid4()
    (folder / "app").mkdir(parents=True)
    (folder / "app/__main__.py").write_text(PROGRAM)
    (folder / "Dockerfile").write_text(
        f"FROM {BASE}\nLABEL test={mark}\nRUN echo {mark} > /unique && sleep 0.2\nWORKDIR /srv\nCOPY app ./app\n"
        'ENTRYPOINT ["python", "-m", "app"]\n'
    )
    yield folder
    remove_images(DOCKER, f"test={mark}")


class Case:
    """One home with an engine, a kind and what was said."""

    def __init__(self, home: Path, aws: Aws, registry: str = "") -> None:
        env = {**os.environ, "RECONCILER_LOCAL_REGISTRY": registry, "RECONCILER_LOCAL_ENGINE": "docker"}
        self.said: list[str] = []
        self.home, self.aws = home, aws
        self.kind = ImageKind(local_engine(home, aws, env), self.said.append)

    def apply(self, context: Path) -> str:
        """Make the image; returns its uri."""
        want = image_spec("trainer", context)[0]
        self.kind.create(self.aws, want)
        return str(self.see(want).attributes["uri"])

    def see(self, want: ImageSpec) -> Any:
        return self.kind.observe(self.aws, [want])["trainer"]

    def digest(self, account: str, region: str, repository: str, tag: str | None, digest: str | None) -> str | None:
        matching = [i for i in images(self.aws, repository) if i["imageDigest"] == digest or tag in i["imageTags"]]
        return str(matching[0]["imageDigest"]) if matching else None

    def run(self, uri: str, *command: str, **more: Any) -> tuple[Exit, str]:
        """Run a container to its end; returns its exit and its output."""
        task, container = self.order(uri, *command, **more)
        runner, output = LocalRunner(self.home / "images", self.digest), bytearray()
        assert runner.pull(task, container) == uri.partition("@")[2]
        try:
            end = runner.start(task, container, output.extend).wait()
        finally:
            runner.remove(task)
        return end, output.decode()

    def order(self, uri: str, *command: str, **more: Any) -> tuple[TaskSpec, ContainerSpec]:
        settings: dict[str, Any] = {"memory_mib": 256, "cpu_units": 256, "environment": {}, **more}
        task = TaskSpec(
            "1", f"arn:{uuid.uuid4()}", "123456789012", "us-east-1", "http://127.0.0.1:1", self.home / "task", 512, 512
        )
        return task, ContainerSpec(
            name="main", image=uri, entry_point=None, command=command, stop_timeout=5.0, **settings
        )


@needs_registry
def test_built_pushed_found_changed(aws: Aws, project: Path, tmp_path: Path) -> None:
    case = Case(tmp_path / "home", aws, REGISTRY)
    uri = case.apply(project)
    digest = uri.partition("@")[2]
    ask = urllib.request.Request(
        f"http://{REGISTRY}/v2/trainer/manifests/{digest}",
        headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
    )
    with urllib.request.urlopen(ask) as answer:
        assert json.load(answer)["annotations"]
    want = image_spec("trainer", project)[0]
    assert diff(want, case.see(want).spec) == ()
    assert sorted(tag for image in images(aws) for tag in image["imageTags"]) == sorted(
        [want.tag, "latest", base_tag(want.inputs, want.build.base)]
    )
    said = len(case.said)
    (project / "app/new.py").write_text("")
    changed = image_spec("trainer", project)[0]
    assert changed_files(changed, case.see(changed).spec) == ("+ app/new.py",)
    assert case.apply(project) != uri
    lines = "\n".join(case.said[said:])
    assert "CACHED" in lines or "Using cache" in lines  # the RUN before the COPY wasn't done again
    assert "Layer already exists" in lines


def test_repeated_it_builds_nothing(aws: Aws, project: Path, tmp_path: Path) -> None:
    case = Case(tmp_path / "home", aws)
    uri = case.apply(project)
    said = len(case.said)
    assert case.apply(project) == uri
    assert len(case.said) == said + 1  # that it is there
    other = Case(tmp_path / "home2", aws)  # the engine has it, this folder doesn't know: no second build
    aws.call("ecr", "BatchDeleteImage", repositoryName="trainer", imageIds=[{"imageTag": "latest"}])
    for image in images(aws):
        ids = [{"imageDigest": image["imageDigest"]}]
        aws.call("ecr", "BatchDeleteImage", repositoryName="trainer", imageIds=ids)
    assert other.apply(project) == uri
    assert any("is built already" in line for line in other.said)


@needs_registry
def test_image_that_the_engine_lost_comes_from_the_registry(aws: Aws, project: Path, tmp_path: Path) -> None:
    case = Case(tmp_path / "home", aws, REGISTRY)
    uri = case.apply(project)
    assert DOCKER is not None
    known = json.loads((tmp_path / "home/images" / uri.partition("sha256:")[2] / "docker.json").read_text())
    subprocess.run([DOCKER.command, "image", "rm", "--force", known["image"]], check=True, capture_output=True)
    assert case.run(uri, "exit", "3") == (Exit(3), "")


def test_containers(aws: Aws, project: Path, tmp_path: Path) -> None:
    case = Case(tmp_path / "home", aws)
    uri = case.apply(project)
    assert case.run(uri, "exit", "37") == (Exit(37), "")
    end, output = case.run(uri, "lines", "5000")
    assert (end, output.splitlines()) == (Exit(0), [f"line {n}" for n in range(5000)])
    assert case.run(uri, "eat", memory_mib=64)[0] == Exit(137, out_of_memory=True)
    values = {"PLAIN": " #a=$b 'c' ", "LINES": "one\ntwo", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    end, output = case.run(uri, "env", environment=values)
    assert output == " #a=$b 'c'  | 'one\\ntwo' | /usr/local/bin:/usr/bin:/bin\n"
    assert DOCKER is not None
    left = [DOCKER.command, "ps", "-aq", "--filter", f"label=reconciler.home={case.home / 'images'}"]
    assert subprocess.run(left, capture_output=True, text=True, check=True).stdout == ""


def test_stopping(aws: Aws, project: Path, tmp_path: Path) -> None:
    case = Case(tmp_path / "home", aws)
    uri = case.apply(project)
    runner = LocalRunner(case.home / "images", case.digest)
    task, container = case.order(uri, "sleep")
    output = bytearray()
    running = runner.start(task, container, output.extend)
    running.terminate()  # PID 1 without a handler ignores it
    running.kill()
    assert running.wait() == Exit(137)
    running.kill()
    runner.remove(task)


def test_container_of_an_agent_that_was_killed_is_removed(aws: Aws, project: Path, tmp_path: Path) -> None:
    case = Case(tmp_path / "home", aws)
    uri = case.apply(project)
    first = LocalRunner(case.home / "images", case.digest)
    running = first.start(*case.order(uri, "sleep"), lambda data: None)
    assert DOCKER is not None
    remove_leftovers(DOCKER.command, case.home / "images", os.environ)
    listing = [DOCKER.command, "ps", "-q", "--filter", f"label=reconciler.home={case.home / 'images'}"]
    assert subprocess.run(listing, capture_output=True, text=True, check=True).stdout  # our own is left alone
    code = "import os, sys; from pathlib import Path; from reconciler.local.docker_runner import remove_leftovers\n"
    code += "remove_leftovers(sys.argv[1], Path(sys.argv[2]), os.environ)"
    subprocess.run([sys.executable, "-c", code, DOCKER.command, str(case.home / "images")], check=True)
    assert running.wait() == Exit(137)


def test_program_that_is_not_there(aws: Aws, project: Path, tmp_path: Path) -> None:
    case = Case(tmp_path / "home", aws)
    uri = case.apply(project)
    runner = LocalRunner(case.home / "images", case.digest)
    task, container = case.order(uri)
    missing = ContainerSpec(**{**container.__dict__, "entry_point": ("/no/such/program",)})
    with pytest.raises(StartError, match="no such file"):
        runner.start(task, missing, lambda data: None)
    runner.remove(task)


def test_failing_build_says_what_failed(aws: Aws, project: Path, tmp_path: Path) -> None:
    (project / "Dockerfile").write_text(f"FROM {BASE}\nRUN echo it is broken >&2; exit 9\n")
    case = Case(tmp_path / "home", aws)
    with pytest.raises(ReconcilerError, match="can't be built"):
        case.apply(project)
    assert any("it is broken" in line for line in case.said)
    assert images(aws) == []


def test_without_the_base_it_falls_back_to_processes(aws: Aws, project: Path, tmp_path: Path) -> None:
    text = (project / "Dockerfile").read_text()
    (project / "Dockerfile").write_text(text.replace(BASE, "127.0.0.1:9/nothing/here:1"))
    said: list[str] = []
    env = {**os.environ, "RECONCILER_LOCAL_ENGINE": "", "RECONCILER_LOCAL_REGISTRY": ""}
    kind = ImageKind(local_engine(tmp_path / "home", aws, env), said.append)
    kind.create(aws, image_spec("trainer", project)[0])
    assert any("as a process of this machine instead" in line for line in said)
    assert len(list((tmp_path / "home/images").glob("*/rootfs/*/app/__main__.py"))) == 1
