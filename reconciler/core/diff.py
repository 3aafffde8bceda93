"""The one diff: what has to change so that `seen` becomes `want`. Pure, and the same for every kind.

Nested models are walked field by field; mappings key by key; lists of models are sets, paired by their identity
(a statement's Sid, a container's name). Fields marked `Local` or `Initial` aren't compared; secrets aren't shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.core.access import EMPTY, Sense, allows_no_more, sense_of, widens
from reconciler.core.canonical import Policy
from reconciler.core.secret import KNOWN, MASK, looks_secret
from reconciler.core.spec import (
    AtLeast,
    Change,
    Changes,
    Immutable,
    Initial,
    Local,
    Ref,
    Secret,
    SecretsByName,
    Spec,
    Value,
)


@dataclass(frozen=True)
class _Way:
    """How to look at a part of a spec, from the marks of the fields that lead to it."""

    sense: Sense = Sense.NONE
    replaces: bool = False
    at_least: bool = False
    hide: bool = False
    variables: bool = False  # a mapping of them, or a command's words
    variable: str = ""
    operator: str = ""  # of a statement's condition

    def into(self, marks: list[Any]) -> _Way:
        """The way into a field with these marks."""
        kinds = {type(mark) for mark in marks}
        return _Way(
            sense_of(marks, self.sense),
            self.replaces or Immutable in kinds,
            AtLeast in kinds,
            self.hide or Secret in kinds,
            self.variables or SecretsByName in kinds,
            self.variable,
        )

    def key(self, name: str) -> _Way:
        """The way to the value under a key."""
        if self.sense in (Sense.LESS_OR_OTHER, Sense.MORE_OR_OTHER):
            return replace(self, operator=self.operator or name)
        if not self.variables or (self.variable and looks_secret(self.variable)):
            return self
        return replace(self, variable=name)

    def item(self, value: Value) -> _Way:
        """The way into an item of a list: what denies turns the sense round."""
        return replace(self, sense=self.sense.turned) if _denies(value) else self


def diff(want: Spec, seen: Spec) -> Changes:
    """The changes that make `seen` into `want`, those that take back a widened access first."""
    changes = list(_model("", want, seen, _Way()))
    return tuple(sorted(changes, key=lambda change: not change.widens))


def whole(want: Spec) -> Changes:
    """What the making of a resource sets: each field that isn't at its default, as one change."""
    changes = []
    for name, field in type(want).model_fields.items():
        value, way = getattr(want, name), _Way().into(field.metadata)
        if name != "name" and not _local(field.metadata) and value != field.get_default(call_default_factory=True):
            changes.append(Change(name, None, _shown(value, way)))
    return tuple(changes)


def _local(marks: list[Any]) -> bool:
    return any(isinstance(mark, Local) for mark in marks)


def _model(path: str, want: Value, seen: Value, way: _Way) -> Iterator[Change]:
    for name, field in type(want).model_fields.items():
        if not any(isinstance(mark, Local | Initial) for mark in field.metadata):
            field_path = f"{path}.{name}" if path else name
            yield from _value(field_path, getattr(want, name), getattr(seen, name), way.into(field.metadata))


def _value(path: str, want: Any, seen: Any, way: _Way) -> Iterator[Change]:
    if want == seen:
        return
    if way.at_least:
        if missing := [item for item in want if item not in seen]:
            yield _change(path, (*seen, *missing), seen, way)
    elif isinstance(want, Value) and type(want) is type(seen):
        changes = _model(path, want, seen, way)
        if isinstance(want, Policy) and isinstance(seen, Policy) and allows_no_more(want, seen):
            changes = (replace(change, widens=False) for change in changes)  # less, or the same in other statements
        yield from changes
    elif isinstance(want, dict) and isinstance(seen, dict):
        for key in sorted({*want, *seen}):
            yield from _value(f"{path}.{key}", want.get(key), seen.get(key), way.key(key))
    elif _holds_models(want) or _holds_models(seen):
        yield from _models(path, want or (), seen or (), way)
    else:
        yield _change(path, want, seen, way)


def _holds_models(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(item, Value) for item in value)


def _models(path: str, want: tuple[Value, ...], seen: tuple[Value, ...], way: _Way) -> Iterator[Change]:
    missing = [item for item in want if item not in seen]
    extra = [item for item in seen if item not in want]
    for item in sorted(missing, key=lambda item: not _identity(item)):
        twin = _twin(item, missing, extra)
        if twin is not None:
            missing.remove(item)
            extra.remove(twin)
            yield from _model(f"{path}[{_label(item)}]", item, twin, way.item(twin))
    for item in extra:
        yield _change(f"{path}[{_label(item)}]", None, item, way.item(item))
    for item in missing:
        yield _change(f"{path}[{_label(item)}]", item, None, way.item(item))


def _twin(item: Value, missing: list[Value], extra: list[Value]) -> Value | None:
    """The other version of an item: the one with its identity, or without any the only one that is left."""
    identity = _identity(item)
    alike = [other for other in extra if _identity(other) == identity and _denies(other) is _denies(item)]
    return alike[0] if alike and (identity or len(missing) == len(extra) == 1) else None


def _denies(item: Value) -> bool:
    return bool(getattr(item, "denies", False))


def _identity(item: Value) -> str:
    return str(getattr(item, "identity", ""))


def _label(item: Value) -> str:
    return str(getattr(item, "label", "")) or _identity(item)


def _change(path: str, want: Any, seen: Any, way: _Way) -> Change:
    wide = widens(way.sense, want, seen, way.operator)
    return Change(path, _shown(seen, way), _shown(want, way), way.replaces, wide)


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, int | float) else ""


def _shown(value: Any, way: _Way) -> Any:
    if way.hide and value not in EMPTY:
        return MASK
    if way.variable and value not in EMPTY and not isinstance(value, str) and looks_secret(way.variable, _plain(value)):
        return MASK
    if isinstance(value, Ref):
        return str(value)
    if isinstance(value, Value):
        ways = {name: way.into(field.metadata) for name, field in type(value).model_fields.items()}
        return {name: _shown(part, ways[name]) for name in ways if (part := getattr(value, name)) not in EMPTY}
    if (
        way.variables
        and not way.variable
        and isinstance(value, tuple | list)
        and all(isinstance(v, str) for v in value)
    ):
        return KNOWN.words(value)
    if isinstance(value, Mapping):
        return {key: _shown(part, way.key(key)) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_shown(part, way) for part in value]
    if not isinstance(value, str):
        return value
    return KNOWN.shown(way.variable, value) if way.variable else KNOWN.text(value)
