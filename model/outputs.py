"""What a run writes: models, metrics, predictions, reports, and the manifest last."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from model import evaluate, features, log, manifest, parquet, report, store
from model.params import TARGETS
from model.run import Run
from model.store import Output


def metrics(run: Run) -> dict[str, Any]:
    """The content of metrics.json; its ``metrics`` is flat, a number a name."""
    return {
        "metrics": evaluate.flat(run.overall),
        "coverage_nominal": run.settings.coverage,
        "overall": run.overall.to_json(),
        "recent": {"folds": evaluate.RECENT, **run.recent.to_json()},
        "folds": [
            {
                "fold": f.number + 1,
                "train_until": run.data.at(f.train_stop - 1),
                "test_from": run.data.at(f.test_start),
                "test_until": run.data.at(f.test_stop - 1),
                **s.to_json(),
            }
            for f, s in zip(run.folds, run.by_fold, strict=True)
        ],
    }


def to_bytes(content: object) -> bytes:
    """JSON with an end of line; NaN isn't JSON and is refused."""
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()


def write(run: Run, out: Output) -> None:
    """Write every output file, the manifest last."""
    for target, fitted in run.result.models.items():
        out.write(f"{target}.ubj", fitted.save(features.names(run.features)))
    out.write("metrics.json", to_bytes(metrics(run)))
    out.write("predictions.parquet", parquet.encode(parquet.table(run.bars, run.targets, run.result.forecasts)))
    out.write("model-card.md", report.card(run))
    if run.data.earlier:
        log.get().warning(
            "no report.html: it is made of all hours, and only the last are held here", hours=len(run.bars)
        )
    else:
        for name, content in report.standalone(run).items():
            out.write(name, content)
        out.write(REPORT, report.page(run))
    out.drop_earlier(REPORT, "plots/*.svg", "predictions/*.parquet")
    out.finish(to_bytes(manifest.make(run, out)))


REPORT = "report.html"
TRACKED = (REPORT, "model-card.md", "metrics.json", store.MANIFEST, *(f"{target}.ubj" for target in TARGETS))
"""Files that go to MLflow as artifacts."""


def tracked_params(run: Run) -> dict[str, object]:
    """What MLflow shows as parameters."""
    settings = run.settings
    tracked: dict[str, object] = {
        "data": settings.data,
        "data_sha256": run.data.sha256,
        "seed": settings.seed,
        "folds": settings.folds,
        "first_train": settings.first_train,
        "embargo_hours": settings.embargo,
        "coverage": settings.coverage,
        "output": settings.output,
    }
    for target, params in settings.params.items():
        tracked |= {f"{target}.{name}": value for name, value in dataclasses.asdict(params).items()}
    return tracked


def tracked_metrics(run: Run) -> list[tuple[str, float, int]]:
    """What MLflow shows as metrics: overall as they are, each fold's as ``fold_...`` with the fold as step."""
    values = [(name, value, 0) for name, value in evaluate.flat(run.overall).items()]
    if run.result.restored:
        values.append(("boosters_from_checkpoint", run.result.restored, 0))
    for number, scores in enumerate(run.by_fold, start=1):
        values += [(f"fold_{name}", value, number) for name, value in evaluate.flat(scores).items()]
    return values
