"""What is different for one run: variables, size and command given on the command line or by a sweep. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.config.task_size import check_cpu, check_size
from reconciler.core.errors import UserError
from reconciler.core.fargate import SIZES
from reconciler.core.limits import OVERRIDES, json_characters
from reconciler.core.managed_instances import LEAST_MEMORY, Requirements
from reconciler.core.plain_json import is_text
from reconciler.core.run_paths import EACH_RUN
from reconciler.run.run import Overrides

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse(
    env: Sequence[str],
    cpu: str,
    memory: str,
    command: Sequence[str] | None,
    size: tuple[int, int],
    reserved: Sequence[str] = EACH_RUN,
    managed: Requirements | None = None,
    *,
    fargate: bool = True,
) -> Overrides:
    """From the words of the command line. size: CPU units and MiB of the file; reserved: variables that each task gets.

    managed: what its managed instances have, if it may run on one; fargate: whether it may run elsewhere.
    Raises UserError.
    """
    from pydantic import TypeAdapter, ValidationError

    from reconciler.config.task_size import Cpu, Memory

    environment = {}
    for text in env:
        name, equals, value = text.partition("=")
        if not equals or not NAME.fullmatch(name):
            raise UserError(f"--env {name}: not NAME=VALUE", hint="write for instance --env EPOCHS=20")
        if name in reserved:
            raise UserError(f"--env {name}: each run gets its own {name}", hint="leave it out")
        _check_text(f"--env {name}", value)
        environment[name] = value
    sizes: dict[str, int] = {}
    for option, text, kind in (("cpu", cpu, Cpu), ("memory", memory, Memory)):
        if text:
            try:
                sizes[option] = TypeAdapter(kind).validate_python(text)
            except ValidationError as error:
                raise _no_size(option, text, sizes.get("cpu", size[0]), fargate=fargate) from error
    if sizes:
        units, mib = sizes.get("cpu", size[0]), sizes.get("memory", size[1])
        if fargate and check_cpu(units):
            raise _no_size("cpu", str(units), units, fargate=True)
        if fargate and (wrong := check_size(units, mib)):
            raise UserError(f"--cpu {units} --memory {mib}: Fargate has no such size", hint=wrong[1])
        if managed is not None:
            _check_managed(units, mib, managed)
    words = tuple(command) if command else None
    for word in words or ():
        _check_text("--command", word)
    overrides = Overrides(environment=environment, cpu=sizes.get("cpu"), memory=sizes.get("memory"), command=words)
    check_given(overrides)
    return overrides


def _check_text(option: str, value: str) -> None:
    """Raises UserError for what no request and no record can hold: bytes of the command line that aren't UTF-8."""
    if not is_text(value):
        raise UserError(f"{option}: {value!a} isn't text in UTF-8", hint="give the program bytes as a file: data.files")


def _check_managed(cpu: int, memory: int, managed: Requirements) -> None:
    """Raises UserError for a size that no managed instance of the deploy has."""
    if memory < LEAST_MEMORY:
        raise UserError(f"--memory {memory}: a container needs {LEAST_MEMORY} MiB or more")
    for option, amount, most in (("cpu", cpu, managed.vcpus.max * 1024), ("memory", memory, managed.largest_task)):
        if amount > most:
            limit, unit = "a managed instance of this deploy has at most", "CPU units" if option == "cpu" else "MiB"
            hint = f"write more in task.{option} of deploy.yaml, which says how large they may be"
            raise UserError(f"--{option} {amount}: {limit} {most} {unit}", hint=hint)


def check_given(overrides: Overrides) -> None:
    """Raises UserError where what was given for a run alone is more than ECS takes."""
    environment = [{"name": name, "value": value} for name, value in overrides.environment.items()]
    check_length({"environment": environment, "command": list(overrides.command or ())})


def check_length(overrides: Mapping[str, Any]) -> None:
    """Raises UserError for more than ECS takes. overrides: as they are sent, or a part of them."""
    if why := OVERRIDES.exceeded(json_characters(overrides)):
        raise UserError(f"variables and command make {why}", hint="give the program long text as a file (data.files)")


def _no_size(option: str, text: str, cpu: int, *, fargate: bool) -> UserError:
    """The error for a text that is no size at all. cpu: CPU units, for which memory has certain sizes."""
    if not fargate:
        hint = "write for instance 1024 or 2 vCPU" if option == "cpu" else "write for instance 8192 or 8GB"
        return UserError(f"--{option} {text}: not an amount that a managed instance has", hint=hint)
    sizes = SIZES if option == "cpu" else SIZES.get(cpu, ())
    hint = f"one of {', '.join(map(str, sizes))}"
    return UserError(f"--{option} {text}: not a size that Fargate has", hint=hint)
