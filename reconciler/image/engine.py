"""The seam to a container engine: what the image kind asks of whatever builds and pushes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from reconciler.core.errors import UserError
from reconciler.image.inputs import Inputs

Output = Callable[[str], None]


@dataclass(frozen=True)
class Login:
    """How to log in to a registry. The password never appears in a repr."""

    registry: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class BuildRequest:
    """What to build. repository: the name that it will have there; cache: an image whose layers may be reused.

    base: which base image the engine has, where that isn't pinned (see `reconciler.image.base`). zstd: whether
    the layers may be compressed so, by an engine that can. is_interrupted: whether the user has interrupted.
    """

    inputs: Inputs
    repository: str
    labels: Mapping[str, str] = field(default_factory=dict)
    cache: str | None = None
    login: Callable[[], Login] | None = None
    base: str = ""
    zstd: bool = False
    is_interrupted: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class PushRequest:
    """Where to push. uri: registry/name without a tag; tag: the one to push under.

    annotations: to put on the manifest, where the engine can; the caller does otherwise.
    login: asked anew for each attempt, since a token can expire in a long push. is_interrupted: as in
    BuildRequest.
    """

    repository: str
    uri: str
    tag: str
    annotations: Mapping[str, str]
    login: Callable[[], Login]
    is_interrupted: Callable[[], bool] = lambda: False


class Engine(Protocol):
    """Builds images and brings them into a repository."""

    @property
    def name(self) -> str:
        """The engine's name and version, for people: `Docker 28.2.2`."""

    def find(self, request: BuildRequest) -> str | None:
        """The local id of an image that was already built from these inputs."""

    def build(self, request: BuildRequest, output: Output) -> str:
        """Build, showing each line, and return the local id. Raises ReconcilerError."""

    def push(self, image: str, request: PushRequest, output: Output) -> str:
        """Push a local image and return the digest of its manifest in the repository. Raises ReconcilerError."""


def no_engine(failures: str) -> UserError:
    """What to say when an image has to be built and there is nothing to build it with."""
    return UserError(
        f"an image has to be built, and no container engine answers: {failures}",
        hint=(
            "install Docker (https://docs.docker.com/engine/install) or Podman (https://podman.io) and start it; "
            "or use an image that exists, with `image: {uri: …}` in deploy.yaml; or leave the image as it is with "
            "--skip-image; or try it without an engine: --local"
        ),
    )
