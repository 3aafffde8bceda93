"""Whether Docker makes and runs the images of the embedded AWS.

Its server looks at this, too, while it starts: nothing is imported here but what asks an engine.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from reconciler.core.errors import UserError
from reconciler.image.docker import CommandLineEngine, find_engine

CHOICE = "RECONCILER_LOCAL_ENGINE"


def chosen(environment: Mapping[str, str], choice: str = "") -> str:
    """docker, process or auto. choice: of the command line, which goes before the environment. Raises UserError."""
    engine = choice or environment.get(CHOICE, "") or "auto"
    if engine not in ("auto", "docker", "process"):
        raise UserError(f"{CHOICE}={engine!r} is unknown", hint="set it to docker, process or auto, or unset it")
    return engine


def usable_docker(environment: Mapping[str, str]) -> CommandLineEngine | None:
    """A Docker engine whose containers can reach a server on this machine's loopback: Linux, and not remote."""
    host = environment.get("DOCKER_HOST", "unix://")
    if sys.platform != "linux" or not host.startswith("unix://"):
        return None
    try:
        engine = find_engine(environment)
    except UserError:
        return None
    return engine if engine.builder != "podman" else None
