"""The image is built while the other resources are made: neither waits for the other."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.aws.calls import Aws
from reconciler.image import docker
from reconciler.image.engine import BuildRequest, Output, PushRequest
from reconciler.image.manifest import OCI_MANIFEST, Manifest, put_manifest
from reconciler.kinds.ecs_cluster import Cluster
from reconciler.kinds.s3_object import Object
from tests.engine.project import DEPLOY, Project
from tests.waiting import LONG

OTHERS = {"upload", "cluster"}


class Builder:
    """An engine whose build is over when the others are done, which wait for its beginning."""

    name = "a builder of this test"

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.begun = threading.Event()
        self.done: Mapping[str, threading.Event] = {one: threading.Event() for one in OTHERS}
        self.late: list[str] = []

    def find(self, request: BuildRequest) -> str | None:
        return None

    def build(self, request: BuildRequest, output: Output) -> str:
        self.begun.set()
        self.late += [one for one, event in self.done.items() if not event.wait(LONG)]
        return "made"

    def push(self, image: str, request: PushRequest, output: Output) -> str:
        manifest = Manifest(json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": []}), OCI_MANIFEST)
        manifest = manifest.annotated(request.annotations)
        put_manifest(self.aws, request.repository, manifest, request.tag)
        return manifest.digest

    def other(self, name: str, create: Any) -> Any:
        """What makes another resource, once the build has begun."""

        def after(kind: Any, aws: Aws, want: Any) -> None:
            if not self.begun.wait(LONG):
                self.late.append("build")
            create(kind, aws, want)
            self.done[name].set()

        return after


def test_the_image_is_built_while_the_rest_is_made(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = Builder(project.lab.aws())
    monkeypatch.setattr(docker, "find_engine", lambda: builder)
    monkeypatch.setattr(Cluster, "create", builder.other("cluster", Cluster.create))
    monkeypatch.setattr(Object, "create", builder.other("upload", Object.create))
    project.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /x\n")
    project.write("deploy.yaml", DEPLOY.replace("  uri: python:3.13-slim\n", "  context: .\n"))
    project.ok("apply")
    assert builder.late == []
