"""What is different for one run: variables, size and command given on the command line or by a sweep. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.config.task_size import check_cpu, check_size
from reconciler.core.errors import UserError
from reconciler.core.fargate import SIZES
from reconciler.core.limits import OVERRIDES, json_characters
from reconciler.core.run_paths import EACH_RUN
from reconciler.run.run import Overrides

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse(
    env: Sequence[str], cpu: str, memory: str, command: Sequence[str] | None, size: tuple[int, int],
    ours: Sequence[str] = EACH_RUN,
) -> Overrides:  # fmt: skip
    """From the words of the command line. size: CPU units and MiB of the file; ours: variables that each task gets.

    Raises UserError.
    """
    from pydantic import TypeAdapter, ValidationError

    from reconciler.config.task_size import Cpu, Memory

    environment = {}
    for text in env:
        name, equals, value = text.partition("=")
        if not equals or not NAME.fullmatch(name):
            raise UserError(f"--env {name}: not NAME=VALUE", hint="write for instance --env EPOCHS=20")
        if name in ours:
            raise UserError(f"--env {name}: each run gets its own {name}", hint="leave it out")
        environment[name] = value
    found: dict[str, int] = {}
    for option, text, kind in (("cpu", cpu, Cpu), ("memory", memory, Memory)):
        if text:
            try:
                found[option] = TypeAdapter(kind).validate_python(text)
            except ValidationError as error:
                raise UserError(
                    f"--{option} {text}: not a size that Fargate has",
                    hint=_sizes(option, found.get("cpu", size[0])),
                ) from error
    if found:
        units, mib = found.get("cpu", size[0]), found.get("memory", size[1])
        if wrong := check_cpu(units) or check_size(units, mib):
            raise UserError(f"--cpu {units} --memory {mib}: Fargate has no such size", hint=wrong[1])
    given = tuple(command) if command else None
    made = Overrides(environment=environment, cpu=found.get("cpu"), memory=found.get("memory"), command=given)
    check_length(
        {"environment": [{"name": n, "value": v} for n, v in environment.items()], "command": list(given or ())}
    )
    return made


def check_length(overrides: Mapping[str, Any]) -> None:
    """Raises UserError for more than ECS takes. overrides: as they are sent, or a part of them."""
    if why := OVERRIDES.exceeded(json_characters(overrides)):
        raise UserError(
            f"variables and command make {why}", hint="give the program what is long as a file (data.files)"
        )


def _sizes(option: str, cpu: int) -> str:
    sizes = SIZES if option == "cpu" else SIZES.get(cpu, ())
    return f"one of {', '.join(map(str, sizes))}"
