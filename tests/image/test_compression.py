"""How layers are compressed: with zstd where the engine keeps such layers and nothing stands against it, else gzip."""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.aws.calls import Aws
from reconciler.core.diff import diff
from reconciler.core.errors import ReconcilerError
from reconciler.image.docker import CommandLineEngine
from reconciler.image.engine import BuildRequest
from reconciler.image.inputs import read_inputs
from reconciler.image.kind import ImageKind
from reconciler.image.manifest import get_manifest
from reconciler.image.source import image_spec
from reconciler.local.docker_choice import usable_docker
from reconciler.local.docker_engine import local_engine
from tests.image.conftest import remove_images

CLIENT = """\
#!{python}
import json, sys
words, says = sys.argv[1:], json.loads({says!r})
with open({log!r}, "a") as log:
    log.write(json.dumps(words) + "\\n")
if words[:2] == ["image", "inspect"]:
    print(json.dumps([{{"Id": "sha256:made"}}]))
if words[0] == "info":
    print(says["store"])
if words[:2] == ["buildx", "inspect"]:
    print(says["driver"])
if words[:2] == ["buildx", "build"] and "--output" in words:
    print(says["refusal"])
    sys.exit(1 if says["refusal"] else 0)
"""
NEW = '[["driver-type","io.containerd.snapshotter.v1"]]'
OLD = '[["Backing Filesystem","extfs"]]'
DOCKER = "Name:   default\nDriver: docker\n"
OTHER = "Name:   x\nDriver: docker-container\n"
BASE = os.environ.get("RECONCILER_TEST_BASE", "")
REGISTRY = os.environ.get("RECONCILER_TEST_REGISTRY", "")
ENGINE = usable_docker(os.environ)


def build(folder: Path, builder: str, says: dict[str, str], *, wanted: bool = True) -> list[str]:
    """How a build says where its image goes, each time that it is tried."""
    client, log, context = folder / "docker", folder / "calls", folder / "context"
    answers = {"store": NEW, "driver": DOCKER, "refusal": "", **says}
    client.write_text(CLIENT.format(python=sys.executable, log=str(log), says=json.dumps(answers)))
    client.chmod(0o755)
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\n")
    engine = CommandLineEngine(str(client), "29.0.0", builder, {"PATH": os.environ["PATH"]})
    try:
        engine.build(BuildRequest(read_inputs(context), "repo", zstd=wanted), lambda line: None)
    finally:
        calls = [json.loads(line) for line in log.read_text().splitlines()]
    tried: list[Any] = [words for words in calls if "--tag" in words]
    return [" ".join(word for word in ("zstd", "gzip", "--load") if word in str(words)) for words in tried]


@pytest.mark.parametrize(
    ("builder", "says", "tried"),
    [
        ("buildx", {}, ["zstd"]),
        ("buildx", {"store": OLD}, ["--load"]),
        ("buildx", {"store": ""}, ["--load"]),
        ("buildx", {"driver": OTHER}, ["--load"]),
        ("buildx", {"refusal": "ERROR: unknown compression type zstd"}, ["zstd", "--load"]),
        ("buildkit", {}, [""]),
        ("classic", {}, [""]),
        ("podman", {}, [""]),
    ],
)
def test_zstd_where_the_engine_keeps_such_layers(
    builder: str, says: dict[str, str], tried: list[str], tmp_path: Path
) -> None:
    assert build(tmp_path, builder, says) == tried


def test_gzip_where_it_is_wanted(tmp_path: Path) -> None:
    """It has to be said: layers of an earlier image would stay in zstd."""
    assert build(tmp_path, "buildx", {}, wanted=False) == ["gzip"]


def test_a_build_that_fails_for_another_reason_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(ReconcilerError, match="exit code: 9"):
        build(tmp_path, "buildx", {"refusal": "ERROR: process did not complete: exit code: 9"})
    assert len([line for line in (tmp_path / "calls").read_text().splitlines() if "--tag" in line]) == 1


@pytest.mark.parametrize(
    ("compression", "scanned", "zstd"),
    [
        (None, False, True), (None, True, False), ("gzip", False, False), ("zstd", False, True), ("zstd", True, True),
    ],
)  # fmt: skip
def test_what_stands_against_zstd(compression: str | None, scanned: bool, zstd: bool, context: Path) -> None:
    assert image_spec("trainer", context, compression=compression, scanned=scanned)[0].build.zstd is zstd


def test_an_image_is_made_anew_when_its_compression_is_chosen_and_only_then(context: Path) -> None:
    plain = image_spec("trainer", context)[0]
    assert image_spec("trainer", context, scanned=True)[0].inputs == plain.inputs
    chosen = [image_spec("trainer", context, compression=algorithm)[0] for algorithm in ("gzip", "zstd")]
    assert len({plain.inputs, *(spec.inputs for spec in chosen)}) == 3
    for spec in chosen:
        assert spec.build.inputs().hash == spec.inputs
        assert "(compression)" in spec.build.files


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    folder, mark = tmp_path / "project", uuid.uuid4()
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        f"FROM {BASE}\nLABEL test={mark}\nRUN head -c 3000000 /dev/urandom > /layer\nCOPY Dockerfile /x\n"
    )
    yield folder
    remove_images(ENGINE, f"test={mark}")


@pytest.mark.skipif(not (ENGINE and BASE and REGISTRY), reason="no engine, base image or registry to try it with")
@pytest.mark.parametrize("compression", [None, "gzip"])  # in this order: a layer of the base is there as zstd
def test_with_a_real_engine(aws: Aws, project: Path, tmp_path: Path, compression: str | None) -> None:
    """Built, pushed, and found again, whatever the engine can; each layer is compressed, with one of the two."""
    assert ENGINE is not None
    env = {**os.environ, "RECONCILER_LOCAL_REGISTRY": REGISTRY, "RECONCILER_LOCAL_ENGINE": "docker"}
    said: list[str] = []
    kind = ImageKind(local_engine(tmp_path / "home", aws, env), said.append)
    want = image_spec("trainer", project, compression=compression)[0]
    kind.create(aws, want)
    manifest = get_manifest(aws, "trainer", imageTag=want.tag)
    assert manifest is not None
    zstd = compression is None and ENGINE.builder == "buildx" and ENGINE.keeps_compression
    assert manifest.compression == ("zstd" if zstd else "gzip")
    assert all(layer["mediaType"].endswith(manifest.compression) for layer in json.loads(manifest.text)["layers"])
    assert any("each task on Fargate pulls" in line for line in said)
    assert diff(want, kind.observe(aws, [want])["trainer"].spec) == ()
