"""`keep_images` against ECR's own expiry by the date of the push: what is needed stays, what isn't goes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.image.manifest import OCI_MANIFEST
from reconciler.local import status
from tests.cli.conftest import DEPLOY, Project
from tests.local_fixtures import EmbeddedAws


class Versions:
    """Applies versions of a program, and looks at which image each revision names and which are there."""

    def __init__(self, project: Project) -> None:
        repository = "image: {context: ., repository: {keep_images: 2}}"
        project.write("deploy.yaml", DEPLOY.replace("image: .", repository) + "run: {when: never}\n")
        self.project, self.images = project, dict[str, str]()

    def apply(self, version: str) -> set[str]:
        """Make this version the current one. Returns the versions whose images are there afterwards."""
        self.project.write("train.py", f"print('{version}')\n")
        ended = self.project.run("apply", "--local")
        assert ended.code == 0, ended.out + ended.err
        definition = self.client("ecs").describe_task_definition(taskDefinition="tiny")["taskDefinition"]
        self.images[version] = definition["containerDefinitions"][0]["image"].partition("@")[2]
        there = {image["imageDigest"] for image in self.details}
        return {name for name, digest in self.images.items() if digest in there}

    def client(self, service: str) -> Any:
        """A client of the embedded AWS."""
        running = status(self.project.home)
        assert running is not None
        return EmbeddedAws(running).client(service)

    @property
    def details(self) -> list[dict[str, Any]]:
        """What the repository has."""
        details: list[dict[str, Any]] = self.client("ecr").describe_images(repositoryName="tiny")["imageDetails"]
        return details


@pytest.mark.long
def test_what_is_in_use_or_was_before_stays_however_old(project: Project) -> None:
    versions = Versions(project)
    assert versions.apply("a") == {"a"}
    assert versions.apply("b") == {"a", "b"}
    assert {"b", "c"} <= versions.apply("c")
    went_back = versions.images["a"]
    assert {"a", "c"} <= versions.apply("a")
    assert versions.images["a"] == went_back  # the oldest of all, and not built again
    again = project.run("plan", "--local", "--detailed-exitcode")
    assert again.code == 0, again.out
    assert versions.apply("d") == {"a", "c", "d"}
    # Two newer ones that others push leave of ours what is in use and what was before.
    ecr = versions.client("ecr")
    for number in range(2):
        manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "annotations": {"n": str(number)}})
        ecr.put_image(repositoryName="tiny", imageManifest=manifest, imageTag=f"theirs-{number}")
    there = {image["imageDigest"] for image in versions.details}
    assert {name for name, digest in versions.images.items() if digest in there} == {"a", "d"}
    # What is neither any more goes as any other.
    assert versions.apply("e") == {"a", "d", "e"}
    assert versions.apply("f") == {"d", "e", "f"}
