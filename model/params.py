"""Hyperparameters: defaults, then a file, then SSM, then the environment; the later wins.

A name may be for all targets (``max_depth``) or for one (``direction.max_depth``). In the
environment that is ``HP_MAX_DEPTH`` and ``HP_DIRECTION_MAX_DEPTH``; in a TOML or JSON file
a table per target; in SSM a parameter ``/prefix/max_depth`` or ``/prefix/direction/max_depth``,
or one parameter that holds a JSON object.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import math
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from model import store
from model.errors import InputError
from model.harmless import refuse_deep, short

TARGETS = ("direction", "return", "volatility")
"""What a booster is trained for; the price interval is built from return and volatility."""


@dataclasses.dataclass(frozen=True)
class Params:
    """XGBoost's hyperparameters for one target (names as XGBoost documents them)."""

    max_depth: int = 3
    eta: float = 0.03
    subsample: float = 0.6
    colsample: float = 0.4
    min_child_weight: float = 50.0
    reg_lambda: float = 10.0
    half_life: float = 8760.0
    """Hours after which a past hour counts half in training; 0: all count the same."""
    max_rounds: int = 600
    patience: int = 50
    """Early stopping: rounds without a better score on the tail of the training period."""

    def booster(self) -> dict[str, float | int]:
        """The part that goes to XGBoost's training parameters."""
        return {
            "max_depth": self.max_depth,
            "eta": self.eta,
            "subsample": self.subsample,
            "colsample_bytree": self.colsample,
            "min_child_weight": self.min_child_weight,
            "reg_lambda": self.reg_lambda,
        }


_LIMITS: dict[str, tuple[float, float]] = {
    "max_depth": (1, 16),
    "eta": (1e-4, 1),
    "subsample": (0.05, 1),
    "colsample": (0.05, 1),
    "min_child_weight": (0, 1e9),
    "reg_lambda": (0, 1e9),
    "half_life": (0, 1e9),
    "max_rounds": (1, 100_000),
    "patience": (1, 100_000),
}
_NAMES = tuple(field.name for field in dataclasses.fields(Params))

# Chosen on the data before the first test fold (2021-04 to 2023-02), where most of it matters little, so of equals the
# one that trains fastest. What helped there was to let the last year count more, for direction and volatility.
DEFAULTS: dict[str, Params] = {
    "direction": Params(),
    "return": Params(max_depth=2, colsample=0.3, min_child_weight=400, half_life=0),
    "volatility": Params(max_depth=5, eta=0.06),
}


def parse(name: str, value: object, source: str) -> float | int:
    """One hyperparameter's value, checked.

    Raises:
        InputError: not a number, or out of range; the message names `source`.
    """
    low, high = _LIMITS[name]
    whole = isinstance(getattr(Params, name), int)
    number = math.nan
    if isinstance(value, Mapping | list):  # nested as deeply as somebody likes, and never written out
        given = "a list" if isinstance(value, list) else "a table"
    else:
        given = short(repr(value))
        with contextlib.suppress(ValueError):
            number = float(str(value).strip())
    if not low <= number <= high or (whole and number != int(number)):
        kind = "a whole number" if whole else "a number"
        raise InputError(f"{source}: {name} is {given}: use {kind} from {low:g} to {high:g}")
    return int(number) if whole else number


def _unknown(name: str, source: str) -> InputError:
    near = difflib.get_close_matches(name, _NAMES, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(_NAMES)}"
    return InputError(f"{source}: unknown hyperparameter {name!r}; {hint}")


def _flatten(table: Mapping[str, Any], source: str) -> list[tuple[str | None, str, object]]:
    """(target or None, name, value) of a nested table; those for all targets first."""
    entries: list[tuple[str | None, str, object]] = []
    for key, value in table.items():
        if key in TARGETS:
            if not isinstance(value, Mapping):
                raise InputError(f"{source}: {key} must hold a table of hyperparameters, not {short(repr(value))}")
            entries += [(key, name, inner) for name, inner in value.items()]
        else:
            entries.append((None, key, value))
    return sorted(entries, key=lambda item: item[0] is not None)


