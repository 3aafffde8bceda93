"""The one diff: what has to change so that `seen` becomes `want`. Pure, and the same for every kind.

Nested models are walked field by field; mappings key by key; lists of models are sets, paired by their identity
(a statement's Sid, a container's name). Fields marked `Local` aren't compared; `Secret` ones aren't shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.spec import AtLeast, Change, Changes, Grants, Immutable, Local, Ref, Secret, Spec, Value

MASK = "(hidden)"
SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL", re.IGNORECASE)


def diff(want: Spec, seen: Spec) -> Changes:
    """The changes that make `seen` into `want`, those that take back a widened access first."""
    changes = list(_model("", want, seen, ()))
    return tuple(sorted(changes, key=lambda change: not change.widens))


def _model(path: str, want: Value, seen: Value, inherited: tuple[Any, ...]) -> Iterator[Change]:
    for name, field in type(want).model_fields.items():
        marks = (*inherited, *field.metadata)
        if any(isinstance(mark, Local) for mark in marks):
            continue
        yield from _value(f"{path}.{name}" if path else name, getattr(want, name), getattr(seen, name), marks)


def _value(path: str, want: Any, seen: Any, marks: tuple[Any, ...]) -> Iterator[Change]:
    if want == seen and type(want) is type(seen):
        return
    if any(isinstance(mark, AtLeast) for mark in marks) and isinstance(seen, tuple) and set(want) <= set(seen):
        return
    if isinstance(want, Value) and type(want) is type(seen):
        yield from _model(path, want, seen, marks)
    elif isinstance(want, dict) and isinstance(seen, dict):
        for key in sorted({*want, *seen}):
            hide = (*marks, Secret()) if SECRET_NAME.search(key) else marks
            yield from _value(f"{path}.{key}", want.get(key), seen.get(key), hide)
    elif _holds_models(want) or _holds_models(seen):
        yield from _models(path, want or (), seen or (), marks)
    else:
        yield _change(path, want, seen, marks)


def _holds_models(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(item, Value) for item in value)


def _models(path: str, want: tuple[Value, ...], seen: tuple[Value, ...], marks: tuple[Any, ...]) -> Iterator[Change]:
    missing = [item for item in want if item not in seen]
    extra = [item for item in seen if item not in want]
    for item in list(missing):
        identity = getattr(item, "identity", "")
        twin = next((other for other in extra if identity and getattr(other, "identity", "") == identity), None)
        if twin is None and not identity and len(missing) == len(extra) == 1:
            twin = extra[0] if not getattr(extra[0], "identity", "") else None
        if twin is not None:
            missing.remove(item)
            extra.remove(twin)
            yield from _model(f"{path}[{identity}]" if identity else f"{path}[]", item, twin, marks)
    for item in extra:
        yield _change(f"{path}[{getattr(item, 'identity', '')}]", None, item, marks)
    for item in missing:
        yield _change(f"{path}[{getattr(item, 'identity', '')}]", item, None, marks)


def _change(path: str, want: Any, seen: Any, marks: tuple[Any, ...]) -> Change:
    hide = any(isinstance(mark, Secret) for mark in marks)
    return Change(
        path=path,
        before=_shown(seen, hide),
        after=_shown(want, hide),
        replaces=any(isinstance(mark, Immutable) for mark in marks),
        widens=any(isinstance(mark, Grants) for mark in marks) and _wider(seen, want),
    )


def _wider(seen: Any, want: Any) -> bool:
    """Whether what is there allows something that isn't wanted."""
    if isinstance(seen, tuple) and isinstance(want, tuple | None):
        return bool(set(map(repr, seen)) - set(map(repr, want or ())))
    return seen not in (None, (), {}, "")


def _shown(value: Any, hide: bool) -> Any:
    if hide and value not in (None, "", (), {}):
        return MASK
    return plain(value)


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Ref):
        return str(value)
    if isinstance(value, Value):
        return {name: plain(part) for name in type(value).model_fields if (part := getattr(value, name)) not in (None, (), {}, "")}
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, tuple | list) else value
