"""From the files of AWS Copilot, whose support ended in June 2026, to the deploy.yaml of one of its scheduled jobs.

Only files are read: copilot/JOB/manifest.yml with what it overrides for an environment, copilot/.workspace, and
copilot/environments/ENV/manifest.yml. Every key that can't be carried over is named, with its place.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from reconciler.config.document import Document
from reconciler.config.environments import PINNED
from reconciler.config.fields import OVERLAYS, table
from reconciler.config.loader import load
from reconciler.config.names import ENVIRONMENT
from reconciler.config.problems import ConfigErrors, printable, show_path
from reconciler.config.reader import read_texts
from reconciler.core.errors import UserError
from reconciler.core.spec import Address
from reconciler.importer.copilot_job import Manifest, Place, tree_of_job
from reconciler.importer.tree import Tree
from reconciler.importer.valid import valid
from reconciler.importer.writer import Path as Keys
from reconciler.importer.writer import Variable, write

TYPE = "Scheduled Job"
ACCOUNT = "0" * 12  # nobody's: until it is replaced, all credentials are refused
_NOT_JOBS = ("environments", "pipelines")
_VARIABLE = re.compile(r"(\\?)\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{")
_APPLICATION, _ENVIRONMENT = "COPILOT_APPLICATION_NAME", "COPILOT_ENVIRONMENT_NAME"
_RENAMED = ("image", "build"), ("image", "location")  # of which an environment may have the other one


@dataclass(frozen=True)
class FromCopilot:
    """text: the deploy.yaml. job: its name. environments: which it has. omissions: what isn't carried over, and where.

    notes: what to know besides.
    """

    text: str
    job: str
    environments: tuple[str, ...]
    omissions: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass
class _Job:
    """A job's files. application: empty where it isn't known. places: of its environments, by name."""

    workspace: Path
    document: Document
    application: str
    places: dict[str, Place] = field(default_factory=dict)
    omissions: dict[str, None] = field(default_factory=dict)  # in order, each once


def import_job(
    folder: Path, *, take: str, region: str, data: str | None, base: Path, environ: Mapping[str, str], name: str
) -> FromCopilot:
    """Describe a scheduled job of the workspace at `folder`. Reads files only, and calls nothing.

    take: the job's name, where there are several; data: a file to upload, relative to `base`, the folder of the
    deploy.yaml called `name`; environ: values for variables that stand in the manifest. Raises UserError.
    """
    job = _find(folder, take)
    tree = Tree()
    environments = _environments(job, tree)
    root = os.path.relpath(job.workspace.absolute().parent, base.absolute())
    tree.values = _base(job, environments, root, tree)
    valid(tree, environ)
    first = {"name": tree.values.pop("name"), "region": region} | ({"data": data} if data else {})
    tree.values = first | tree.values
    overlays: dict[str, Any] = {}
    for environment in environments:
        tree.secrets = {}  # only one of the environments is read at a time
        environment_tree = Tree(_converted(job, environment, root, tree), notes=tree.notes)
        valid(environment_tree, environ)
        overlays[environment] = {}
        if environment in PINNED:
            overlays[environment]["account"] = ACCOUNT
            tree.comments[(OVERLAYS, environment, "account")] = "of no account: write the number of yours"
            tree.notes.append(
                f"{OVERLAYS}.{environment}.account: write its account's number, which isn't in Copilot's files"
            )
        common = {key: tree.values[key] for key in ("region", "data") if key in tree.values}
        overlays[environment] |= _difference(tree.values, environment_tree.values | common)
    if environments:
        tree.values[OVERLAYS] = overlays
        tree.notes.append("each environment has its own region in Copilot: write region: to those that are elsewhere")
    omissions = tuple(job.omissions)
    text = write(tree.values, tree.comments, _header(job, name, omissions))
    return FromCopilot(text, str(tree.values["name"]), tuple(environments), omissions, tuple(dict.fromkeys(tree.notes)))


def remaining_problems(out: Path, environments: tuple[str, ...], environ: Mapping[str, str]) -> list[str]:
    """What of the deploy.yaml that was written still has to be mended before it loads, each problem once."""
    problems: dict[str, None] = {}
    for environment in environments or ("",):
        try:
            load(out, environ=environ, environment=environment)
        except ConfigErrors as errors:
            problems |= {f"{error.file}:{error.line}: {error.path}: {error.message}": None for error in errors.errors}
    return list(problems)


def _header(job: _Job, name: str, omissions: tuple[str, ...]) -> list[str]:
    word = shlex.quote(printable(name))
    header = [
        f"Imported from AWS Copilot's {job.document.file}. docs/from-copilot.md says what becomes of each key.",
        f"`python -m reconciler plan {word}` shows what would be made; Copilot's resources aren't changed.",
    ]
    return header if not omissions else [*header, "", "Not carried over:", *(f"  {line}" for line in omissions)]


def _find(folder: Path, take: str) -> _Job:
    """The job that is meant. Raises UserError where there is none, or several."""
    if folder.name != "copilot" and (folder / "manifest.yml").is_file() and folder.parent.name == "copilot":
        folder, take = folder.parent, take or folder.name
    workspace = folder if (folder / ".workspace").is_file() or folder.name == "copilot" else folder / "copilot"
    try:
        names = sorted(path.name for path in workspace.iterdir() if (path / "manifest.yml").is_file())
    except OSError as error:
        hint = "name the folder that has Copilot's folder `copilot` in it"
        raise UserError(f"--copilot {folder}: {workspace} can't be read: {error.strerror}", hint=hint) from None
    documents = {name: read_texts(workspace / name / "manifest.yml") for name in names if name not in _NOT_JOBS}
    jobs = {name: document for name, document in documents.items() if document.tree.get("type") == TYPE}
    if not jobs:
        services = f"; it has {', '.join(documents)}, which are services" if documents else ""
        hint = f"only manifests of `type: {TYPE}` are read: services stay where they are"
        raise UserError(f"--copilot {folder}: {workspace} has no scheduled job{services}", hint=hint)
    if take and take not in jobs:
        raise UserError(f"--take job.{take}: there is no such job", hint=f"the jobs are {', '.join(jobs)}")
    if len(jobs) > 1 and not take:
        hint = f"choose one, and name its file: --take job.{next(iter(jobs))} -o FILE"
        raise UserError(f"there are several scheduled jobs: {', '.join(jobs)}", hint=hint)
    document = jobs[take or next(iter(jobs))]
    if document.errors:
        raise ConfigErrors(document.errors)
    job = _Job(workspace, document, "")
    if (workspace / ".workspace").is_file():
        application = read_texts(workspace / ".workspace").tree.get("application")
        job.application = application if isinstance(application, str) else ""
    job_folder = workspace / (take or next(iter(jobs)))
    for extra, why in (("addons", "make its resources elsewhere"), ("overrides", "CloudFormation isn't used")):
        if (job_folder / extra).is_dir():
            job.omissions[f"{printable(str(job_folder / extra))}: not read: {why}"] = None
    return job


def _environments(job: _Job, tree: Tree) -> list[str]:
    """The environments of the manifest, and those that have a manifest of their own; what that says of the network."""
    overrides = job.document.tree.get(OVERLAYS)
    names = list(overrides) if isinstance(overrides, dict) else []
    folder = job.workspace / OVERLAYS
    if folder.is_dir():
        folders = sorted(path.name for path in folder.iterdir() if (path / "manifest.yml").is_file())
        names += [environment for environment in folders if environment not in names]
        for environment in folders:
            job.places[environment] = _place(job, read_texts(folder / environment / "manifest.yml"))
    wrong = [environment for environment in names if ENVIRONMENT.problem(environment)]
    tree.notes += [
        f"environment {printable(environment)} is left out: its name must be {ENVIRONMENT.rule}"
        for environment in wrong
    ]
    return [environment for environment in names if environment not in wrong]


def _place(job: _Job, document: Document) -> Place:
    manifest = Manifest(document.tree)
    for key in ("name", "type"):
        manifest.text(key)
    at = ("network", "vpc")
    subnets = {kind: _ids(manifest, (*at, "subnets", kind)) for kind in ("public", "private")}
    insights = manifest.text("observability", "container_insights") == "true"
    place = Place(manifest.text(*at, "id") or "", subnets["public"], subnets["private"], insights)
    for path, why in manifest.left():
        _leave(job, document, path, why)
    return place


def _ids(manifest: Manifest, at: Keys) -> tuple[str, ...]:
    value = manifest.peek(*at)
    ids = (
        [str(entry["id"]) for entry in value if isinstance(entry, dict) and "id" in entry]
        if isinstance(value, list)
        else []
    )
    if ids:
        manifest.used_paths.add(at)
    return tuple(ids)


def _base(job: _Job, environments: list[str], root: str, tree: Tree) -> dict[str, Any]:
    """The tree of what is the same in all environments."""
    plain = {key: value for key, value in job.document.tree.items() if key != OVERLAYS}
    unknown: list[Keys] = []
    manifest = Manifest(_expanded(plain, job.application, "", (), unknown))
    values = tree_of_job(manifest, Place(), root, tree)
    for path, why in manifest.left():
        if path not in unknown and not (environments and path == ("network", "vpc", "placement")):
            _leave(job, job.document, path, why)
    for path in () if environments else unknown:
        _leave(job, job.document, path, "it has the name of the application or environment in it, which isn't known")
    return values


def _converted(job: _Job, environment: str, root: str, tree: Tree) -> dict[str, Any]:
    """The tree of the job as it is in an environment."""
    overrides = job.document.tree.get(OVERLAYS)
    over = overrides.get(environment) if isinstance(overrides, dict) else None
    plain = {key: value for key, value in job.document.tree.items() if key != OVERLAYS}
    merged = _merged(plain, over) if isinstance(over, dict) else plain
    unknown: list[Keys] = []
    manifest = Manifest(_expanded(merged, job.application, environment, (), unknown))
    values = tree_of_job(manifest, job.places.get(environment, Place()), root, tree)
    for path, why in manifest.left():
        inside = (OVERLAYS, environment, *path)
        _leave(job, job.document, inside if inside in job.document.values else path, why)
    for path in unknown:
        _leave(job, job.document, path, "it has the name of the application in it, which isn't known")
    return values


def _leave(job: _Job, document: Document, path: Keys, why: str) -> None:
    line = document.spot(path).line + 1
    # Never `KEY: REASON`: behind a key that is named like a secret, a file that can't be read has a secret.
    job.omissions[f"{document.file}:{line}: {show_path(path)} ({why})"] = None


def _merged(base: dict[str, Any], over: Mapping[str, Any], at: Keys = ()) -> dict[str, Any]:
    """A manifest with an environment's part laid over it, as Copilot does: null changes nothing."""
    merged = dict(base)
    for key, value in over.items():
        if value is None:
            continue
        if (*at, key) in _RENAMED:
            merged.pop("location" if key == "build" else "build", None)
        old = merged.get(key)
        merged[key] = _merged(old, value, (*at, key)) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _expanded(value: Any, application: str, environment: str, at: Keys, unknown: list[Keys]) -> Any:
    """Texts with Copilot's own variables replaced; any other variable stays one. What isn't known goes to `unknown`."""
    if isinstance(value, dict):
        parts = {k: _expanded(v, application, environment, (*at, k), unknown) for k, v in value.items()}
        return {key: part for key, part in parts.items() if part is not None}
    if isinstance(value, list):
        return [_expanded(part, application, environment, at, unknown) for part in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    own_variables = {_APPLICATION: application, _ENVIRONMENT: environment}
    names = {match[2] for match in _VARIABLE.finditer(value) if match[2] and not match[1]}
    if any(not own_variables.get(name, "set") for name in names):
        unknown.append(at)
        return None
    text = "".join(_pieces(value, own_variables, variable := bool(names - own_variables.keys())))
    return Variable(text) if variable else text


def _pieces(value: str, own_variables: Mapping[str, str], variable: bool) -> Iterator[str]:
    """The parts of a text; a literal ${ is doubled in one that has a variable, since deploy.yaml expands that."""
    at, literal = 0, "$${" if variable else "${"
    for match in _VARIABLE.finditer(value):
        yield value[at : match.start()]
        at = match.end()
        if not match[2]:
            yield literal
        elif match[1]:
            yield f"{literal}{match[2]}}}"
        else:
            yield own_variables.get(match[2]) or match[0]
    yield value[at:]


def _difference(base: Mapping[str, Any], other: Mapping[str, Any], at: Keys = ()) -> dict[str, Any]:
    """What has to be laid over `base` to make `other`."""
    overlay: dict[str, Any] = {}
    for key in (*base, *(key for key in other if key not in base)):
        path, old, value = (*at, key), base.get(key), other.get(key)
        if key in other and not isinstance(value, dict):
            overlay |= {key: value} if value != old else {}
        elif value is None and _may_be_null(path):
            overlay[key] = None
        elif isinstance(old or value, dict):
            inner = _difference(old if isinstance(old, dict) else {}, value or {}, path)
            overlay |= {key: inner} if inner else {}
        elif (field_info := table().get(path)) is not None:
            overlay[key] = field_info.default
    return overlay


def _may_be_null(at: Keys) -> bool:
    """Whether null at this place takes away what is there."""
    field_info = table().get(at)
    return field_info is not None and type(None) in get_args(field_info.annotation)


def job_of(take: tuple[str, ...]) -> str:
    """The job that `--take job.NAME` names. Raises UserError."""
    addresses = [Address(*text.partition(".")[::2]) for text in take]
    if len(addresses) > 1 or any(address.kind != "job" or not address.name for address in addresses):
        raise UserError("--take: write job.NAME, one of Copilot's scheduled jobs")
    return addresses[0].name if addresses else ""
