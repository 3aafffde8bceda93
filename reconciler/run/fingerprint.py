"""What a run is made of, as one hash: two runs with the same fingerprint would compute the same. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from reconciler.core.container import Container
from reconciler.core.given_data import GivenData
from reconciler.core.secret import KNOWN
from reconciler.core.spec import Ref
from reconciler.kinds import TaskDefinitionSpec
from reconciler.lower import DataSpec

NO_PARAMETERS: Mapping[str, str] = MappingProxyType({})


def run_inputs(
    task: TaskDefinitionSpec,
    image: str,
    data: Sequence[DataSpec],
    parameters: Mapping[str, str] = NO_PARAMETERS,
) -> dict[str, Any]:
    """Image, data checksums, command, environment, parameters and size: what decides whether a run is another run.

    image: what stands for its content, such as the hash of its inputs or a digest. parameters: what stands for each
    one's value.
    """
    containers: dict[str, Any] = {}
    for container in task.containers:
        containers[container.name] = _container(
            container, image if container is task.containers[0] else str(container.image)
        )
    return {
        "data": dict(sorted((_name(spec), spec.content) for spec in data)),
        "containers": containers,
        **({"parameters": dict(parameters)} if parameters else {}),
        "cpu": task.cpu,
        "memory": task.memory,
        "ephemeral_storage": task.ephemeral_storage,
        "architecture": task.cpu_architecture,
    }


def _name(spec: DataSpec) -> str:
    """A key or folder of the deploy's bucket, or the URI of what is elsewhere."""
    return spec.place.uri if isinstance(spec, GivenData) else spec.name.partition("/")[2]


def _container(container: Container, image: str) -> dict[str, Any]:
    # A variable that refers to a parameter is in `parameters`, with its value.
    plain = {name: value for name, value in container.environment.items() if not isinstance(value, Ref)}
    container = container.model_copy(update={"environment": plain})
    # Where its lines go and how long it may take to stop make no other run of it.
    left_out = {"name", "image", "log_driver", "log_options", "stop_timeout"}
    fields: Mapping[str, Any] = container.model_dump(mode="json", exclude=left_out)
    return {"image": image, **{key: value for key, value in fields.items() if value not in (None, {}, [])}}


def recorded(inputs: Mapping[str, Any], salt: str) -> dict[str, Any]:
    """The inputs as the record has them, with a mark for each secret. The fingerprint is that of these."""
    marked: dict[str, Any] = KNOWN.marked({key: part for key, part in inputs.items() if key != "parameters"}, salt)
    return {key: inputs[key] if key == "parameters" else marked[key] for key in inputs}


def fingerprint(inputs: Mapping[str, Any]) -> str:
    """The SHA-256 of the inputs, as 64 hex digits."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
