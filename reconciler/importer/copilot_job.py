"""From AWS Copilot's manifest of a scheduled job, as it is in one environment, to the tree of a deploy.yaml. Pure.

A key that was used is marked. Whatever isn't marked at the end can't be carried over, and `WHY` says why.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from reconciler.config.names import DEPLOY, EXPRESSION
from reconciler.config.parameters import PARAMETER
from reconciler.importer.copilot_schedule import drops_steps, duration, expression, seconds
from reconciler.importer.tree import Tree, checked, command, variable
from reconciler.importer.writer import Variable

Path = tuple[str, ...]
CPU, MEMORY = "256", "512"  # Copilot's defaults

NOTHING = "deploy.yaml has nothing like it"
WHY: dict[Path, str] = {
    ("image", "credentials"): "images of a private registry aren't possible: build it here, or push it to ECR",
    ("image", "build", "cache_from"): "the image's own layers are the cache",
    ("env_file",): "write its lines to task.environment, and what is secret to task.secrets",
    ("sidecars",): "a task has one container",
    ("logging",): "the log goes to CloudWatch by the awslogs driver, not by FireLens",
    ("storage", "volumes"): "a task has no volumes: write what has to stay to S3",
    ("publish",): "make the topics elsewhere, and let task.role.policy allow sns:Publish",
    ("network", "vpc", "security_groups"): "the task has the security group that this deploy makes, and no other",
    ("network", "vpc", "placement"): "which subnets these are isn't in Copilot's files: write network.subnets, "
    "and public_ip: false if they are private",
    ("platform",): "tasks run on Linux, X86_64 or ARM64",
    ("count",): "one task runs at a time",
}


@dataclass
class Manifest:
    """A manifest whose scalars are texts. used_paths: of what was carried over. why: of what couldn't be."""

    tree: dict[str, Any]
    used_paths: set[Path] = field(default_factory=set)
    why: dict[Path, str] = field(default_factory=dict)

    def peek(self, *path: str) -> Any:
        """What is at a place, None if nothing is."""
        value: Any = self.tree
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def text(self, *path: str) -> str | None:
        """The text at a place, which counts as used. None if there is none."""
        value = self.peek(*path)
        if not isinstance(value, str):
            return None
        self.used_paths.add(path)
        return value

    def mapping(self, *path: str) -> dict[str, Any]:
        """The mapping at a place, empty if there is none. Its entries don't count as used."""
        value = self.peek(*path)
        return value if isinstance(value, dict) else {}

    def refuse(self, path: Path, why: str) -> None:
        """Say why what is at a place can't be carried over."""
        self.used_paths.discard(path)
        self.why[path] = why

    def left(self) -> Iterator[tuple[Path, str]]:
        """The place of each key that wasn't used, and why not."""
        yield from self._left(self.tree, ())

    def _left(self, value: dict[str, Any], at: Path) -> Iterator[tuple[Path, str]]:
        for key, part in value.items():
            key_path = (*at, key)
            if key_path in self.used_paths or part is None or part == {}:
                continue
            inside = any(
                path[: len(key_path)] == key_path for path in (*self.used_paths, *self.why, *WHY) if path != key_path
            )
            if isinstance(part, dict) and inside:
                yield from self._left(part, key_path)
            else:
                yield key_path, self._why(key_path)

    def _why(self, path: Path) -> str:
        ends = (path[:end] for end in range(len(path), 0, -1))
        return next((reason for end in ends if (reason := self.why.get(end) or WHY.get(end))), NOTHING)


@dataclass(frozen=True)
class Place:
    """What the manifest of an environment says of its network. public, private: ids of subnets."""

    vpc: str = ""
    public: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    insights: bool = False


def tree_of_job(job: Manifest, place: Place, root: str, tree: Tree) -> dict[str, Any]:
    """What deploy.yaml says about a job. root: Copilot's workspace, as it is reached from the folder of deploy.yaml."""
    name = job.text("name") or ""
    job.text("type")
    if DEPLOY.problem(name):
        better = DEPLOY.better(name) or "imported"
        tree.notes.append(f"the job's name can't be a deploy's, which is {DEPLOY.rule}: it is {better} here")
        name = better
    run, schedule = _run(job, tree)
    sections: dict[str, Any] = {
        "name": name,
        "image": _image(job, root, tree),
        "task": _task(job, tree),
        "parameters": _parameters(job),
        "logs": _logs(job),
        "cluster": {"container_insights": True} if place.insights else {},
        "network": _network(job, place),
        "run": run,
        "schedule": schedule,
    }
    for key, condition in (("exec", "false"), ("count", "1")):
        if job.peek(key) == condition:
            job.text(key)
    return {key: checked(value, (key,), tree) for key, value in sections.items() if value}


def _image(job: Manifest, root: str, tree: Tree) -> dict[str, Any]:
    if location := job.text("image", "location"):
        return {"uri": location}
    build = ("image", "build")
    file = job.text(*build) or job.text(*build, "dockerfile") or ""
    context = job.text(*build, "context") or str(PurePosixPath(file).parent)
    kind = Variable if isinstance(file, Variable) or isinstance(context, Variable) else str
    section: dict[str, Any] = {"context": kind(os.path.normpath(PurePosixPath(root) / context))}
    if file and (inside := os.path.relpath(file, context)) != "Dockerfile":
        section["dockerfile"] = kind(inside)
    if target := job.text(*build, "target"):
        section["target"] = target
    arguments = {
        key: variable(key, value, tree, ("image", "build_args"))
        for key in job.mapping(*build, "args")
        if (value := job.text(*build, "args", key)) is not None
    }
    return section | ({"build_args": arguments} if arguments else {})


