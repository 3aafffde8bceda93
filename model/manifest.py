"""The manifest: what a model was made of and what it needs. Its presence makes an output complete."""

from __future__ import annotations

import dataclasses
import platform
from typing import Any

import numpy
import pandas
import xgboost

from model import __version__, baselines, features
from model.errors import InputError
from model.run import Run
from model.store import Output

FORMAT = 2
"""2: with what the variance, the seasonal HAR and the interval of each hour and regime take."""


def versions() -> dict[str, str]:
    """What the run was made with."""
    return {
        "model": __version__,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "pandas": pandas.__version__,
        "xgboost": xgboost.__version__,
    }


def make(run: Run, out: Output) -> dict[str, Any]:
    """The content of manifest.json for a run whose other files are in `out`."""
    s, fits = run.settings, run.result.baselines
    return {
        "format": FORMAT,
        "complete": True,
        "run_id": s.run_id or None,
        "code_version": s.code_version or None,
        "created": run.created,
        "versions": versions(),
        "data": {
            "uri": s.data,
            "sha256": run.data.sha256,
            "rows": run.data.rows,
            "first": run.data.span[0],
            "last": run.data.span[1],
            "has_flow": bool(run.bars.flow),
            "repairs": run.data.repairs,
        },
        "features": {
            "probe": features.probe(run.features),
            "columns": [{"name": f.name, "formula": f.formula, "group": f.group} for f in run.features],
        },
        "evaluation": {
            "folds": s.folds,
            "first_train": s.first_train,
            "embargo_hours": s.embargo,
            "coverage": s.coverage,
        },
        "parameters": {t: dataclasses.asdict(p) for t, p in s.params.items()},
        "rounds": {t: {"folds": run.result.rounds[t], "final": m.rounds} for t, m in run.result.models.items()},
        "importance": {t: {name: round(value, 6) for name, value in found[:20]} for t, found in run.shap.items()},
        "seed": s.seed,
        "volatility": {"seasonal_har_share": baselines.BLEND, "smear": run.result.smear},
        "price_interval": {"coverage": s.coverage, **run.result.calibration["model"].to_json()},
        "baselines": {
            "base_rate": fits.base_rate,
            "logistic": fits.logistic.to_json() if fits.logistic else None,
            "seasonal_har": fits.lhar.to_json() if fits.lhar else None,
            "intervals": {name: c.to_json() for name, c in run.result.calibration.items() if name != "model"},
        },
        "models": {t: f"{t}.ubj" for t in run.result.models},
        "verdicts": {f"{c.target} against {c.baseline}": c.verdict for c in run.overall.comparisons},
        "verdicts_recent": {f"{c.target} against {c.baseline}": c.verdict for c in run.recent.comparisons},
        "files": dict(sorted(out.written.items())),
        "seconds": run.seconds,
    }


def check(manifest: Any, source: str) -> dict[str, Any]:
    """Hold a read manifest against this program.

    Raises:
        InputError: not a manifest, of another format, or of a model with other features than this
            program computes.
    """
    if isinstance(manifest, dict) and manifest.get("complete") is False:
        raise InputError(f"{source} says that the run isn't complete: it is still going on, or it failed")
    if not isinstance(manifest, dict) or not {"format", "features", "models", "data"} <= manifest.keys():
        raise InputError(f"{source} is not a manifest of this program")
    if manifest["format"] != FORMAT:
        raise InputError(
            f"{source} has format {manifest['format']!r}; this program reads {FORMAT}: train again with this "
            "version, or use the version that made it"
        )
    now = features.select(bool(manifest["data"].get("has_flow")))
    theirs = [column["name"] for column in manifest["features"]["columns"]]
    if theirs != features.names(now):
        gone = sorted(set(theirs) ^ set(features.names(now)))
        what = f"they differ in {', '.join(gone[:5])}" if gone else "their order differs"
        raise InputError(
            f"{source}: the model was trained on other features than this program computes: {what}; "
            "train it again with this version, or predict with the version that made it"
        )
    if other := features.differing(now, manifest["features"]["probe"]):
        raise InputError(
            f"{source}: this program computes {len(other)} of the model's features differently "
            f"({', '.join(other[:5])}); train it again with this version, or predict with the version "
            "that made it"
        )
    return manifest
