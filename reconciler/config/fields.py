"""The fields of the schema by their place in the file, read off the models."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from reconciler.config.base import AsWritten, Section, Unshown
from reconciler.config.problems import Path
from reconciler.config.rule import TextRule
from reconciler.config.schema import Deploy

ITEM = "[]"  # stands for any index of a list
KEY = "{}"  # stands for any key of a free mapping
OVERLAYS = "environments"
Pattern = tuple[str, ...]


@cache
def table() -> dict[Pattern, FieldInfo]:
    """Every field by its pattern, in the order of the schema; what is in a list or mapping is under ITEM or KEY."""
    return {at: field for at, field, _ in _walk(Deploy, ()) if field is not None}


@cache
def sections() -> dict[Pattern, type[Section]]:
    """The model of each mapping whose keys are known, by its pattern; the whole file is under ()."""
    return {at: model for at, _, model in _walk(Deploy, ()) if model is not None}


def plain(path: Path) -> Path:
    """The place that a place in an environment is laid over; any other as it is."""
    return path[2:] if path[:1] == (OVERLAYS,) and len(path) > 2 else path


def pattern(path: Path) -> tuple[Pattern, Path]:
    """The pattern of the longest part of `path` that the schema has, and that part."""
    patterns, section_patterns = table(), sections()
    field_pattern: Pattern = ()
    known_path: list[str | int] = []
    for part in path:
        if field_pattern in section_patterns and isinstance(part, str) and (*field_pattern, part) in patterns:
            field_pattern, known_path = (*field_pattern, part), [*known_path, part]
        elif isinstance(part, int) and (*field_pattern, ITEM) in patterns:
            field_pattern, known_path = (*field_pattern, ITEM), [*known_path, part]
        elif isinstance(part, str) and (*field_pattern, KEY) in patterns:
            field_pattern, known_path = (*field_pattern, KEY), [*known_path, part]
    return field_pattern, tuple(known_path)


def info(path: Path) -> FieldInfo | None:
    """The field at `path`, or that whose list or mapping it is in."""
    return table().get(pattern(path)[0])


def rule(path: Path) -> TextRule | None:
    """The rule for the text at `path`."""
    field = info(path)
    if field is None:
        return None
    return next((r for r in (*field.metadata, *_metadata(field.annotation)) if isinstance(r, TextRule)), None)


def _metadata(annotation: Any) -> Iterator[Any]:
    yield from getattr(annotation, "__metadata__", ())
    for argument in get_args(annotation):
        yield from _metadata(argument)


def as_written(path: Path) -> bool:
    """Whether scalars at `path` are text as they stand in the file."""
    field_pattern, known_path = pattern(path)
    return (
        known_path == path
        and bool(field_pattern)
        and any(isinstance(mark, AsWritten) for mark in table()[field_pattern].metadata)
    )


def unshown(path: Path) -> bool:
    """Whether a URL at `path`, or below it, isn't to be shown."""
    field_pattern, _ = pattern(path)
    ends = (field_pattern[:end] for end in range(1, len(field_pattern) + 1))
    return any(isinstance(mark, Unshown) for end in ends if end in table() for mark in table()[end].metadata)


def keys_at(path: Path) -> tuple[str, ...]:
    """The keys that the mapping at `path` may have; empty if it has any, or isn't a mapping."""
    field_pattern, known_path = pattern(path)
    model = sections().get(field_pattern) if known_path == path else None
    return tuple(model.model_fields) if model else ()


def places_of(key: str) -> tuple[str, ...]:
    """Where else the schema has `key`."""
    return tuple(".".join(p) for p in table() if p[-1] == key and ITEM not in p and KEY not in p)


def _walk(model: type[Section], at: Pattern) -> Iterator[tuple[Pattern, FieldInfo | None, type[Section] | None]]:
    yield at, None, model
    for name, field in model.model_fields.items():
        yield (*at, name), field, None
        for inner, section in _inside(field.annotation):
            field_pattern = (*at, name, *inner)
            if inner:
                yield field_pattern, field, None
            if section is not None:
                yield from _walk(section, field_pattern)


def may_be_empty(path: Path) -> bool:
    """Whether `path` is a section, list or mapping that null can stand for, as when all in it is commented out."""
    field_pattern, known_path = pattern(path)
    if known_path != path or field_pattern not in table() or path[:-1] == (OVERLAYS,):
        return False
    holds = field_pattern in sections() or any((*field_pattern, step) in table() for step in (ITEM, KEY))
    return holds and type(None) not in get_args(table()[field_pattern].annotation)


def _inside(annotation: Any) -> Iterator[tuple[Pattern, type[Section] | None]]:
    """The lists, mappings and sections in a type, by what leads to them."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield (), annotation
        return
    step: Pattern = {tuple: (ITEM,), dict: (KEY,)}.get(get_origin(annotation), ())
    if step:
        yield step, None
    arguments = get_args(annotation)
    for argument in arguments[1:] if step == (KEY,) else arguments:
        if argument is not Ellipsis:
            for inner, section in _inside(argument):
                yield step + inner, section
