"""From a deploy.yaml to a validated `Deploy`, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from reconciler import version as git
from reconciler.config import broken_file, environments, explain, fields
from reconciler.config.base import Section
from reconciler.config.checks import check, check_files
from reconciler.config.document import Document
from reconciler.config.problems import ConfigError, ConfigErrors, Problem, quoted, show_path
from reconciler.config.problems import Path as Place
from reconciler.config.reader import read
from reconciler.config.schema import Deploy
from reconciler.config.storage import BASE


def load(
    path: FilePath,
    *,
    environ: Mapping[str, str],
    git_sha: Callable[[], str | None] | None = None,
    files: bool = True,
    environment: str = "",
) -> Deploy:
    """The deploy that the file at `path` describes, with every default filled in.

    `environ` holds the variables for ${NAME}; `git_sha` gives ${git.sha} and is asked once, if at all (by default the
    commit of the file's folder). `files=False` leaves out the look at whether data files and the build context exist.
    `environment` names one of the file's. Raises ConfigErrors with all that is wrong. Changes nothing.
    """
    folder = path.parent
    answers: list[str | git.NoAnswer | None] = []

    def sha() -> str | None:
        if not answers:
            try:
                answers.append(git_sha() if git_sha else git.commit(folder))
            except git.NoAnswer as error:
                answers.append(error)
        if isinstance(answers[0], git.NoAnswer):
            raise answers[0]
        return answers[0]

    document = read(path, environ, sha)
    try:
        return _deploy(document, environment, folder, files=files)
    except ConfigErrors:
        broken_file.learn("\n".join(document.lines))
        raise


def _deploy(document: Document, environment: str, folder: FilePath, *, files: bool) -> Deploy:
    environment_names = environments.names(document)
    environments.choose(document, environment_names, environment)
    if not environment_names:
        document.tree.pop(fields.OVERLAYS, None)
        deploy, errors = _whole(document, folder, files=files), document.errors
    else:
        deploy, errors = _environments(document, environment_names, environment, folder, files=files)
    if deploy is not None and not errors:
        return deploy
    raise ConfigErrors(sorted(dict.fromkeys(errors), key=lambda e: (e.line, e.column)))


def _whole(document: Document, folder: FilePath, *, files: bool) -> Deploy | None:
    """The deploy, all of whose problems are then in the document. folder: its own; files: look for those it names."""
    deploy = _validate(document, folder)
    if deploy is not None:
        broken = _Broken(document.broken)
        for problem in [*check(deploy), *(check_files(deploy, folder) if files else ())]:
            _note(document, deploy, problem, broken)
    return deploy


def _environments(
    document: Document, names: Iterable[str], environment: str, folder: FilePath, *, files: bool
) -> tuple[Deploy | None, list[ConfigError]]:
    """The deploy in the wanted environment, and what is wrong in any of them."""
    wanted_deploy: Deploy | None = None
    errors: list[ConfigError] = []
    before: list[tuple[str, Deploy]] = []
    for name in names:
        overlaid = environments.overlaid(document, name)
        start = len(overlaid.errors)
        environments.pinned(overlaid, name)
        deploy = _whole(overlaid, folder, files=files and name == environment)
        if deploy is not None:
            for earlier_name, earlier in before:
                for path, kind, shared in environments.collisions(earlier, deploy):
                    message = f"the {kind} {quoted(shared)} is also used by the environment {earlier_name}"
                    fix = f"give each its own, or leave it out: {show_path(('environments', name, *path))}"
                    overlaid.error(explain.in_file(overlaid, path), message, fix, display_path=path, broken=False)
            before.append((name, deploy))
        # What only another environment lacks, such as a variable, is nothing to stop for; what is wrong in it is.
        errors += overlaid.errors if name == environment else overlaid.errors[start:]
        wanted_deploy = deploy if name == environment else wanted_deploy
    return wanted_deploy, errors


def _validate(document: Document, folder: FilePath) -> Deploy | None:
    """The deploy without what is broken in it, so that the rest can be looked at too; None if nothing is left."""
    for _ in range(5):
        tree = _without(document.tree, document.broken)
        try:
            return Deploy.model_validate(tree, context={BASE: folder}).filled()
        except ValidationError as error:
            details = error.errors(include_url=False)
        details = _meant(details)
        before = _Broken(document.broken)
        misspelt = {explain.meant(document, detail["loc"]) for detail in details if detail["type"] == "extra_forbidden"}
        for detail in details:
            place = _given(document, detail)
            if before.touches(place) or (detail["type"] == "missing" and place in misspelt):
                # It follows from another problem: then there is no looking at what holds it.
                document.broken.add(_entry(place)[:-1])
            else:
                explain.note(document, detail)
    return None


def _given(document: Document, error: ErrorDetails) -> Place:
    """The place in the file that an error is about; of a missing key, the place where it would be."""
    location: Place = error["loc"]
    if error["type"] == "missing":
        return (*explain.in_file(document, location[:-1]), location[-1])
    return explain.in_file(document, location)


def _meant(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """One error for each place: of those that a field of several types gives, the one that went deepest."""
    best: dict[Place, ErrorDetails] = {}
    unions: set[Place] = set()
    for detail in details:
        location: Place = detail["loc"]
        place = fields.pattern(location)[1]
        if detail["type"] in ("extra_forbidden", "missing") or location[-1] == "[key]":
            place = location
        elif place != location:
            unions.add(place)
        if place not in best or len(location) >= len(best[place]["loc"]):
            best[place] = detail
    inner = {place[:end] for place in best for end in range(len(place))}
    short = {place for place, detail in best.items() if detail["type"] == "too_short"}  # for its items being wrong
    return [detail for place, detail in best.items() if place not in (unions | short) & inner]


def _note(document: Document, deploy: Deploy, problem: Problem, broken: _Broken) -> None:
    """Add a problem of several fields, unless one of them is broken anyway, at the first of them that is given."""
    fields_in_file = {path: explain.in_file(document, path) for path in (problem.path, *problem.uses)}
    if any(map(broken.touches, fields_in_file.values())):
        return
    given_places = [at for path, at in fields_in_file.items() if at == path or (at and document.values[at].scalar)]
    place = given_places[0] if given_places else fields_in_file[problem.path]
    value_text = document.shown(fields_in_file[problem.path], _value(deploy, problem.path))
    hide = problem.tells and any(map(document.is_secret, fields_in_file.values()))
    fix = f"change {value_text}" if hide else problem.fix
    document.error(place, problem.message.replace("{value}", value_text), fix, display_path=problem.path, broken=False)


def _value(deploy: Deploy, path: Place) -> Any:
    value: Any = deploy
    for part in path:
        value = getattr(value, str(part)) if isinstance(value, Section) else value[part]
    return value


def _without(tree: Any, broken: set[Place]) -> Any:
    """A copy of `tree` without the entries that `broken` paths are in; a list goes as a whole."""
    drop = {_entry(path) for path in broken}

    def copy(value: Any, path: Place) -> Any:
        if isinstance(value, dict):
            return {k: copy(v, (*path, k)) for k, v in value.items() if (*path, k) not in drop}
        if isinstance(value, list):
            return [copy(v, (*path, i)) for i, v in enumerate(value)]
        return value

    remaining = copy(tree, ())
    if ("name",) in drop:
        remaining["name"] = "placeholder"
    return remaining


def _entry(path: Place) -> Place:
    """`path` up to the last key of a mapping."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    return path


class _Broken:
    """What is broken in a file, as it is now."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._entries = {_entry(place) for place in places} - {()}
        self._holders = {entry[:end] for entry in self._entries for end in range(len(entry))}

    def touches(self, place: Place) -> bool:
        """Whether `place` is, is in, or holds something that is broken."""
        return place in self._holders or any(place[:end] in self._entries for end in range(1, len(place) + 1))
