"""Promotion: a challenger takes the champion's place when it forecasts the same latest hours better.

For either the hours are out of sample: those of its walk-forward, and, with newer data, those after its training.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from model import champion as champions
from model import evaluate, later, parquet, predict, same_hours, stats, store
from model.bars import Array
from model.champion import HOURS, MINIMUM
from model.errors import InputError
from model.reading import AS_IT_IS, Reading
from model.settings import Settings

TRIES = 5
"""How often a run that promotes itself is judged anew because another promotion came between."""


EVALUATION = {"folds": "FOLDS", "first_train": "FIRST_TRAIN", "embargo_hours": "EMBARGO_HOURS"}
"""What decides how old a model of the walk-forward is when it forecasts, and the variable that sets it."""


def _losses(run: str, content: dict[str, Any], data_uri: str, how: Reading) -> pd.DataFrame:
    """Losses of each hour that the run forecast out of sample, one column a metric, by the forecast hour."""
    raw = predict.read_file(run, parquet.PREDICTIONS, content)
    rows = parquet.forecasts(raw, store.join(run, parquet.PREDICTIONS))
    if data_uri:
        newer = later.outcomes(run, data_uri, how)
        rows = pd.concat([rows, newer.loc[newer.index > rows.index[-1]]]) if len(newer) else rows
    coverage = float(content["evaluation"]["coverage"])

    def column(name: str) -> Array:
        return np.asarray(rows[name].to_numpy(), dtype=np.float64)

    low, high = (np.log(column(f"{side}_price") / column("close")) for side in ("lower", "upper"))
    losses = {
        "volatility": (column("lv") - column("lv_forecast")) ** 2,
        "qlike": evaluate.qlike(column("lv"), column("variance_forecast")),
        "direction": evaluate.log_loss(column("up"), column("p_up")),
        "return": (column("ret") - column("ret_forecast")) ** 2,
        "interval": evaluate.interval_score(column("ret"), low, high, coverage),
        **{name: column(name) for name in same_hours.NEAR},
        "coverage": np.full(len(rows), coverage),
    }
    return pd.DataFrame(losses, index=rows.index)


def _other_evaluation(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """What of two evaluations differs, in words; empty where nothing does."""
    differing = [name for name in EVALUATION if mine.get(name) != theirs.get(name)]
    return ", ".join(f"{EVALUATION[name]} {mine.get(name)} and {theirs.get(name)}" for name in differing)


def _same_market(challenger: str, champion: str, mine: pd.DataFrame, theirs: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which of the hours that both forecast have the same outcome."""
    try:
        return same_hours.alike(mine, theirs) if len(mine) else np.ones(0, dtype=np.bool_)
    except InputError as error:
        raise InputError(
            f"{challenger} and the champion {champion} forecast {error}: they are of another market, or of other bars"
        ) from error


def judge(
    challenger: str, champion: str, metric: str, hours: int = HOURS, data_uri: str = "", how: Reading = AS_IT_IS
) -> dict[str, Any]:
    """The latest hours that both forecast out of sample: both losses and a Diebold-Mariano test.

    Raises:
        InputError: too few common hours, other prices, another coverage, or another walk-forward.
    """
    contents = {run: predict.read_manifest(run) for run in (challenger, champion)}
    if differing := _other_evaluation(contents[challenger]["evaluation"], contents[champion]["evaluation"]):
        raise InputError(
            f"{challenger} was evaluated otherwise than the champion {champion} ({differing}): its forecasts aren't "
            "of models of the same age, so one may win by that alone. Train with the champion's settings, or promote "
            "with --force"
        )
    mine, theirs = (_losses(run, contents[run], data_uri, how) for run in (challenger, champion))
    common = mine.index.intersection(theirs.index)
    mine, theirs = mine.loc[common], theirs.loc[common]
    good = np.isfinite(mine[metric].to_numpy()) & np.isfinite(theirs[metric].to_numpy())
    mine, theirs = mine[good], theirs[good]
    good = _same_market(challenger, champion, mine, theirs)
    mine, theirs = mine[good].iloc[-hours:], theirs[good].iloc[-hours:]
    if len(mine) < MINIMUM:
        raise InputError(
            f"{challenger} and the champion {champion} have {len(mine)} hours that both forecast out of sample, and "
            f"{MINIMUM} are needed: give newer data with --data, which the champion then forecasts, too"
        )
    if metric == "interval" and (mine["coverage"].iloc[-1] != theirs["coverage"].iloc[-1]):
        raise InputError("the intervals have another nominal coverage: train with the champion's COVERAGE")
    loss, other = (np.asarray(side[metric].to_numpy(), dtype=np.float64) for side in (mine, theirs))
    test, skill = stats.diebold_mariano(loss, other), stats.skill(loss, other, seed=0)
    sure = bool(test.p_value < 0.05)
    return {
        "metric": metric,
        "against": champion,
        "hours": len(mine),
        "first": f"{np.datetime64(mine.index[0], 's')}Z",
        "last": f"{np.datetime64(mine.index[-1], 's')}Z",
        "loss": float(loss.mean()),
        "champion_loss": float(other.mean()),
        "saved": skill.to_json(),
        "diebold_mariano": test.to_json(),
        "verdict": "no difference" if not sure else "better" if loss.mean() < other.mean() else "worse",
    }