def apply(base: Mapping[str, Params], table: Mapping[str, Any], source: str) -> dict[str, Params]:
    """`base` with a table's values on top.

    Raises:
        InputError: an unknown name, a bad value.
    """
    result = dict(base)
    for target, name, value in _flatten(table, source):
        if name not in _NAMES:
            raise _unknown(str(name), source)
        number = parse(name, value, source)
        for of_target in [target] if target else TARGETS:
            result[of_target] = dataclasses.replace(result[of_target], **{name: number})  # type: ignore[arg-type]  # parse() gives the field its type
    return result


def _from_file(uri: str) -> dict[str, Any]:
    raw = store.read_bytes(uri)
    try:
        table = store.parse_json(raw, f"PARAMS_FILE {uri}") if uri.endswith(".json") else _toml(raw.decode())
    except ValueError as error:
        raise InputError(f"PARAMS_FILE {uri}: not valid TOML: {error}") from error
    if not isinstance(table, dict):
        raise InputError(f"PARAMS_FILE {uri}: must hold an object, not {type(table).__name__}")
    return table


def _toml(text: str) -> dict[str, Any]:
    refuse_deep(text)
    return tomllib.loads(text)


def _from_ssm(name: str) -> dict[str, Any]:
    """A parameter with a JSON object, or all parameters below a path (``/`` at its end)."""
    ssm = store.client("ssm")
    if not name.endswith("/"):
        answer = store.call_aws(f"read SSM parameter {name}", lambda: ssm.get_parameter(Name=name, WithDecryption=True))
        table = store.parse_json(answer["Parameter"]["Value"], f"PARAMS_SSM {name}")
        if not isinstance(table, dict):
            raise InputError(f"PARAMS_SSM {name}: must hold an object, not {type(table).__name__}")
        return table
    pages = store.call_aws(
        f"read SSM parameters below {name}",
        lambda: list(
            ssm.get_paginator("get_parameters_by_path").paginate(Path=name, Recursive=True, WithDecryption=True)
        ),
    )
    table = {}
    for parameter in (p for page in pages for p in page["Parameters"]):
        *target, last = parameter["Name"].removeprefix(name).split("/")
        if len(target) > 1 or (target and target[0] not in TARGETS):
            raise InputError(f"PARAMS_SSM: unknown place {parameter['Name']}; use {name}NAME or {name}TARGET/NAME")
        (table.setdefault(target[0], {}) if target else table)[last] = parameter["Value"]
    if not table:
        raise InputError(f"PARAMS_SSM: no parameters below {name}")
    return table


def _from_env(items: Iterable[tuple[str, str]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key, value in items:
        name = key.removeprefix("HP_").lower()
        target = next((t for t in TARGETS if name.startswith(f"{t}_")), None)
        if target:
            table.setdefault(target, {})[name.removeprefix(f"{target}_")] = value
        else:
            table[name] = value
    return table


def load(env: Mapping[str, str]) -> dict[str, Params]:
    """The hyperparameters of every target, from PARAMS_FILE, PARAMS_SSM and HP_*.

    Raises:
        InputError: a source can't be read, or holds an unknown name or a bad value.
    """
    params: dict[str, Params] = dict(DEFAULTS)
    if uri := env.get("PARAMS_FILE", "").strip():
        params = apply(params, _from_file(uri), f"PARAMS_FILE {uri}")
    if name := env.get("PARAMS_SSM", "").strip():
        params = apply(params, _from_ssm(name), f"PARAMS_SSM {name}")
    variables = sorted((k, v) for k, v in env.items() if k.startswith("HP_"))
    return apply(params, _from_env(variables), "environment (HP_*)")
