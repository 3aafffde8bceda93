"""The manifest: what a model was made of and what it needs. Its presence makes an output complete."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy

from model import baselines, conformal, features, linear
from model.errors import InputError
from model.fingerprint import versions
from model.params import TARGETS
from model.run import Run
from model.store import Output

FORMAT = 2
"""2: with what the variance, the seasonal HAR and the interval of each hour and regime take."""


def make(run: Run, out: Output) -> dict[str, Any]:
    """The content of manifest.json for a run whose other files are in `out`."""
    settings, fits = run.settings, run.result.baselines
    return {
        "format": FORMAT,
        "complete": True,
        "run_id": settings.run_id or None,
        "code_version": settings.code_version or None,
        "versions": versions(),
        "data": {
            "uri": settings.data,
            "sha256": run.data.sha256,
            "rows": run.data.rows,
            "first": run.data.span[0],
            "last": run.data.span[1],
            "has_flow": bool(run.bars.flow),
            "repairs": run.data.repairs,
            "reading": {
                "timezone": settings.reading.zone if run.data.zoneless else None,
                "date_order": settings.reading.order or None,
                "resample": settings.reading.resample,
            },
        },
        "features": {
            "probe": features.probe(run.features),
            "columns": [{"name": f.name, "formula": f.formula, "group": f.group} for f in run.features],
        },
        "evaluation": {
            "folds": settings.folds,
            "first_train": settings.first_train,
            "embargo_hours": settings.embargo,
            "coverage": settings.coverage,
        },
        "parameters": {t: dataclasses.asdict(p) for t, p in settings.params.items()},
        "rounds": {t: {"folds": run.result.rounds[t], "final": m.rounds} for t, m in run.result.models.items()},
        "importance": {t: {name: round(value, 6) for name, value in ranked[:20]} for t, ranked in run.shap.items()},
        "seed": settings.seed,
        "volatility": {"seasonal_har_share": baselines.BLEND, "smear": run.result.smear},
        "price_interval": {"coverage": settings.coverage, **run.result.calibration["model"].to_json()},
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
    }


def _read(manifest: dict[str, Any]) -> None:
    """Read every part that a finished model is used by, so that what is damaged shows here."""
    fits, of_lv = manifest["baselines"], manifest["volatility"]
    for part in (manifest["price_interval"], *(fits["intervals"][name] for name in ("har", "lhar"))):
        interval = conformal.Calibration.from_json(part)
        if interval.hours.shape != (24,) or interval.regimes.shape != (len(interval.edges) + 1,):
            raise ValueError("the interval lacks factors")
    if fits["logistic"]:
        linear.Linear.from_json(fits["logistic"])
    if linear.Seasonal.from_json(fits["seasonal_har"]).offsets.shape != (168,):
        raise ValueError("the seasonal HAR lacks hours of the week")
    numbers = [manifest["price_interval"]["coverage"], manifest["evaluation"]["coverage"], fits["base_rate"]]
    numbers += [of_lv["seasonal_har_share"], *(of_lv["smear"][name] for name in ("model", "har", "lhar"))]
    if not all(isinstance(number, int | float) for number in numbers):
        raise TypeError("a number is none")
    if sorted(manifest["models"]) != sorted(TARGETS) or not isinstance(manifest["files"], dict):
        raise ValueError("models or files are missing")
    texts = [*manifest["models"].values(), *manifest["files"].values(), manifest["data"]["sha256"]]
    texts += [manifest["data"]["first"], manifest["data"]["last"]]
    texts += [column["name"] for column in manifest["features"]["columns"]]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a text is none")
    zone = manifest["data"].get("reading", {}).get("timezone")
    if zone is not None and not isinstance(zone, str):
        raise TypeError("a time zone is none")
    for moment in ("first", "last"):
        numpy.datetime64(manifest["data"][moment].removesuffix("Z"), "s")
    if not all(value is None or isinstance(value, int | float) for value in list(manifest["features"]["probe"])):
        raise TypeError("a number of the probe is none")
    if not {"run_id", "code_version"} <= manifest.keys():
        raise KeyError("run_id and code_version")


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
    if not isinstance(manifest["data"], dict) or not isinstance(manifest["features"], dict):
        raise InputError(f"{source} is not a manifest of this program")
    if manifest["format"] != FORMAT:
        raise InputError(
            f"{source} has format {manifest['format']!r}; this program reads {FORMAT}: train again with this "
            "version, or use the version that made it"
        )
    try:
        _read(manifest)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        why = f"{type(error).__name__}: {error}"
        raise InputError(f"{source} was changed or damaged: a part isn't as this program wrote it ({why})") from error
    now = features.select(bool(manifest["data"].get("has_flow")))
    trained_names = [column["name"] for column in manifest["features"]["columns"]]
    if trained_names != features.names(now):
        changed_names = sorted(set(trained_names) ^ set(features.names(now)))
        difference = f"they differ in {', '.join(changed_names[:5])}" if changed_names else "their order differs"
        raise InputError(
            f"{source}: the model was trained on other features than this program computes: {difference}; "
            "train it again with this version, or predict with the version that made it"
        )
    if len(manifest["features"]["probe"]) != len(now):
        raise InputError(f"{source} was changed or damaged: the probe isn't one number for each feature")
    if differing_names := features.differing(now, manifest["features"]["probe"]):
        raise InputError(
            f"{source}: this program computes {len(differing_names)} of the model's features differently "
            f"({', '.join(differing_names[:5])}); train it again with this version, or predict with the version "
            "that made it"
        )
    return manifest
