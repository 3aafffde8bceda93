"""Launch what an earlier run was: `apply --like RUN`.

Its definition is registered again, in a family of its own that neither the schedule nor a plan looks at: the same
image, by digest, command, variables and size, and the parameters and data of then. Where it runs, with which roles and
where it logs is today's, and so are the values of secrets, which no record has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reconciler.core.container import Container
from reconciler.core.errors import UserError
from reconciler.core.run_paths import input_prefix
from reconciler.core.secret import MASK
from reconciler.core.spec import Address, Observed
from reconciler.engine.deployment import Deployment
from reconciler.kinds import TaskDefinitionSpec
from reconciler.lower import may_read
from reconciler.run.data_versions import OldData, copy, moved, moved_text, old_data
from reconciler.run.earlier import check_image, definition_of, first_of, pinned, placed
from reconciler.run.fingerprint import fingerprint, recorded, run_inputs
from reconciler.run.launch import CODE_VERSION
from reconciler.run.launch_settings import LaunchSettings
from reconciler.run.own_definition import has_own, register
from reconciler.run.own_definition import own as own_definition
from reconciler.run.run import Overrides, Run
from reconciler.run.run_record import Runs

VERSION = re.compile(r"version [0-9]+ of .*", re.DOTALL)  # what a record has of a SecureString


@dataclass(frozen=True)
class Earlier:
    """What an earlier run was. overrides: what it was given besides, with today's secrets; secrets: of these the names,
    which no definition may have. notes: what isn't as it was, or isn't known to be.
    """

    run: Run
    spec: TaskDefinitionSpec
    overrides: Overrides
    secrets: frozenset[str]
    data: tuple[OldData, ...]
    inputs: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the earlier run, unless a secret is another."""
        return fingerprint(self.inputs)


def read_earlier(
    deployment: Deployment, runs: Runs, requested: Run, find: Callable[[str], Run], given: Overrides
) -> Earlier:
    """What a run was. requested: the run that --like names, which may itself repeat another; given: secrets that its
    record hides. Raises UserError for what is gone, or has to be given.
    """
    run = first_of(requested, find)
    live = definition_of(deployment.aws, deployment.names, run)
    overrides, secrets = _with_secrets(run, given)
    spec, notes = _definition(deployment, run, live)
    box = spec.containers[0]
    check_image(deployment.aws, deployment.names, run, str(box.image))
    texts = {name: str(value) for name, value in box.environment.items()}
    keys = [texts[name] for name in ("S3_PREFIX", "S3_KEY") if name in texts]
    data, unsure = old_data(deployment.aws, runs.bucket, deployment.deploy.name, run, keys[:1])
    _check_reach(deployment, run, data)
    if run.fingerprint:
        inputs = recorded(overrides.onto(run.inputs, run.container or box.name), runs.bucket) if secrets else run.inputs
    else:
        parts = run_inputs(spec, str(box.image), ())
        inputs = recorded({**parts, "data": {old.key: old.text for old in data}}, runs.bucket)
    notes = [note for note in (*notes, unsure, _secrets_told(box)) if note]
    earlier = Earlier(run, spec, overrides, secrets, tuple(data), inputs, tuple(notes))
    definition(earlier, runs.bucket, run)  # whether it can be made is known before anything is
    return earlier


def _secrets_told(box: Container) -> str:
    return f"{', '.join(box.secrets)}: the value is today's, as for every secret" if box.secrets else ""


def _with_secrets(run: Run, given: Overrides) -> tuple[Overrides, frozenset[str]]:
    """What the run was given, with what its record hides from what is given now. Raises UserError."""
    hidden = {name for name, value in run.overrides.environment.items() if MASK in value}
    if missing := sorted(hidden - given.environment.keys()):
        words = " ".join(f"--env {name}=…" for name in missing)
        raise UserError(f"run {run.id} was given secrets, which its record doesn't have", hint=f"give them: {words}")
    if others := sorted(given.environment.keys() - hidden):
        raise UserError(f"--env {others[0]}: --like launches what run {run.id} was", hint="leave it out")
    command = run.overrides.command
    covered = command is not None and any(MASK in word for word in command)
    if covered and given.command is None:
        raise UserError(
            f"the command of run {run.id} had a secret, which its record doesn't have",
            hint="give the whole command: --command …",
        )
    if given.command is not None and not covered:
        raise UserError(f"--command: --like launches what run {run.id} was", hint="leave it out")
    overrides = replace(run.overrides, command=given.command if covered else command)
    names = frozenset(hidden) | ({"command"} if covered else set())
    return overrides.with_environment(given.environment), names


