"""Model files that XGBoost can't read: one line, with versions, and the process lives."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xgboost

from model import predict, ubjson
from model.errors import InputError

NAMES = ["a", "b"]


@pytest.fixture(scope="module")
def booster() -> xgboost.Booster:
    rng = np.random.default_rng(1)
    data = xgboost.DMatrix(rng.random((50, 2)), label=rng.random(50), feature_names=NAMES)
    return xgboost.train({"max_depth": 2, "nthread": 1}, data, 2)


def future(booster: xgboost.Booster) -> bytes:
    content = json.loads(bytes(booster.save_raw("json")))
    content["version"] = [9, 1, 4]
    content["learner"]["gradient_booster"]["name"] = "gbfuture"
    return json.dumps(content).encode()


def ubj(booster: xgboost.Booster) -> bytes:
    return bytes(booster.save_raw("ubj"))


BAD: dict[str, tuple[Callable[[xgboost.Booster], bytes], str]] = {
    "a booster of the future": (future, "Unknown gbm type gbfuture; it was made by 9.1.4"),
    "a pickle": (pickle.dumps, "neither UBJSON nor JSON"),
    "the old binary format": (lambda _: b"binf" + bytes(400), "neither UBJSON nor JSON"),
    "empty": (lambda _: b"", "it is empty"),
    "cut JSON": (lambda b: bytes(b.save_raw("json"))[:-40], "not whole JSON"),
    "more than one object": (lambda b: ubj(b) + b"}", "goes on after its end"),
    "nested without end": (lambda _: b"{L\0\0\0\0\0\0\0\1a" + b"[" * 5000, "nested too deeply"),
    "a length beyond the end": (lambda _: b"{L\0\0\0\0\0\0\0\1a[$d#L\x7f\0\0\0\0\0\0\0", "its lengths are wrong"),
    "a negative length": (lambda _: b"{L\0\0\0\0\0\0\0\1aSi\x81", "its lengths are wrong"),
    "an unknown mark": (lambda _: b"{L\0\0\0\0\0\0\0\1aq", "unknown mark"),
}


def read(folder: Path, raw: bytes, versions: object = None) -> None:
    (folder / "m.ubj").write_bytes(raw)
    content = {
        "features": {"columns": [{"name": n} for n in NAMES]},
        "models": {"direction": "m.ubj"},
        "files": {"m.ubj": hashlib.sha256(raw).hexdigest()},
        **({"versions": versions} if versions else {}),
    }
    predict.read_models(str(folder), content)


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD.keys())
def test_said_in_one_line(
    booster: xgboost.Booster, tmp_path: Path, make: Callable[[xgboost.Booster], bytes], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, make(booster))
    said = str(caught.value)
    assert f"can't be read by this XGBoost ({xgboost.__version__})" in said
    assert "\n" not in said
    assert "Stack trace" not in said


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_a_file_cut_anywhere(booster: xgboost.Booster, tmp_path: Path, share: float) -> None:
    raw = ubj(booster)
    with pytest.raises(InputError, match=r"was cut.* made by 1\.2\.3"):
        read(tmp_path, raw[: max(2, int(len(raw) * share))], {"xgboost": "1.2.3"})


def test_whole_files_are_read(booster: xgboost.Booster, tmp_path: Path) -> None:
    read(tmp_path, ubj(booster))
    read(tmp_path, bytes(booster.save_raw("json")))
    assert ubjson.made_by(ubj(booster)) == ubjson.made_by(bytes(booster.save_raw("json"))) == xgboost.__version__