def promote(
    run: str,
    models: str,
    metric: str = "volatility",
    *,
    hours: int = HOURS,
    unless_worse: bool = False,
    force: bool = False,
    data_uri: str = "",
    how: Reading = AS_IT_IS,
    now: dt.datetime | None = None,
) -> dict[str, Any]:
    """Make `run` the champion if there is none, or if it forecasts the same latest hours better than the one there is.

    Args:
        run: OUTPUT_URI of a finished run.
        models: where champion.json is.
        metric: one of `METRICS`.
        hours: the latest common hours that decide.
        unless_worse: promote also where the test sees no difference.
        force: promote without a test, as where the champion's run is gone.
        data_uri: newer bars, which a model forecasts from the end of its training on.
        how: to read them.
        now: the present; by default the clock's.

    Returns:
        ``promoted``, ``reason``, ``run`` (the champion from now on), and ``judged`` if there was one to beat.

    Raises:
        InputError: the run isn't complete, the champion's was written anew, or the two can't be compared.
        ModelError: another promotion came between.
    """
    run = champions.location(run)
    content = predict.read_manifest(run)
    predict.read_models(run, content)
    champion, version = champions.read(models)
    digest = champions.digest(run)
    judged: dict[str, Any] | None = None
    reason = "there was no champion"
    if champion is not None:
        if (champion["run"], champion["manifest_sha256"]) == (run, digest):
            return {"promoted": False, "reason": "it is the champion already", "run": run}
        reason = "without a test, as asked"
        if not force:
            champions.check(champion)
            judged = judge(run, str(champion["run"]), metric, hours, data_uri, how)
            reason = f"{judged['verdict']} in {metric} on the same {judged['hours']} hours"
            if judged["verdict"] not in (("better", "no difference") if unless_worse else ("better",)):
                return {"promoted": False, "reason": reason, "run": champion["run"], "judged": judged}
    moment = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC)
    entry = {
        "run": run,
        "manifest_sha256": digest,
        "run_id": content["run_id"],
        "trained_until": content["data"]["last"],
        "promoted": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "judged": judged,
    }
    champions.succeed(models, entry, champion, version)
    return {"promoted": True, "reason": reason, "run": run, "judged": judged}


def before_training(settings: Settings, models: str) -> None:
    """See that champions can be kept there and that this run can be judged against the one there is, before hours are
    spent.

    Raises:
        InputError: champion.json can't be read or isn't one, the folder can't be written, or the champion was evaluated
            otherwise than the settings say, or the output is the champion's, or the champion can't be judged against.
    """
    champion, _ = champions.read(models)
    store.check_writable(models, "MODELS_URI")
    if champion is None:
        return
    if settings.run_id and champion.get("run_id") == settings.run_id:  # interrupted as it had promoted itself
        return
    if champion["run"] == champions.location(settings.output):
        raise InputError(
            f"OUTPUT_URI is {settings.output!r}, where the champion of {models} is: training would write over it "
            "before it is beaten. Give another one"
        )
    try:
        champions.check(champion)
        theirs = predict.read_manifest(str(champion["run"]))["evaluation"]
    except InputError as error:
        raise InputError(
            "PROMOTE judges against the champion, which isn't possible (train without PROMOTE and promote with "
            f"--force): {error}"
        ) from error
    mine = {"folds": settings.folds, "first_train": settings.first_train, "embargo_hours": settings.embargo}
    if other := _other_evaluation(mine, theirs):
        raise InputError(
            f"PROMOTE judges by the walk-forward, and that of the champion {champion['run']} is another one ({other}): "
            "use its settings, or train without PROMOTE and promote with --force"
        )


def after_training(settings: Settings, models: str) -> Iterator[str]:
    """What `settings.promote` asks for: how the champion did on the hours after its training, then `promote`.

    Both are judged on the data of the run. Where another promotion came between, the new champion is judged against.

    Yields:
        Lines for the log.

    Raises:
        InputError, ModelError: as `promote`.
    """
    champion, _ = champions.read(models)
    if champion is not None:
        yield from _checked(str(champion["run"]), settings)
    for left in reversed(range(TRIES)):
        try:
            result = promote(settings.output, models, settings.promote, data_uri=settings.data, how=settings.reading)
        except champions.Overtaken:
            if not left:
                raise
        else:
            yield from as_text(result).splitlines()
            return


def _checked(champion: str, settings: Settings) -> Iterator[str]:
    """How the champion did on the hours after its training, if there are enough of them."""
    yield f"the champion is {champion}"
    try:
        scores = later.check(champion, settings.data, settings.reading)
    except InputError as error:
        yield f"it isn't checked: {error}"
    else:
        yield from (f"champion: {line}" for line in later.as_text(scores).splitlines() if line)


def as_text(result: Mapping[str, Any]) -> str:
    """The outcome for reading."""
    lines = [f"{'promoted' if result['promoted'] else 'kept'}: {result['run']} ({result['reason']})"]
    if judged := result.get("judged"):
        saved, p_value = judged["saved"], judged["diebold_mariano"]["p_value"]
        lines.append(
            f"{judged['metric']}: {judged['loss']:.6g} against {judged['champion_loss']:.6g} on {judged['hours']:,} "
            f"hours, {judged['first']} to {judged['last']}"
        )
        if None not in (*saved.values(), p_value):
            lines.append(
                f"saved {saved['value']:+.2%} (95 %: {saved['low']:+.2%} to {saved['high']:+.2%}), p {p_value:.3f}"
            )
    return "\n".join(lines)
