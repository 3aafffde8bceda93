"""`environments:` in deploy.yaml: each of them is laid over the rest of the file before anything is validated.

Every environment is checked whenever the file is read, whichever is chosen; a place in the file stays the place where
the value stands, whether that is in the environment or in the rest.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.config.document import Document, Spot
from reconciler.config.fields import OVERLAYS
from reconciler.config.names import ENVIRONMENT
from reconciler.config.problems import ConfigErrors, Path, quoted
from reconciler.config.schema import Deploy

PINNED = ("prod", "production")  # must name their account
SHORT = {"data": "files", "image": "context"}  # sections for which a plain value may stand


def names(document: Document) -> tuple[str, ...]:
    """The environments of a file. Raises ConfigErrors when they aren't mappings with right names."""
    overlays = document.tree.get(OVERLAYS)
    if overlays is None:
        return ()
    wrong = len(document.errors)
    if not isinstance(overlays, dict):
        document.error((OVERLAYS,), "environments must be a mapping", "write environments: {dev: {...}, prod: {...}}")
        raise ConfigErrors(document.errors)
    for name, overlay in overlays.items():
        path: Path = (OVERLAYS, name)
        if problem := ENVIRONMENT.problem(name):
            better = ENVIRONMENT.better(name)
            fix = f"for instance {better}" if better else "write a short name, such as dev"
            spot = document.keys.get(path)
            document.error(path, f"{quoted(name)} is not a name for an environment: {problem}", fix, spot=spot)
        elif not isinstance(overlay, dict) and overlay is not None:
            document.error(path, "an environment must be a mapping", f"write {name}: {{region: eu-central-1}}")
        elif OVERLAYS in (overlay or {}):
            document.error((*path, OVERLAYS), "an environment can't contain environments", "move it one level up")
    if len(document.errors) > wrong:
        raise ConfigErrors(document.errors)
    return tuple(overlays)


def choose(document: Document, environments: tuple[str, ...], environment: str) -> None:
    """Raises ConfigErrors when `environment` isn't one of the environments, or none is chosen where there are some."""
    environment_list = ", ".join(environments)
    if environment in environments or not (environment or environments):
        return
    if not environments:
        message = f"--env {environment}: this file has no environments"
        fix = "leave it out; a variable of the task is --env NAME=VALUE"
    elif not environment:
        message, fix = f"this file has several environments: {environment_list}", f"choose one: --env {environments[0]}"
    else:
        near = difflib.get_close_matches(environment, environments, 1, 0.6)
        message = f"--env {environment}: the environments are {environment_list}"
        fix = f"did you mean --env {near[0]}?" if near else f"choose one: --env {environments[0]}"
    document.error((OVERLAYS,), message, fix, spot=document.keys.get((OVERLAYS,)), display_path=())
    raise ConfigErrors(document.errors)


def overlaid(document: Document, name: str) -> Document:
    """The file as it is in this environment."""
    prefix: Path = (OVERLAYS, name)
    tree = {key: copy.deepcopy(value) for key, value in document.tree.items() if key != OVERLAYS}
    overlay = document.tree[OVERLAYS][name] or {}
    laid = dict.fromkeys(_lay(tree, overlay, ()))

    def is_laid(path: Path) -> bool:
        return any(path[:end] in laid for end in range(1, len(path) + 1))

    def spots(of: Mapping[Path, Spot]) -> dict[Path, Spot]:
        rest = {path: spot for path, spot in of.items() if path[:1] != (OVERLAYS,) and not is_laid(path)}
        return rest | {path[2:]: spot for path, spot in of.items() if path[:2] == prefix and is_laid(path[2:])}

    if "name" not in overlay and isinstance(tree.get("name"), str):
        tree["name"] = f"{tree['name']}-{name}"
    broken = {path for path in document.broken if path[:1] != (OVERLAYS,)}
    broken |= {path[2:] for path in document.broken if path[:2] == prefix and len(path) > 2}
    return replace(
        document,
        tree=tree,
        values=spots(document.values),
        keys=spots(document.keys),
        errors=[
            e
            for e in document.errors
            if not e.path.startswith(f"{OVERLAYS}.") or e.path.startswith(f"{OVERLAYS}.{name}.")
        ],
        broken=broken,
        origins={path: (*prefix, *path) for path in laid},
        environment_spot=document.keys.get(prefix),
    )


def pinned(document: Document, name: str) -> None:
    """Note that a production without an account would work with any credentials."""
    if name in PINNED and document.tree.get("account") is None and ("account",) not in document.broken:
        message = f"the environment {name} needs account:, so that credentials of any other account are refused"
        fix = 'write account: "123456789012" in it (aws sts get-caller-identity shows yours)'
        at: Path = (OVERLAYS, name)
        document.error(at, message, fix, spot=document.environment_spot, broken=False)


def _lay(base: dict[str, Any], over: Mapping[str, Any], at: Path) -> Iterator[Path]:
    """Lay `over` over `base`: mappings key by key, anything else as a whole. Yields the places of what was laid."""
    for key, value in over.items():
        old = base.get(key)
        if isinstance(value, dict) and key in SHORT and not at and isinstance(old, str | list):
            old = base[key] = {SHORT[key]: old}
        if isinstance(value, dict) and isinstance(old, dict):
            yield from _lay(old, value, (*at, key))
        else:
            base[key] = copy.deepcopy(value)
            yield *at, key


def collisions(first: Deploy, second: Deploy) -> Iterator[tuple[Path, str, str]]:
    """(path, kind, name) of what both would be, where the two may be in one account and region.

    The names must differ that would be one resource: those of a bucket everywhere, those of IAM in an account.
    """
    account = not (first.account and second.account) or first.account == second.account
    region = account and first.region == second.region
    if region and first.name == second.name:
        yield ("name",), "deploy", second.name  # and all that follows from it
        return
    first_names = {(kind, path): name for path, kind, name, _ in _named(first)}
    for path, kind, name, scope in _named(second):
        if (
            name
            and first_names.get((kind, path)) == name
            and {"world": True, "account": account, "region": region}[scope]
        ):
            yield path, kind, name


def _named(deploy: Deploy) -> Iterator[tuple[Path, str, str | None, str]]:
    task, image, ci = deploy.task, deploy.image, deploy.ci
    yield ("data", "bucket", "name"), "bucket", deploy.data.bucket.name, "world"
    yield ("task", "execution_role", "name"), "role", task.execution_role.name, "account"
    yield ("task", "role", "name"), "role", task.role.name, "account"
    yield ("task", "role", "policy_name"), "policy", task.role.policy_name, "account"
    if ci:
        yield ("ci", "policy_name"), "policy", ci.policy_name, "account"
        yield ("ci", "github", "role"), "role", ci.github.role if ci.github else None, "account"
        yield ("ci", "gitlab", "role"), "role", ci.gitlab.role if ci.gitlab else None, "account"
        yield ("ci", "user", "name"), "user", ci.user.name if ci.user else None, "account"
    repository = image.repository.name if image.repository else None
    yield ("image", "repository", "name"), "repository", repository, "region"
    yield ("task", "family"), "task definition", task.family, "region"
    yield ("logs", "group"), "log group", deploy.logs.group, "region"
    yield ("cluster", "name"), "cluster", deploy.cluster.name, "region"
    yield ("network", "security_group", "name"), "security group", deploy.network.security_group.name, "region"
    yield ("notify", "topic"), "topic", deploy.notify.topic if deploy.notify else None, "region"
    yield ("schedule", "name"), "schedule", deploy.schedule.name if deploy.schedule else None, "region"
