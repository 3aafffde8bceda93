"""What others may have written, nested however deeply, is refused by its name, and never a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xgboost

from model import boost, champion, compare, params, predict, sweep
from model.errors import InputError
from model.ubjson import Unreadable

DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("name", "content", "read"),
    [
        ("champion.json", DEEP, lambda folder: champion.read(str(folder))),
        ("manifest.json", DEEP, lambda folder: predict.read_manifest(str(folder))),
        ("manifest.json", DEEP, lambda folder: compare.read(str(folder))),
        ("params.json", DEEP, lambda folder: params.load({"PARAMS_FILE": str(folder / "params.json")})),
        ("params.toml", "a = " + DEEP, lambda folder: params.load({"PARAMS_FILE": str(folder / "params.toml")})),
        ("--grid", DEEP, lambda folder: sweep.parse_grid(DEEP)),
    ],
)
def test_it_is_refused(name: str, content: str, read: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=rf"{name}: not valid (JSON: it is nested too deeply|TOML)"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"), [("start", DEEP), ("start", "{"), ("start", '{"mean": 1}'), ("rounds", "many")]
)
def test_a_booster_whose_notes_were_changed_cannot_be_read(name: str, value: str) -> None:
    table = xgboost.DMatrix(np.ones((4, 1)), label=np.ones(4), feature_names=["a"])
    booster = xgboost.train({"nthread": 1}, table, num_boost_round=1)
    booster.set_attr(target="direction", rounds="1")
    booster.set_attr(**{name: value})
    raw = bytes(booster.save_raw("json"))
    with pytest.raises(Unreadable, match="it was changed"):
        boost.load(raw, ["a"])
    with pytest.raises(Unreadable, match="it was changed"):
        boost.load(raw, ["b"])
