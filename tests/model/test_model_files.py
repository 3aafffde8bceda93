"""Model files that XGBoost can't read: one line, with versions, and the process lives."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from model import boost, predict, trees, ubjson
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
    "nested without end": (lambda _: b"{L\0\0\0\0\0\0\0\1a" + b"[" * 5000, "nested deeper than 100 levels"),
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


def put(*path: str | int, value: object) -> Callable[[Any], None]:
    """Change one value, below the trees if the path begins with a number."""

    def change(content: Any) -> None:
        learner = content["learner"]
        at = learner if isinstance(path[0], str) else learner["gradient_booster"]["model"]["trees"]
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = value

    return change


MODEL = ("gradient_booster", "model")
HOSTILE: dict[str, Callable[[Any], None]] = {
    "a child that is not there": put(0, "left_children", 0, value=10**6),
    "a loop": put(0, "left_children", 0, value=0),
    "two parents of one node": put(0, "left_children", 0, value=2),
    "a feature that is not there": put(0, "split_indices", 0, value=10**6),
    "a negative feature": put(0, "split_indices", 0, value=-1),
    "a parent that is not there": put(0, "parents", 1, value=10**8),
    "another parent": put(0, "parents", 1, value=2),
    "a root with a parent": put(0, "parents", 0, value=0),
    "half a branch": put(0, "right_children", 0, value=-1),
    "fewer conditions than nodes": put(0, "split_conditions", value=[]),
    "no number": put(0, "split_conditions", 0, value=float("nan")),
    "less than no rows": put(0, "sum_hessian", 1, value=-1.0),
    "broken node numbers": put(0, "left_children", 0, value=1.0),
    "leaves of many values": put(0, "tree_param", "size_leaf_vector", value="50"),
    "more nodes than there are": put(0, "tree_param", "num_nodes", value="1000000"),
    "other features of one tree": put(0, "tree_param", "num_feature", value="1000000"),
    "categories": put(0, "split_type", 0, value=1),
    "two trees of one number": put(1, "id", value=0),
    "two features of one name": put("feature_names", value=["a", "a"]),
    "very many features": put("learner_model_param", "num_feature", value="1000000000"),
    "very many classes": put("learner_model_param", "num_class", value="1000000000"),
    "several targets": put("learner_model_param", "num_target", value="50"),
    "a deeply nested score": put("learner_model_param", "base_score", value="[" * 100_000),
    "trees of other classes": put(*MODEL, "tree_info", value=[5_000_000, 7]),
    "rounds of many trees": put(*MODEL, "iteration_indptr", value=[0, 1000, 2]),
    "parallel trees": put(*MODEL, "gbtree_model_param", "num_parallel_tree", value="1000000"),
    "more trees than there are": put(*MODEL, "gbtree_model_param", "num_trees", value="100000"),
    "no trees": put(*MODEL, value={}),
    "another kind of booster": put("gradient_booster", value={"name": "gblinear", "model": {"weights": [1.0]}}),
    "another objective": put("objective", "name", value="rank:pairwise"),
    "nothing": put("gradient_booster", value=None),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_booster_that_would_end_or_hang_the_process_is_not_given_to_xgboost(
    booster: xgboost.Booster, change: Callable[[Any], None]
) -> None:
    """Each of the first was a SIGSEGV, or took all of the memory or never came back."""
    content = json.loads(bytes(booster.save_raw("json")))
    trees.check(content, boost.OBJECTIVES.values())
    change(content)
    with pytest.raises(ubjson.Unreadable, match="it isn't built as this program's boosters are"):
        boost.load(json.dumps(content).encode(), NAMES)


def test_what_is_said_twice_is_refused(booster: xgboost.Booster) -> None:
    """Two readers may each take another one for it."""
    name = b"L" + (14).to_bytes(8, "big") + b"tree_info_copy"
    text, packed = bytes(booster.save_raw("json")), ubj(booster)
    for raw in (text[:-1] + b',"version":[1,2,3]}', packed[:-1] + (name + b"Z") * 2 + b"}"):
        with pytest.raises(ubjson.Unreadable, match="it says one thing twice"):
            boost.load(raw, NAMES)


def test_json_and_ubjson_say_the_same(booster: xgboost.Booster) -> None:
    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(item) for name, item in value.items()}
        if isinstance(value, np.ndarray):
            return [float(item) for item in value]
        return [plain(item) for item in value] if isinstance(value, list) else value

    text, packed = (plain(ubjson.decode(raw)) for raw in (bytes(booster.save_raw("json")), ubj(booster)))
    assert text.keys() == packed.keys()
    json_trees, packed_trees = (content["learner"]["gradient_booster"]["model"]["trees"] for content in (text, packed))
    for tree, other in zip(json_trees, packed_trees, strict=True):
        assert tree.keys() == other.keys()
        assert tree["left_children"] == other["left_children"]
        assert np.allclose(tree["split_conditions"], other["split_conditions"])


def test_a_start_of_other_inputs_is_refused(booster: xgboost.Booster) -> None:
    start = {"mean": [0.0], "std": [1.0], "weights": [1.0], "intercept": 0.0}
    content = json.loads(bytes(booster.save_raw("json")))
    for target in ("volatility", "direction"):
        content["learner"]["attributes"] = {"target": target, "rounds": "2", "start": json.dumps(start)}
        with pytest.raises(ubjson.Unreadable, match="it starts from other inputs than it has"):
            boost.load(json.dumps(content).encode(), NAMES)
