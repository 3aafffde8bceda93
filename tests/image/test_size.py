"""What is said of an image's size: what each task pulls, and how long that took."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from reconciler.cli.task import pull_text
from reconciler.image.kind import pulled
from reconciler.image.manifest import OCI_MANIFEST, Manifest

LAYER = "application/vnd.oci.image.layer.v1.tar"
BEGAN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def manifest(*layers: tuple[int, str]) -> Manifest:
    described = [{"size": size, "mediaType": LAYER + kind} for size, kind in layers]
    return Manifest(json.dumps({"layers": described}), OCI_MANIFEST)


@pytest.mark.parametrize(
    ("document", "sizes"),
    [
        ({"layers": [{"size": 5}, {"size": 7}]}, (5, 7)), ({"layers": []}, ()), ({}, ()), ({"layers": None}, ()),
        ({"layers": ["x", {}, {"size": "9"}, {"size": 1}]}, (1,)),
    ],
)  # fmt: skip
def test_the_sizes_of_layers(document: object, sizes: tuple[int, ...]) -> None:
    assert Manifest(json.dumps(document), OCI_MANIFEST).layers == sizes


@pytest.mark.parametrize(
    ("kinds", "compression"),
    [(["+gzip"], "gzip"), (["+zstd"], "zstd"), (["+gzip", "+zstd", "+gzip"], "gzip and zstd"), ([""], ""), ([], "")],
)
def test_the_compression_of_layers(kinds: list[str], compression: str) -> None:
    assert manifest(*((1, kind) for kind in kinds)).compression == compression


def test_the_compression_of_dockers_own_kind() -> None:
    layer = {"size": 1, "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip"}
    assert Manifest(json.dumps({"layers": [layer, "x", {}]}), OCI_MANIFEST).compression == "gzip"


def test_it_is_said_what_a_task_pulls() -> None:
    said = pulled(manifest((99_900_000, "+zstd"), (28_500_000, "+zstd")))
    assert "128 MB with zstd, 2 layers, the largest 100 MB" in said
    assert "at 50 MB a second the pull alone takes 3 s" in said
    assert "2 MB and not compressed" in pulled(manifest((2_000_000, "")))
    assert pulled(manifest((900_000, "+gzip"))) == ""


@pytest.mark.parametrize(
    ("began", "over", "said"),
    [
        (BEGAN, BEGAN + dt.timedelta(seconds=12), ", of which 12.0 s for the pull of its image"),
        (BEGAN, BEGAN + dt.timedelta(seconds=0.4), ""),
        (BEGAN, None, ""),
        (None, None, ""),
    ],
)
def test_it_is_said_how_long_the_pull_took(began: Any, over: Any, said: str) -> None:
    assert pull_text({"pullStartedAt": began, "pullStoppedAt": over}) == said
