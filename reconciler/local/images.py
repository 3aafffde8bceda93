"""Process images: folders `images/<digest hex>/` that an image reference of a task definition is resolved to."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.local.runner import StartError

ECR_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+/(?P<repository>[^:@]+)"
    r"(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)

FindDigest = Callable[[str, str, str, str | None, str | None], str | None]
"""(account id, region, repository, tag, digest) -> the digest that ECR has for it, or None."""


@dataclass(frozen=True)
class ProcessImage:
    """A program's files and how to start it.

    rootfs: what is / in the image. workdir: where it starts. python: its own environment; None for that of this
    process. environments: the image's folders that its Python stands for.
    """

    digest: str
    rootfs: Path
    entry_point: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    workdir: str = "/"
    python: Path | None = None
    environments: tuple[str, ...] = ()

    @property
    def programs(self) -> Path:
        """The folder with the Python that runs it."""
        return self.python / "bin" if self.python else Path(sys.executable).parent


def find_image(images: Path, reference: str, find_digest: FindDigest) -> ProcessImage:
    """The image that a container definition names. Raises StartError (CannotPullContainerError)."""
    match = ECR_IMAGE.fullmatch(reference)
    if match is None:
        raise _cannot_pull(reference, "not an ECR image reference; the embedded AWS runs images of its own ECR only")
    tag = match["tag"] or (None if match["digest"] else "latest")
    digest = find_digest(match["account"], match["region"], match["repository"], tag, match["digest"])
    if digest is None:
        raise _cannot_pull(reference, f"{reference}: not found")
    folder = images / digest.removeprefix("sha256:")
    if any(path.is_symlink() for path in (folder, folder / "rootfs", folder / "config.json")):
        raise _cannot_pull(reference, f"the image in {folder} is a symbolic link, which the embedded AWS never makes")
    try:
        config = json.loads((folder / "config.json").read_text())
        python = Path(config["python"]) if config.get("python") else None
        if python is not None and not (python / "bin" / "python").exists():
            raise _cannot_pull(reference, f"its packages are no longer in {python}; run `local reset`, then `apply`")
        return ProcessImage(
            digest=digest,
            rootfs=folder / "rootfs",
            entry_point=tuple(map(str, config.get("entrypoint") or ())),
            command=tuple(map(str, config.get("cmd") or ())),
            environment={str(k): str(v) for k, v in (config.get("env") or {}).items()},
            workdir=str(config.get("workdir") or "/"),
            python=python,
            environments=tuple(map(str, config.get("environments") or ())),
        )
    except FileNotFoundError:
        raise _cannot_pull(reference, f"{digest}: not found: the files of this image are not on this machine") from None
    except (OSError, ValueError, AttributeError) as error:
        raise _cannot_pull(reference, f"the image in {folder} can't be read: {error}") from None


def copy_rootfs(image: ProcessImage, target: Path) -> None:
    """A fresh copy for one container, so that a task can't change the image. Raises StartError."""
    try:
        shutil.copytree(image.rootfs, target, symlinks=True)
    except (OSError, shutil.Error) as error:
        raise StartError("CannotPullContainerError", f"copying the image's files to {target} failed: {error}") from None


def _cannot_pull(reference: str, why: str) -> StartError:
    return StartError(
        "CannotPullContainerError",
        f"pull image manifest has been retried 1 time(s): failed to resolve ref {reference}: {why}",
    )
