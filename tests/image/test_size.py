"""What is said of an image's size: what each task pulls."""

from __future__ import annotations

import json

import pytest

from reconciler.image.kind import pulled
from reconciler.image.manifest import OCI_MANIFEST, Manifest


@pytest.mark.parametrize(
    ("document", "sizes"),
    [
        ({"layers": [{"size": 5}, {"size": 7}]}, (5, 7)), ({"layers": []}, ()), ({}, ()), ({"layers": None}, ()),
        ({"layers": ["x", {}, {"size": "9"}, {"size": 1}]}, (1,)),
    ],
)  # fmt: skip
def test_the_sizes_of_layers(document: object, sizes: tuple[int, ...]) -> None:
    assert Manifest(json.dumps(document), OCI_MANIFEST).layers == sizes


def test_it_is_said_what_a_task_pulls() -> None:
    said = pulled(128_400_000, 99_900_000)
    assert said.endswith("since none is kept: 128 MB compressed, the largest layer 100 MB")
