"""What pydantic found wrong, in the words of the file, with what to do about it."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping
from typing import Any, get_args

import yaml

from reconciler.config import fields, other_words
from reconciler.config.document import Document
from reconciler.config.problems import Path, quoted
from reconciler.core.secret import KNOWN

_SURE = 0.8  # how alike a key has to be to one that is known here, to be told before one that is known elsewhere
_SHELL = re.compile(r"&&|[|;<>`]|\$\(")  # what only a shell does
_NOUNS = {"tuple_type": "a list", "list_type": "a list", "dict_type": "a mapping", "model_type": "a mapping"}


def note(document: Document, error: Mapping[str, Any]) -> None:
    """Add one of pydantic's errors to the document's, at its place."""
    location: Path = tuple(error["loc"])
    is_key = location[-1:] == ("[key]",)
    if is_key:
        location = location[:-1]
    if error["type"] == "extra_forbidden":
        _unknown(document, location)
        return
    if error["type"] == "missing":
        _missing(document, location)
        return
    _, field_path = fields.pattern(location)
    place = in_file(document, location)
    spot = document.keys.get(place) if is_key else None
    message, fix = _words(document, error, field_path, place, is_key=is_key)
    document.error(place, message, fix, spot=spot, display_path=field_path)


def in_file(document: Document, location: Path) -> Path:
    """The part of `location` that stands in the file, where a bare path may stand for a mapping or a list of one."""
    path: Path = ()
    for part in location:
        if (*path, part) in document.values:
            path = (*path, part)
    return path


def _unknown(document: Document, location: Path) -> None:
    place = in_file(document, location)
    parent, key = place[:-1], str(place[-1])
    known_keys = fields.keys_at(parent)
    near = _nearest(key, known_keys)
    sections = fields.places_of(key)
    if sections and near and difflib.SequenceMatcher(None, key, near).ratio() < _SURE:
        near = None
    variable = other_words.variable(fields.plain(parent), key) if key.lower() not in known_keys else ""
    if found := other_words.look_alike(key):
        fix = f"{found[1]}: {found[2]}"
    elif fix := other_words.without_space(parent, key) or variable or other_words.meant(fields.plain(place), key):
        pass
    elif near:
        fix = f"did you mean {near}?"
    elif sections:
        section = sections[0].rpartition(".")[0]
        nested = f"{key}: ..."
        for part in reversed(section.split(".")):
            nested = f"{part}: {{{nested}}}"
        fix = f"{key} belongs in {section}: write {nested}" if section else f"{key} belongs at the top level"
    else:
        fix = f"known here: {', '.join(known_keys)}"
    document.error(place, f"{quoted(key)} is not a known key", fix, spot=document.keys.get(place))


def meant(document: Document, location: Path) -> Path:
    """The place of the key that was probably meant by the unknown one at `location`."""
    place = in_file(document, location)
    return (*place[:-1], _nearest(str(place[-1]), fields.keys_at(place[:-1])) or "")


def _nearest(key: str, keys: tuple[str, ...]) -> str | None:
    by_case = {k.lower(): k for k in keys}
    near = difflib.get_close_matches(key.lower().replace("-", "_"), by_case, 1, 0.6)
    return by_case[near[0]] if near else None


def _missing(document: Document, location: Path) -> None:
    place = in_file(document, location[:-1])
    example = f" {flow(_example(location))}"
    _, field_path = fields.pattern(location)
    spot = document.spot(place)
    # The section that lacks something isn't broken as a whole, but nothing in it can be looked at without it.
    document.error(
        place or location,
        f"{location[-1]} is missing",
        f"add {location[-1]}:{example}",
        spot=spot,
        display_path=field_path,
    )


def _words(
    document: Document, error: Mapping[str, Any], field_path: Path, place: Path, *, is_key: bool
) -> tuple[str, str]:
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    value_text = quoted(str(value)) if is_key else document.shown(place, value)
    secret = document.is_secret(place) or (isinstance(value, str) and KNOWN.hide(value) != value)
    if kind == "deploy":
        fix = context["fix"]
        if is_key:
            alone = (spot := document.values.get(place)) is not None and spot.scalar and not spot.text
            fix = (other_words.spaced(str(value)) if alone else "") or fix or "give it another name, or leave it out"
        elif not fix or (secret and fix.startswith("for instance")):
            fix = f"for instance {flow(_example(field_path))}"
        return context["text"].replace("{value}", value_text), fix
    if value is None and re.search(r":\s+#", document.source(place)):
        return "nothing is given here: what follows # is a comment", "put text that begins with # in quotes"
    if value is None:
        return "nothing is given here", f"give a value{_such_as(field_path)}{_or_leave_out(field_path)}"
    if kind in ("too_short", "string_too_short"):
        quantity = "at least one" if kind == "too_short" else "a value"
        return "nothing is given here", f"give {quantity}{_such_as(field_path)}{_or_leave_out(field_path)}"
    if kind == "too_long":
        return f"{len(value)} are too many", f"keep at most {context['max_length']}"
    if kind in _NOUNS:
        fix = ""
        if isinstance(value, str) and not secret:
            found = other_words.look_alike(value)
            fix = f"{found[1]}: {found[2]}" if found else other_words.without_space(place, value)
            if re.match(r" *-\S", document.source(place)):
                fix = "write a space after each -"
        fix = fix or _as_list_or_mapping(kind, value, field_path, secret)
        return f"{_noun(value, value_text)}, where {_NOUNS[kind]} is needed", fix
    if isinstance(value, dict | list):
        return (
            f"{_noun(value, value_text)}, where a single value is needed",
            f"write {_start(field_path)}VALUE{_such_as(field_path)}",
        )
    if kind == "string_type":
        noun = "true or false" if isinstance(value, bool) else "a number"
        rule = fields.rule(field_path)
        if rule and rule.problem(value_text):
            better = rule.better(value_text)
            return (
                f"{value_text} is {noun} in YAML, where text is needed",
                f"write {rule.subject}{_for_instance(better)}",
            )
        return f"{value_text} is {noun} in YAML, where text is needed", f"quote it: {_start(field_path)}'{value_text}'"
    if kind.startswith("int_") or kind == "finite_number":
        return f"{value_text} is not a whole number", f"write a number{_such_as(field_path)}"
    if kind.startswith("bool_"):
        return f"{value_text} is neither true nor false", "write true or false"
    if kind == "literal_error":
        return _literal(value_text, str(value), context["expected"], field_path, secret=secret)
    if kind.startswith("float_"):
        return f"{value_text} is not a number", f"write a number{_such_as(field_path)}"
    if kind in ("greater_than_equal", "less_than_equal", "greater_than", "less_than"):
        return f"{value_text} is out of range", f"write a number {_range(field_path)}"
    return f"{value_text} is refused: {error['msg']}", f"give another value{_such_as(field_path)}"


def _start(path: Path) -> str:
    """How an entry at `path` begins: `key: `, or `- ` in a list."""
    return f"{path[-1]}: " if path and isinstance(path[-1], str) else "- "


def _noun(value: Any, value_text: str) -> str:
    return (
        "this is a mapping"
        if isinstance(value, dict)
        else "this is a list"
        if isinstance(value, list)
        else f"{value_text} is a single value"
    )


def _as_list_or_mapping(kind: str, value: Any, field_path: Path, secret: bool) -> str:
    start = _start(field_path)
    if _NOUNS[kind] == "a list" and isinstance(value, str) and not secret:
        try:
            words = shlex.split(value)
        except ValueError:
            words = [value]
        if field_path[-1:] == ("command",) and _SHELL.search(value):
            words = ["sh", "-c", value]
        return f"write {start}{flow(words)}"
    example = _example(field_path)
    if isinstance(example, dict) and len(example) == 1 and isinstance(value, str) and not secret:
        (key,) = example
        rule = fields.rule((*field_path, key))
        if rule and (better := value if rule.problem(value) is None else rule.better(value)):
            example = {key: better}
    return f"write {start}{flow(example)}" if example is not None else ""


def _literal(value_text: str, value: str, expected: str, field_path: Path, *, secret: bool) -> tuple[str, str]:
    choices = [c.strip("'") for c in expected.replace(" or ", ", ").split(", ")]
    by_case = {c.lower(): c for c in choices}
    field = fields.info(field_path)
    null = ", or null for none" if field and type(None) in get_args(field.annotation) else ""
    near = [] if secret else difflib.get_close_matches(value.lower(), by_case, 1, 0.7)
    choice_list = f"{', '.join(choices[:-1])} or {choices[-1]}" if len(choices) > 1 else choices[0]
    return (
        f"{value_text} is not {choice_list}",
        f"did you mean {by_case[near[0]]}?" if near else f"use {choice_list}{null}",
    )


def _range(field_path: Path) -> str:
    low = high = above = None
    field = fields.info(field_path)
    for rule in field.metadata if field else ():
        low, high, above = getattr(rule, "ge", low), getattr(rule, "le", high), getattr(rule, "gt", above)
    if above is not None:
        return f"above {above}" if high is None else f"above {above} and at most {high:,}"
    return f"from {low} to {high}" if high is not None else f"of at least {low}"


def _for_instance(better: str | None) -> str:
    return f", for instance {better}" if better else ""


def _or_leave_out(field_path: Path) -> str:
    field = fields.table().get(fields.pattern(field_path)[0])
    return "" if field and field.is_required() else ", or leave it out"


def _such_as(field_path: Path) -> str:
    example = _example(field_path)
    return f", such as {flow(example)}" if example is not None else ""


def _example(field_path: Path) -> Any:
    """The example of the field at `field_path`, or of one entry of it."""
    pattern, _ = fields.pattern(field_path)
    field = fields.table().get(pattern)
    if field is None or not field.examples:
        return None
    if pattern[-1] == fields.ITEM and isinstance(field.examples[0], list):
        return field.examples[0][0]
    if pattern[-1] == fields.KEY and isinstance(field.examples[0], dict):
        return next(iter(field.examples[0].values()))
    return field.examples[0]


def flow(value: Any) -> str:
    """`value` as YAML on one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
