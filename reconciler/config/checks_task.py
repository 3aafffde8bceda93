"""What concerns several fields of a task at once: parameters, log, what a run gives its program, workers.

And what concerns the schedule and `notify`, which work when nobody is there.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from reconciler.config.problems import Path, Problem, repeated, show_path
from reconciler.config.run import varied
from reconciler.config.schema import Deploy
from reconciler.config.task_size import check_cpu, check_size
from reconciler.core.limits import LOG_STREAM, TASK_DEFINITION, json_size, parameter_name_problem
from reconciler.core.log_driver import AWSLOGS, BUFFER, MODE, buffer_problem, event_problem, mode_problem
from reconciler.core.run_paths import WITH_CHECKPOINT, each_run
from reconciler.core.schedule import time_zones
from reconciler.core.workers import SCHEDULER, VARIABLES

TASK_ID = 32  # characters, with which ECS ends the name of a log stream
KEEP = "keep one of them"


def check_task(deploy: Deploy) -> Iterator[Problem]:
    """What is wrong with a filled deploy in these sections."""
    yield from _parameters(deploy)
    yield from _swept(deploy)
    yield from _promoted(deploy)
    yield from _own(deploy)
    if (most := deploy.run.max_memory) is not None and most < deploy.task.memory:
        message = f"it is less than the {deploy.task.memory} MiB that the task has"
        yield Problem(("run", "max_memory"), message, "write more, or leave it out", (("task", "memory"),))
    yield from _logs(deploy)
    yield from _size(deploy)


def _given(deploy: Deploy, variable: str) -> Iterator[Path]:
    """Where the file gives the task this variable."""
    if variable in deploy.task.environment:
        yield "task", "environment", variable
    if variable in deploy.task.secrets:
        yield "task", "secrets", variable
    if variable in deploy.parameters:
        yield "parameters", variable


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
        yield Problem((*at, MODE), f"logs.mode says {logs.mode}", KEEP, (("logs", "mode"),))
    elif why := buffer_problem({MODE: str(logs.mode), **logs.options}):
        fix = "write for instance 10m" if "size" in why else "write mode: non-blocking, or leave it out"
        yield Problem((*at, BUFFER), why, fix, (("logs", "mode"),))


def _parameters(deploy: Deploy) -> Iterator[Problem]:
    names: dict[str, str] = {}
    for variable, parameter in deploy.parameters.items():
        at: Path = ("parameters", variable)
        for other in _given(deploy, variable):
            if other != at:
                where = show_path(other[:-1])
                message = f"{variable} is in {where} too, and ECS refuses a variable that is given twice"
                yield Problem(at, message, KEEP, (other,))
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
        for at in _given(deploy, variable):
            yield Problem(at, why, KEEP, (("run", "promote"),))


def _own(deploy: Deploy) -> Iterator[Problem]:
    """Each task's own variables are overrides of a launch, and ECS puts secrets over those."""
    sweep = deploy.run.sweep
    for variable in each_run(deploy.run.checkpoint):
        of_checkpoint = variable in WITH_CHECKPOINT
        message = f"each run gets its own {variable}"
        if of_checkpoint:
            message = f"with run.checkpoint each task gets its own {variable}"
        for at in _given(deploy, variable):
            # Of the parameters it is said there; a service's tasks may have variables of these names.
            if at[:2] == ("task", "secrets") or (of_checkpoint and at[0] == "task"):
                yield Problem(at, message, "leave it out", (("run", "checkpoint"),) if of_checkpoint else ())
        if sweep and variable in varied(sweep):
            yield Problem(("run", "sweep"), f"{message}, so a sweep can't vary it", "use another name")


def check_unattended(deploy: Deploy) -> Iterator[Problem]:
    """What is wrong with `schedule`, `notify` and `run.unattended`."""
    yield from _schedule(deploy)
    if deploy.run.unattended and deploy.run.sweep is not None:
        message = "the client launches a sweep's tasks one after another, so a sweep can't be unattended"
        yield Problem(("run", "unattended"), message, KEEP, (("run", "sweep"),))
    notify = deploy.notify
    if notify is None:
        return
    at: Path = ("notify",)
    if not (notify.email or notify.subscribers or notify.webhook):
        yield Problem(at, "notify names no receiver", "add email, subscribers or webhook")
    for name, receivers in (("email", notify.email), ("subscribers", notify.subscribers)):
        for i in repeated(receivers):
            yield Problem((*at, name, i), "{value} is listed twice", KEEP)
    if notify.webhook:
        region = notify.webhook.url_from.split(":")[3]
        if region != deploy.region:
            message = f"the secret is in {region}, and the deploy in {deploy.region}"
            fix = f"store the URL in {deploy.region} too"
            yield Problem((*at, "webhook", "url_from"), message, fix, (("region",),), tells=True)


def _schedule(deploy: Deploy) -> Iterator[Problem]:
    schedule = deploy.schedule
    if schedule is None:
        return
    zones = time_zones()
    if zones and schedule.timezone not in zones:
        by_name = {zone.rpartition("/")[2].lower(): zone for zone in sorted(zones) if not zone.startswith("Etc/")}
        by_name |= {zone.lower(): zone for zone in zones}
        name = schedule.timezone.lower().replace(" ", "_")
        near = [name] if name in by_name else difflib.get_close_matches(name, sorted(by_name), 2, 0.6)
        use = " or ".join(dict.fromkeys(by_name[name] for name in near)) or "UTC, or a name such as Europe/Paris"
        yield Problem(("schedule", "timezone"), "{value} is not a time zone", f"use {use}", tells=True)
    if schedule.window % 60:
        yield Problem(("schedule", "window"), "EventBridge Scheduler takes whole minutes", "write for instance 15m")


def check_workers(deploy: Deploy) -> Iterator[Problem]:
    """What is wrong with `run.workers`, and with other fields because of it."""
    here: Path = ("run", "workers")
    workers, run = deploy.run.workers, deploy.run
    if workers is None:
        return
    assert workers.cpu is not None
    assert workers.memory is not None
    if wrong := check_cpu(workers.cpu):
        yield Problem((*here, "cpu"), *wrong, (("task", "cpu"),))
    elif wrong := check_size(workers.cpu, workers.memory):
        yield Problem((*here, "memory"), *wrong, ((*here, "cpu"), ("task", "memory"), ("task", "cpu")))
    for i in repeated(workers.capacity):
        yield Problem((*here, "capacity", i), f"{workers.capacity[i]} is listed twice", KEEP)
    if deploy.managed_providers:
        message = "workers run on Fargate with the program's task definition, and that is for managed instances"
        yield Problem(here, message, "write run: {capacity: FARGATE}, or leave one of them out", (("run", "capacity"),))
    if run.sweep is not None:
        yield Problem(here, "a sweep can't have workers yet", KEEP, (("run", "sweep"),))
    if deploy.schedule is not None:
        message = "scheduled runs can't have workers yet"
        yield Problem(here, message, KEEP, (("schedule",),))
    if deploy.task.container == SCHEDULER:
        message = "the container of the workers' scheduler has this name"
        yield Problem(("task", "container"), message, "give it another name", (here,))
    for variable in VARIABLES:
        for at in _given(deploy, variable):
            yield Problem(at, f"run.workers sets {variable}", KEEP, (here,))
