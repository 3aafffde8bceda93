"""Base images that aren't pinned by digest: which one this machine's engine has, and whether it is a newer one.

The hash of the inputs names such a base by its name only, so that a machine that doesn't have it (a fresh CI machine)
gets the same hash. What the image was built on is kept as a tag, `base-INPUTS-DIGEST-CREATED`. Where the engine of this
machine has a newer base of that name, the image counts as changed. Newer, not just other: two people whose bases differ
would else build in turns. No registry is asked, so nothing happens when a base moves that nobody here has pulled.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.core import plain_json
from reconciler.image.command import try_run

BASE_TAG = "base-"


def base_here(names: Iterable[str], environment: Mapping[str, str] | None = None) -> str:
    """`DIGEST-CREATED` of the bases that aren't pinned, as the engine here has them; empty if one isn't known."""
    env = os.environ if environment is None else environment
    loose = [name for name in names if "@" not in name]
    command = shutil.which("docker", path=env.get("PATH")) or shutil.which("podman", path=env.get("PATH"))
    if not loose or command is None:
        return ""
    answer = try_run([command, "image", "inspect", *loose], env, seconds=5)
    if answer is None:
        return ""
    try:
        images = plain_json.parse(answer)
        digests = [_digest(name, image) for name, image in zip(loose, images, strict=True)]
        created = max(int(dt.datetime.fromisoformat(image["Created"]).timestamp()) for image in images)
    except (ValueError, KeyError, TypeError):
        return ""
    return f"{hashlib.sha256(' '.join(digests).encode()).hexdigest()[:12]}-{max(created, 0)}"


def base_tag(inputs: str, base: str) -> str:
    """The tag that says what an image was built on."""
    return f"{BASE_TAG}{inputs}-{base}"


def is_newer(base: str, inputs: str, tags: Iterable[str]) -> bool:
    """Whether `base` is newer than the one that an image with these tags was built on; unknown is not."""
    start = base_tag(inputs, "")
    built_on = [tag.removeprefix(start) for tag in tags if tag.startswith(start)]
    if not base or not built_on or base in built_on:
        return False
    return _created(base) > max(map(_created, built_on))


def _created(base: str) -> int:
    text = base.rpartition("-")[2]
    return int(text) if text.isdigit() else 0


def _digest(name: str, image: Mapping[str, Any]) -> str:
    """`NAME@DIGEST`, by the registry's digest where there is one, since engines' own ids of an image differ."""
    digests = [str(repo_digest).rpartition("@")[2] for repo_digest in image.get("RepoDigests") or ()]
    return f"{name}@{digests[0] if digests else image['Id']}"
