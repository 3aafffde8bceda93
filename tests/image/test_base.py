"""A base image that isn't pinned: a newer one on this machine is a change, an older or unknown one isn't."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.aws.calls import Aws
from reconciler.core.diff import diff
from reconciler.image.base import base_here, base_tag, is_newer
from reconciler.image.kind import ImageKind
from reconciler.image.source import image_spec
from reconciler.local.docker_choice import usable_docker
from reconciler.local.docker_engine import local_engine
from tests.image.conftest import images, remove_images

DOCKER = usable_docker(os.environ)
needs_docker = pytest.mark.skipif(DOCKER is None, reason="no Docker engine on this machine answers")


@pytest.mark.parametrize(
    ("here", "built_on", "newer"),
    [
        ("aa-200", ["bb-100"], True),
        ("aa-100", ["bb-200"], False),
        ("aa-100", ["aa-100"], False),
        ("aa-200", ["bb-100", "cc-300"], False),
        ("aa-200", [], False),
        ("", ["bb-100"], False),
    ],
)
def test_newer(here: str, built_on: list[str], newer: bool) -> None:
    tags = ["latest", "base-other-zz-1", *(base_tag("0123", base) for base in built_on)]
    assert is_newer(here, "0123", tags) is newer


def test_nothing_is_known_without_an_engine_or_of_a_pinned_base(tmp_path: Path) -> None:
    assert base_here(["python:3.13"], {"PATH": str(tmp_path)}) == ""
    assert base_here(["python@sha256:abc"]) == ""
    assert base_here([]) == ""


@pytest.fixture
def base() -> Iterator[str]:
    name = f"test-base-{uuid.uuid4().hex[:8]}:1"
    yield name
    remove_images(DOCKER, f"test={name}")
    docker("image", "rm", "--force", name)


def docker(*words: str, data: bytes = b"") -> str:
    assert DOCKER is not None
    return subprocess.run([DOCKER.command, *words], input=data, check=True, capture_output=True).stdout.decode().strip()


def make_base(name: str, after: str = "") -> None:
    """A base of one file, made now, at a later second than the one before."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as writer:
        writer.addfile(tarfile.TarInfo(uuid.uuid4().hex))
    while True:
        docker("import", "-", name, data=tar.getvalue())
        if base_here([name]).rpartition("-")[2] != after.rpartition("-")[2]:
            return


@needs_docker
def test_newer_base_is_a_change_here_and_nowhere_else(
    aws: Aws, base: str, context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_base(base)
    (context / "Dockerfile").write_text(f'FROM {base}\nLABEL test={base}\nCOPY app /app\nENTRYPOINT ["/app"]\n')
    env = {**os.environ, "RECONCILER_LOCAL_ENGINE": "docker", "RECONCILER_LOCAL_REGISTRY": ""}
    kind = ImageKind(local_engine(tmp_path / "home", aws, env), print)
    first = image_spec("trainer", context)[0]
    kind.create(aws, first)
    assert diff(first, kind.observe(aws, [first])["trainer"].spec) == ()
    make_base(base, after=first.build.base)
    want = image_spec("trainer", context)[0]
    assert want.inputs == first.inputs
    seen = kind.observe(aws, [want])["trainer"]
    changes = diff(want, seen.spec)
    assert [(c.path, c.before, c.after) for c in changes] == [
        ("inputs", f"{want.inputs} on an older base", want.inputs)
    ]
    monkeypatch.setenv("PATH", str(tmp_path))  # a machine without an engine: the same files, nothing to do
    elsewhere = image_spec("trainer", context)[0]
    assert diff(elsewhere, kind.observe(aws, [elsewhere])["trainer"].spec) == ()
    monkeypatch.undo()
    kind.update(aws, want, seen, changes)
    after = kind.observe(aws, [want])["trainer"]
    assert diff(want, after.spec) == ()
    assert after.attributes["digest"] != seen.attributes["digest"]
    assert diff(first, after.spec) == ()  # whoever still has the older base builds nothing
    kind.delete(aws, after)
    assert images(aws) == []
