"""Which features move the forecasts: SHAP values, as XGBoost computes them."""

from __future__ import annotations

import numpy as np

from model import features
from model.report.svg import Plot
from model.run import Run

HOURS = 1000


def mean_abs(run: Run, target: str) -> list[tuple[str, float]]:
    """Features and their mean absolute SHAP values on the last test hours, largest first."""
    usable = np.isfinite(run.result.forecasts.fold) & np.isfinite(run.targets.har).all(axis=1)
    rows = np.flatnonzero(usable)[-HOURS:]
    model = run.result.models[target]
    values = np.abs(model.contributions(run.matrix[rows], run.targets.har[rows]))[:, :-1].mean(axis=0)
    names = features.names(run.features)
    return [(names[model.columns[i]], float(values[i])) for i in np.argsort(-values, kind="stable")]


def importance(run: Run, width: int, target: str) -> str:
    """The features that move the forecasts of `target` most."""
    pairs = [pair for pair in run.shap[target][:12] if pair[1] > 0]
    if not pairs:
        return '<p class="soft">The model has no trees: it forecasts its starting value.</p>'
    formula = {f.name: f.formula for f in run.features}
    plot = Plot(
        width, 24 * len(pairs) + 10, (0, pairs[0][1] * 1.02), (len(pairs), 0), left=168, top=4, bottom=6, right=8
    )
    for i, (name, value) in enumerate(pairs):
        plot.rect(0, value, i + 0.18, i + 0.82, "bar", f"{name} = {formula[name]}: {value:.4f}")
        plot.text(plot.left - 8, plot.py(i + 0.5) + 4, name, "t ink", "end")
    return plot.svg(f"Mean absolute SHAP values, {target}")
