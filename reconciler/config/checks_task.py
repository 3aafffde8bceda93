"""What concerns several fields of a task at once: the parameters, the log, and what a run gives its program."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from reconciler.config.problems import Path, Problem, show_path
from reconciler.config.schema import Deploy
from reconciler.config.sweep import varied
from reconciler.core.limits import LOG_STREAM, TASK_DEFINITION, json_size, parameter_name_problem
from reconciler.core.log_driver import AWSLOGS, BUFFER, MODE, buffer_problem, event_problem, mode_problem
from reconciler.core.run_paths import WITH_CHECKPOINT, each_run

TASK_ID = 32  # characters, with which ECS ends the name of a log stream


def check_task(deploy: Deploy) -> Iterator[Problem]:
    """What is wrong with a filled deploy in these sections."""
    yield from _parameters(deploy)
    yield from _swept(deploy)
    yield from _promoted(deploy)
    yield from _checkpoint(deploy)
    if (most := deploy.run.max_memory) is not None and most < deploy.task.memory:
        message = f"it is less than the {deploy.task.memory} MiB that the task has"
        yield Problem(("run", "max_memory"), message, "write more, or leave it out", (("task", "memory"),))
    yield from _logs(deploy)
    yield from _size(deploy)


def _size(deploy: Deploy) -> Iterator[Problem]:
    """What is in a task definition whatever else is: more of it than fits is seen before anything else is asked."""
    task = deploy.task
    parts = {"environment": task.environment, "secrets": task.secrets, "command": task.command or ()}
    sizes = {name: json_size(value) for name, value in parts.items()}
    if why := TASK_DEFINITION.exceeded(sum(sizes.values())):
        name = max(sizes, key=lambda part: sizes[part])
        fix = "give the program long text as a file (data.files)"
        yield Problem(("task", name), f"together with the rest of task, this makes {why}", fix)


def _logs(deploy: Deploy) -> Iterator[Problem]:
    logs, at = deploy.logs, ("logs", "options")
    stream = f"{logs.stream_prefix}/{deploy.task.container}/{'0' * TASK_ID}"
    if long := LOG_STREAM.exceeded(len(stream)):
        yield Problem(
            ("logs", "stream_prefix"),
            f"with the container's name it makes {long}",
            "shorten one of them",
            (("task", "container"),),
        )
    for option in sorted(logs.options.keys() - AWSLOGS):
        near = difflib.get_close_matches(option, sorted(AWSLOGS), 1) or ["awslogs-datetime-format"]
        yield Problem((*at, option), "the awslogs driver of ECS has no such option", f"for instance {near[0]}")
    if broken := event_problem(logs.options):
        yield Problem((*at, broken[0]), broken[1], "correct it, or leave it out")
    mode = logs.options.get(MODE)
    if why := mode_problem(logs.options):
        yield Problem((*at, MODE), why, "use one of them, or leave it out for blocking")
    elif mode not in (None, logs.mode):
        yield Problem((*at, MODE), f"logs.mode says {logs.mode}", "keep one of them", (("logs", "mode"),))
    elif why := buffer_problem({MODE: str(logs.mode), **logs.options}):
        fix = "write for instance 10m" if "size" in why else "write mode: non-blocking, or leave it out"
        yield Problem((*at, BUFFER), why, fix, (("logs", "mode"),))


def _parameters(deploy: Deploy) -> Iterator[Problem]:
    task, names = deploy.task, dict[str, str]()
    for variable, parameter in deploy.parameters.items():
        at: Path = ("parameters", variable)
        for section in ("environment", "secrets"):
            if variable in getattr(task, section):
                message = f"{variable} is in task.{section} too, and ECS refuses a variable that is given twice"
                yield Problem(at, message, "keep one of them", (("task", section, variable),))
        if variable in each_run(deploy.run.checkpoint):
            yield Problem(at, f"each run gets its own {variable}", "give it another name")
        if parameter.secure and parameter.value is not None:
            make = f"aws ssm put-parameter --type SecureString --name {parameter.name} --value …"
            fix = f"leave value out, and create the parameter once: {make}"
            yield Problem((*at, "secure"), "a secret's value can't be given in this file", fix, ((*at, "value"),))
        if parameter.secure and parameter.give_as == "environment":
            message = "whoever may see the task definition could read the secret"
            yield Problem((*at, "give_as"), message, "write give_as: secret", ((*at, "secure"),))
        if parameter.kms_key and not parameter.secure:
            yield Problem((*at, "kms_key"), "kms_key is for a SecureString", "add secure: true", ((*at, "secure"),))
        if why := parameter_name_problem(str(parameter.name)):  # one that is written is valid
            message = f"the parameter's name {parameter.name}, made of the deploy's, is refused: {why}"
            fix = f"write a name for it, such as name: /my{parameter.name}, or give the deploy another name"
            yield Problem((*at, "name"), message, fix, (("name",),))
        if first := names.get(str(parameter.name)):
            message = f"the parameter {parameter.name} is also used by {show_path(('parameters', first))}"
            yield Problem((*at, "name"), message, "give each its own name", (("parameters", first, "name"),))
        names.setdefault(str(parameter.name), variable)


def _swept(deploy: Deploy) -> Iterator[Problem]:
    """A sweep's variables are overrides of a launch, and ECS puts secrets over those."""
    sweep = deploy.run.sweep
    if sweep is None:
        return
    for variable in varied(sweep):
        if variable in deploy.task.secrets:
            message = f"run.sweep sets {variable} too, and ECS would take the secret's value"
            yield Problem(("task", "secrets", variable), message, "remove one of them", (("run", "sweep"),))
        elif variable in deploy.parameters and deploy.parameters[variable].give_as == "secret":
            message = f"run.sweep sets {variable} too, and ECS would take the parameter's value"
            fix = "write give_as: environment, which a sweep replaces"
            yield Problem(("parameters", variable), message, fix, (("run", "sweep"),))


def _promoted(deploy: Deploy) -> Iterator[Problem]:
    """`run.promote` gives the program its metric, and the rights to models/* of the bucket."""
    if deploy.run.promote is None:
        return
    reasons = {
        "PROMOTE": "run.promote sets PROMOTE too",
        "MODELS_URI": "run.promote keeps the champion in models/ of this deploy's bucket, and gives no right elsewhere",
    }
    for variable, why in reasons.items():
        for at in (("task", "environment", variable), ("task", "secrets", variable), ("parameters", variable)):
            section = getattr(deploy.task, at[1]) if at[0] == "task" else deploy.parameters
            if variable in section:
                yield Problem(at, why, "keep one of them", (("run", "promote"),))


def _checkpoint(deploy: Deploy) -> Iterator[Problem]:
    """Its variables are overrides of a launch, and ECS puts secrets over those."""
    sweep = deploy.run.sweep
    for variable in WITH_CHECKPOINT if deploy.run.checkpoint else ():
        message = f"with run.checkpoint each task gets its own {variable}"
        for section in ("environment", "secrets"):
            if variable in getattr(deploy.task, section):
                yield Problem(("task", section, variable), message, "leave it out", (("run", "checkpoint"),))
        if sweep and variable in varied(sweep):
            yield Problem(("run", "sweep"), f"{message}, so a sweep can't vary it", "use another name")
