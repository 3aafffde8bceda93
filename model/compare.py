"""Two finished runs side by side: their numbers, and a paired test where they forecast the same hours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from model import evaluate, parquet, predict, same_hours, stats, store
from model.bars import Array
from model.errors import InputError


def read(uri: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Manifest and metrics of a run.

    Raises:
        InputError: the run isn't there, or isn't complete.
    """
    contents = []
    for name in (store.MANIFEST, "metrics.json"):
        source = store.join(uri, name)
        content = store.parse_json(store.read_bytes(source), source)
        whole = isinstance(content, dict) and content.get("complete") is not False
        if not whole or (name == store.MANIFEST and not isinstance(content.get("files"), dict)):
            raise InputError(f"{source} is not of a complete run")
        contents.append(content)
    return contents[0], contents[1]


def compare(a: str, b: str) -> dict[str, Any]:
    """What differs between two runs in input and in result.

    Returns:
        ``inputs`` (names with both values, where they differ), ``metrics`` (both values and the
        difference), and ``paired``: for hours that both forecast, by how much B's loss is below
        A's, with a confidence interval and a Diebold-Mariano test.

    Raises:
        InputError: a run isn't there, or isn't complete.
    """
    (manifest_a, metrics_a), (manifest_b, metrics_b) = read(a), read(b)
    inputs: dict[str, list[Any]] = {}
    for key in ("code_version", "seed", "data", "parameters", "evaluation", "versions"):
        left, right = _flat(manifest_a.get(key), key), _flat(manifest_b.get(key), key)
        inputs |= {
            k: [left.get(k), right.get(k)] for k in sorted(left.keys() | right.keys()) if left.get(k) != right.get(k)
        }
    numbers_a, numbers_b = _numbers(metrics_a), _numbers(metrics_b)
    numbers = {
        name: {
            "a": numbers_a.get(name),
            "b": numbers_b.get(name),
            "difference": round(numbers_b[name] - numbers_a[name], 6)
            if name in numbers_a and name in numbers_b
            else None,
        }
        for name in sorted(numbers_a.keys() | numbers_b.keys())
    }
    return {"a": a, "b": b, "inputs": inputs, "metrics": numbers, "paired": _paired(a, manifest_a, b, manifest_b)}


def _numbers(metrics: dict[str, Any]) -> dict[str, float]:
    """The metrics of a metrics.json that are numbers."""
    values = metrics.get("metrics")
    return {k: v for k, v in values.items() if isinstance(v, int | float)} if isinstance(values, dict) else {}


def _flat(value: Any, prefix: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    return {k: v for name, inner in value.items() for k, v in _flat(inner, f"{prefix}.{name}").items()}


def _losses(rows: pd.DataFrame) -> dict[str, Array]:
    def column(name: str) -> Array:
        return np.asarray(rows[name].to_numpy(), dtype=np.float64)

    return {
        "direction": evaluate.log_loss(column("up"), column("p_up")),
        "return": (column("ret") - column("ret_forecast")) ** 2,
        "volatility": (column("lv") - column("lv_forecast")) ** 2,
    }


def _paired(a: str, manifest_a: dict[str, Any], b: str, manifest_b: dict[str, Any]) -> dict[str, Any]:
    left, right = (
        parquet.forecasts(predict.read_file(uri, parquet.PREDICTIONS, content), store.join(uri, parquet.PREDICTIONS))
        for uri, content in ((a, manifest_a), (b, manifest_b))
    )
    hours = left.index.intersection(right.index)
    if not len(hours):
        return {"hours": 0}
    left, right = left.loc[hours], right.loc[hours]
    try:
        good = same_hours.alike(left, right)
    except InputError as error:
        return {"hours": 0, "note": f"the runs forecast {error}"}
    left, right, hours = left[good], right[good], hours[good]
    result: dict[str, Any] = {"hours": len(hours)}
    for (name, loss_a), loss_b in zip(_losses(left).items(), _losses(right).values(), strict=True):
        good = np.isfinite(loss_a) & np.isfinite(loss_b)
        skill = stats.skill(loss_b[good], loss_a[good], seed=0)
        test = stats.diebold_mariano(loss_b[good], loss_a[good])
        sure = test.p_value < 0.05 and (skill.low > 0 or skill.high < 0)
        result[name] = {
            "b_saves": skill.to_json(),
            "diebold_mariano": test.to_json(),
            "better": ("b" if skill.low > 0 else "a") if sure else "neither",
        }
    return result


def as_text(result: dict[str, Any]) -> str:
    """The comparison for reading."""
    lines = [f"A  {result['a']}", f"B  {result['b']}", ""]
    if result["inputs"]:
        lines.append("Inputs that differ")
        lines += [f"  {name}: {_short(left)} -> {_short(right)}" for name, (left, right) in result["inputs"].items()]
    else:
        lines.append("Inputs: the same")
    width = max(len(name) for name in result["metrics"]) if result["metrics"] else 0
    lines += ["", f"{'':{width}}  {'A':>10}  {'B':>10}  {'B - A':>10}"]
    for name, row in result["metrics"].items():
        cells = (f"{v:>10.4f}" if isinstance(v, float | int) else f"{'-':>10}" for v in row.values())
        lines.append(f"{name:{width}}  " + "  ".join(cells))
    paired = result["paired"]
    lines += ["", f"The same hours: {paired['hours']}" + (f" ({paired['note']})" if "note" in paired else "")]
    for name in ("direction", "return", "volatility"):
        if name in paired:
            pair = paired[name]
            saved = pair["b_saves"]
            span = f" (95 %: {saved['low']:+.2%} to {saved['high']:+.2%})" if None not in saved.values() else ""
            value = f"{saved['value']:+.2%}" if saved["value"] is not None else "nothing"
            lines.append(f"  {name}: B saves {value}{span} of A's loss; better: {pair['better']}")
    return "\n".join(lines)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:16]}…"


def alike(result: dict[str, Any], share: float) -> bool:
    """Whether the two forecast the same hours with losses that differ by less than this share, for every target."""
    paired = result.get("paired") or {}
    saves = [compared["b_saves"]["value"] for compared in paired.values() if isinstance(compared, dict)]
    return bool(saves) and all(value is not None and abs(value) < share for value in saves)