def _definition(
    deployment: Deployment, run: Run, live: Observed[TaskDefinitionSpec]
) -> tuple[TaskDefinitionSpec, list[str]]:
    """The run's definition in its place of today, and what isn't as it was."""
    today = deployment.graph.nodes[Address(TaskDefinitionSpec.kind, str(deployment.deploy.task.family))].spec
    assert isinstance(today, TaskDefinitionSpec)
    spec = placed(run, live.spec, today)
    (container,) = spec.containers
    image, notes = pinned(run, str(container.image))
    parameters, of_parameters = _parameters(deployment, run, container)
    box = container.model_copy(update={"image": image, **parameters})
    return own_definition(spec.model_copy(update={"containers": (box,)}), deployment.deploy.name), [
        *notes,
        *of_parameters,
    ]


def _parameters(deployment: Deployment, run: Run, container: Container) -> tuple[dict[str, Any], list[str]]:
    """The variables and secrets of the container with the parameters of then; what is today's is told."""
    recorded_values, marks = run.inputs.get("parameters"), deployment.given.marks(deployment.deploy)
    values: Mapping[str, Any] = recorded_values if isinstance(recorded_values, dict) else {}
    environment, secrets, notes = dict(container.environment), dict(container.secrets), list[str]()
    for variable, value in sorted(values.items()):
        if variable not in secrets or not isinstance(value, str) or marks.get(variable) == value:
            continue
        parameter = deployment.deploy.parameters.get(variable)
        if MASK in value or VERSION.fullmatch(value) or (parameter is not None and parameter.secure):
            notes.append(f"{variable}: another value than then, which no record has")
            continue
        del secrets[variable]
        environment[variable] = value
    return {"environment": dict(sorted(environment.items())), "secrets": secrets}, notes


def _check_reach(deployment: Deployment, run: Run, data: Sequence[OldData]) -> None:
    """Raises UserError where the program may not read what is copied for it."""
    place = f"{input_prefix(run.id)}data"
    if any(old.moved for old in data) and not may_read(deployment.names, place):
        path, role = input_prefix("*") + "*", deployment.deploy.task.role
        option = "policy" if role.only_policy else f"read ([{', '.join((*(role.read or ()), path))}])"
        raise UserError(
            f"the data of run {run.id} has changed since, and task.role lets the program read no copy of what it was",
            hint=f"add {path} to task.role.{option}, and run `apply --skip-run`",
        )


def definition(earlier: Earlier, bucket: str, run: Run) -> TaskDefinitionSpec:
    """What the new run is launched with: all but secrets is in it. Raises UserError for data that it would not see."""
    box, overrides, data = earlier.spec.containers[0], earlier.overrides, earlier.data
    plain = {name: value for name, value in overrides.environment.items() if name not in earlier.secrets}
    texts = {name: str(value) for name, value in box.environment.items()} | plain
    if earlier.run.code_version:
        texts[CODE_VERSION] = earlier.run.code_version
    environment, keys = moved(texts, bucket, run.id, data)
    command = overrides.command if overrides.command is not None and "command" not in earlier.secrets else box.command
    words = [moved_text(word, bucket, run.id, data) for word in command or ()]
    keys |= {key for _, key in words if key}
    for old in data:
        if old.moved and old.key not in keys:
            raise UserError(
                f"{old.key} has changed since run {earlier.run.id}, and no variable of the run names it: its program "
                "would read what is there now",
                hint=f"name {old.key} in a variable of the task, or put back what was there (s3api copy-object)",
            )
    changed = box.model_copy(
        update={"environment": dict(sorted(environment.items())), "command": tuple(w for w, _ in words) or box.command}
    )
    size = {name: value for name, value in (("cpu", overrides.cpu), ("memory", overrides.memory)) if value is not None}
    return earlier.spec.model_copy(update={"containers": (changed,), **size})


def overrides_of_new(earlier: Earlier) -> Overrides:
    """What the new run is given besides its definition: secrets, and nothing else."""
    overrides = earlier.overrides
    environment = {name: value for name, value in overrides.environment.items() if name in earlier.secrets}
    return Overrides(environment, command=overrides.command if "command" in earlier.secrets else None)


def prepare(deployment: Deployment, runs: Runs, earlier: Earlier, run: Run) -> Run:
    """Make what the new run needs: the copies of its data, and its definition. To do it again does no harm."""
    spec = definition(earlier, runs.bucket, run)
    copy(deployment.aws, runs.bucket, run.id, earlier.data)
    return replace(run, task_definition=register(deployment.aws, spec, deployment.deploy.name), like=earlier.run.id)


def launch_like(launch: LaunchSettings, run: Run) -> LaunchSettings:
    """What a run is launched with: one that repeats another with its own definition. Raises UserError."""
    if not run.like:
        return launch
    if not has_own(run, launch.task_definition):
        raise UserError(
            f"the record of run {run.id} names {run.task_definition}, which isn't a definition that `apply --like` "
            "makes",
            hint="the record was changed, or task.family in deploy.yaml was since the run",
        )
    return replace(launch.with_definition_of(run), environment={})
