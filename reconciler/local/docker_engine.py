"""Which engine makes images for the embedded AWS, and Docker as one of them.

A Docker engine on this machine builds for real. Its image goes to a local registry if RECONCILER_LOCAL_REGISTRY names
one (such as 127.0.0.1:5001), and its manifest to the embedded ECR, which takes no layers: digest and tags agree.
HOME/images/<hex>/docker.json tells the ECS agent which image of the engine a digest is. Without an engine, or when the
base image can't be had, the image is made for processes instead, and the output says so.
`--engine`, or else RECONCILER_LOCAL_ENGINE, decides it beforehand: docker, process or auto.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from reconciler.aws.calls import Aws
from reconciler.core.errors import ReconcilerError, UserError
from reconciler.image.docker import CommandLineEngine
from reconciler.image.engine import BuildRequest, Engine, Output, PushRequest
from reconciler.image.kind import ImageSpec
from reconciler.image.manifest import OCI_MANIFEST, READABLE, Manifest, put_manifest
from reconciler.local.docker_choice import CHOICE, chosen, usable_docker
from reconciler.local.process_engine import ProcessEngine, Start

REGISTRY = "RECONCILER_LOCAL_REGISTRY"
NO_BASE = re.compile(
    r"pull access denied|failed to (?:resolve|do request|authorize)|manifest unknown|no such host|i/o timeout|"
    r"connection refused|TLS handshake|x509|Client\.Timeout|error pulling image|toomanyrequests|dial tcp|lookup ",
    re.IGNORECASE,
)


def local_engine(
    home: Path,
    aws: Aws,
    environment: Mapping[str, str] | None = None,
    *,
    choice: str = "",
    start: Start | None = None,
    image: ImageSpec | None = None,
) -> Engine:
    """The engine for the embedded AWS in `home`; its name says which it is.

    choice: see `chosen`. start: how the task starts the image, where it says so. image: what is to be built, if that is
    to be looked at now. Raises UserError, also for an image that can't be made.
    """
    env = dict(os.environ if environment is None else environment)
    engine_name = chosen(env, choice)
    processes = ProcessEngine(home, aws, start)
    docker = usable_docker(env) if engine_name != "process" else None
    if docker is not None:
        engine = LocalDockerEngine(docker, home, aws, env.get(REGISTRY) or None)
        return engine if engine_name == "docker" else WithFallback(engine, processes)
    if engine_name == "docker":
        setting = f"--engine {choice}" if choice else f"{CHOICE}={engine_name}"
        raise UserError(
            f"{setting}, but no Docker engine answers on this machine", hint="start Docker, or leave it out"
        )
    if image is not None:
        processes.check(image.build.inputs())
    return processes


class LocalDockerEngine:
    """See `reconciler.image.engine.Engine`. registry: host:port of a local registry, or None."""

    def __init__(self, docker: CommandLineEngine, home: Path, aws: Aws, registry: str | None) -> None:
        self._docker, self._images, self._aws, self._registry = docker, home / "images", aws, registry

    @property
    def name(self) -> str:
        """What it is, and where images go."""
        return f"{self._docker.name}, {f'registry {self._registry}' if self._registry else 'no local registry'}"

    def find(self, request: BuildRequest) -> str | None:
        """The id of the image with these inputs."""
        return self._docker.find(request)

    def build(self, request: BuildRequest, output: Output) -> str:
        """Build with Docker. Raises ReconcilerError."""
        return self._docker.build(replace(request, cache=None, login=None), output)

    def push(self, image: str, request: PushRequest, output: Output) -> str:
        """Push to the local registry if there is one, register in the embedded ECR. Raises ReconcilerError."""
        record = {"image": image, "command": self._docker.command}
        if self._registry:
            uri = f"{self._registry}/{request.repository}"
            digest = self._docker.push(image, replace(request, uri=uri), output)
            manifest = self._with_annotations(request, digest)
            record["reference"] = f"{uri}@{manifest.digest}"
        else:
            manifest = self._without_registry(image).annotated(request.annotations)
        folder = self._images / manifest.digest.removeprefix("sha256:")
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"docker.json.{os.getpid()}"
        unfinished.write_text(json.dumps(record))
        unfinished.replace(folder / "docker.json")
        put_manifest(self._aws, request.repository, manifest, request.tag)
        return manifest.digest

    def _with_annotations(self, request: PushRequest, digest: str) -> Manifest:
        """Give the registry the manifest with the record of inputs, as the image kind gives it to ECR."""
        base = f"http://{self._registry}/v2/{request.repository}/manifests"
        try:
            get_request = urllib.request.Request(f"{base}/{digest}", headers={"Accept": ", ".join(READABLE)})  # noqa: S310
            with urllib.request.urlopen(get_request, timeout=30) as answer:  # noqa: S310  http on loopback  # nosec B310
                pushed = Manifest(answer.read().decode(), answer.headers["Content-Type"])
            manifest = pushed.annotated(request.annotations)
            for name in (manifest.digest, request.tag.replace("pushed-", "inputs-")):
                put_request = urllib.request.Request(  # noqa: S310
                    f"{base}/{name}",
                    data=manifest.text.encode(),
                    method="PUT",
                    headers={"Content-Type": manifest.media_type},
                )
                urllib.request.urlopen(put_request, timeout=30).close()  # noqa: S310  # nosec B310
        except (OSError, ValueError) as error:
            raise ReconcilerError(f"the local registry {self._registry} didn't take the manifest: {error}") from None
        return manifest

    def _without_registry(self, image: str) -> Manifest:
        """A manifest that names the image's configuration; its layers stay with the engine and aren't listed."""
        details = self._docker.inspect(image) or {}
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": image,
                "size": int(details.get("Size", 0)),
            },
            "layers": [],
            "annotations": {"reconciler.made-by": "Docker, without a registry"},
        }
        return Manifest(json.dumps(document), OCI_MANIFEST)


class WithFallback:
    """Docker, and processes where Docker can't get the base image. See `reconciler.image.engine.Engine`."""

    def __init__(self, docker: LocalDockerEngine, processes: ProcessEngine) -> None:
        self._docker, self._processes = docker, processes

    @property
    def name(self) -> str:
        """Docker's name, as it is tried first."""
        return self._docker.name

    def find(self, request: BuildRequest) -> str | None:
        """The image that Docker has; one for processes is made again in no time."""
        return self._docker.find(request)

    def build(self, request: BuildRequest, output: Output) -> str:
        """Build with Docker; for processes where Docker can't get the base image. Raises ReconcilerError."""
        lines: list[str] = []

        def both(line: str) -> None:
            lines.append(line)
            output(line)

        try:
            return self._docker.build(request, both)
        except ReconcilerError as error:
            if not NO_BASE.search("\n".join([*lines[-20:], error.message])):
                raise
            output(
                f"{self._docker.name} can't get the base image; the program runs as a process of this machine instead"
            )
            return self._processes.build(request, output)

    def push(self, image: str, request: PushRequest, output: Output) -> str:
        """To where it was built."""
        by_processes = self._processes.has(image)
        return (self._processes if by_processes else self._docker).push(image, request, output)