def _task(job: Manifest, tree: Tree) -> dict[str, Any]:
    section: dict[str, Any] = {}
    for key, default in (("cpu", CPU), ("memory", MEMORY)):
        section[key] = _number(job.text(key) or default)
    platform = job.peek("platform")
    if isinstance(platform, dict):
        system = job.text("platform", "osfamily") or "linux"
        processor = job.text("platform", "architecture") or "x86_64"
    else:
        system, _, processor = (job.text("platform") or "linux/x86_64").partition("/")
    architecture = {"x86_64": "X86_64", "amd64": "X86_64", "arm64": "ARM64", "arm": "ARM64"}.get(processor.lower())
    if system.lower() != "linux" or architecture is None:
        job.used_paths = {path for path in job.used_paths if path[0] != "platform"}
    elif platform:
        section["platform"] = architecture
    if disk := job.text("storage", "ephemeral"):
        section["ephemeral_storage"] = _number(disk) if disk != "20" else None  # Fargate's own
    for key in ("entrypoint", "command"):
        if words := _words(job, key):
            section[key] = command(key, words, tree)
    environment = {
        key: variable(key, value, tree)
        for key in job.mapping("variables")
        if (value := job.text("variables", key)) is not None
    }
    for key, value in job.mapping("variables").items():
        if isinstance(value, dict):
            job.refuse(("variables", key), "the outputs of a CloudFormation stack aren't read: write the value")
    secrets = {key: value for key, value in _secrets(job) if value.startswith("arn:")}
    return section | ({"environment": environment} if environment else {}) | ({"secrets": secrets} if secrets else {})


def _number(text: str) -> Any:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text


def _words(job: Manifest, key: str) -> list[str]:
    """A list of words, or one text that is split as a shell does it."""
    value = job.peek(key)
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        job.used_paths.add((key,))
        return list(value)
    text = job.text(key) or ""
    try:
        return [Variable(word) if isinstance(text, Variable) else word for word in shlex.split(text)]
    except ValueError:
        job.refuse((key,), "a quote in it is never closed")
        return []


def _secrets(job: Manifest) -> Iterator[tuple[str, str]]:
    """Each secret that can be carried over, with its ARN or the path of its parameter."""
    for key, value in job.mapping("secrets").items():
        at = ("secrets", key)
        if not isinstance(value, str):
            job.refuse(at, "deploy.yaml needs its ARN: write it to task.secrets")
            continue
        bare = value.strip("'\"")
        text = type(value)(bare)
        if text.startswith(("arn:", "/")):
            job.used_paths.add(at)
            yield key, text
        else:
            arn = f"arn:aws:ssm:REGION:ACCOUNT:parameter/{bare.lstrip('/')}"
            job.refuse(at, f"deploy.yaml needs its ARN: write {arn} to task.secrets")


def _parameters(job: Manifest) -> dict[str, Any]:
    """Secrets that are named by a path: SecureStrings, which `copilot secret init` makes."""
    parameters: dict[str, Any] = {}
    for key, value in _secrets(job):
        if not value.startswith("/"):
            continue
        if not isinstance(value, Variable) and PARAMETER.problem(value):
            job.refuse(("secrets", key), "its name is none that deploy.yaml can have: write its ARN to task.secrets")
        else:
            parameters[key] = {"name": value, "secure": True}
    return parameters


def _logs(job: Manifest) -> dict[str, Any]:
    days = job.text("logging", "retention")
    return {"retention_days": _number(days)} if days else {}


def _network(job: Manifest, place: Place) -> dict[str, Any]:
    at = ("network", "vpc", "placement")
    ids = job.peek(*at, "subnets")
    if isinstance(ids, list) and all(isinstance(subnet, str) for subnet in ids):
        job.used_paths |= {at, (*at, "subnets")}
        return ({"vpc": place.vpc} if place.vpc else {}) | {"subnets": list(ids), "public_ip": False}
    placement = job.peek(*at) or "public"
    subnets = {"public": place.public, "private": place.private}.get(placement) if isinstance(placement, str) else ()
    if placement == "public" or (placement == "private" and place.vpc and subnets):
        job.text(*at)
    if not (place.vpc and subnets):
        return {}
    private = {"public_ip": False} if placement == "private" else {}
    return {"vpc": place.vpc, "subnets": list(subnets), **private}


def _run(job: Manifest, tree: Tree) -> tuple[dict[str, Any], dict[str, Any]]:
    """The sections `run` and `schedule`."""
    run: dict[str, Any] = {}
    if timeout := job.text("timeout"):
        try:
            count = seconds(timeout)
            run["max_duration"] = duration(max(count, 60))
            if count < 60:
                job.refuse(("timeout",), "the shortest max_duration is 60 seconds, which it is here")
        except ValueError as wrong:
            job.refuse(("timeout",), str(wrong))
    if retries := job.text("retries"):
        run["retry"] = {"error": _number(retries)}
    at = ("on", "schedule")
    text = job.text(*at) or ""
    try:
        when = expression(text)
    except ValueError as wrong:
        job.refuse(at, str(wrong))
        return run, {}
    if when and (problem := EXPRESSION.problem(when)):
        job.refuse(at, problem)
        return run, {}
    if drops_steps(text):
        tree.notes.append(f"on.schedule {text} is taken as it is written; Copilot made `every day` of a step of days")
    return ({"when": "never"} | run, {"when": when}) if when else (run, {})
