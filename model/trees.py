"""Whether a decoded model file holds trees that XGBoost can follow.

XGBoost believes what a file says of nodes, features and classes. A file with a branch to a node that isn't there ends
the process, and one with a loop or a thousand million classes never comes back.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from model.ubjson import Unreadable

MOST_FEATURES = 10_000
DEPTH = 64
_ROOT = (-1, 2**31 - 1)
"""What stands for the parent of a root."""
_OF_NODES = ("parents", "split_conditions", "default_left", "base_weights", "loss_changes", "sum_hessian")
_CATEGORIES = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
_OTHERS = ("gblinear", "dart")
"""What XGBoost makes beside trees, and this program doesn't."""


def check(content: Any, objectives: Collection[str]) -> None:
    """See that a model file is one of boosted trees on numbers, for one of these objectives.

    Raises:
        Unreadable: it isn't.
    """
    try:
        with np.errstate(invalid="ignore"):
            fits = _fits(content, objectives)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        fits = False
    if not fits:
        raise Unreadable("it isn't built as this program's boosters are")


def _fits(content: Any, objectives: Collection[str]) -> bool:
    learner = content["learner"]
    shape, booster = learner["learner_model_param"], learner["gradient_booster"]
    features, names = int(shape["num_feature"]), learner.get("feature_names", ())
    if not (
        1 <= features <= MOST_FEATURES
        and int(shape.get("num_class", 0)) in (0, 1)
        and int(shape.get("num_target", 1)) == 1
        and re.fullmatch(r"\[?[-+.\dEe]{1,40}\]?", shape["base_score"])
        and len(names) in (0, features)
        and len(set(names)) == len(names)
        and "c" not in learner.get("feature_types", ())
        and len(content["version"]) == 3
    ):
        return False
    if booster["name"] != "gbtree":
        return booster["name"] not in _OTHERS  # XGBoost refuses, and names, what it doesn't know
    if learner["objective"]["name"] not in objectives:
        return False
    model = booster["model"]
    trees, of_trees = model["trees"], model["gbtree_model_param"]
    rounds = model.get("iteration_indptr", range(len(trees) + 1))
    return (
        int(of_trees["num_trees"]) == len(trees)
        and int(of_trees.get("num_parallel_tree", 1)) == 1
        and not any(len(part) for part in model.get("cats", {}).values())
        and list(rounds) == list(range(len(trees) + 1))
        and list(model["tree_info"]) == [0] * len(trees)
        and [tree["id"] for tree in trees] == list(range(len(trees)))
        and all(_is_tree(tree, features) for tree in trees)
    )


def _whole_numbers(values: Any) -> npt.NDArray[np.int64]:
    numbers = np.asarray(values)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise TypeError("whole numbers are needed")
    return numbers.astype(np.int64)


def _is_tree(tree: Any, features: int) -> bool:
    """Whether each node but the root has one parent, which knows it, and no branch is endless."""
    shape = tree["tree_param"]
    left, right, split, parents = (
        _whole_numbers(tree[name]) for name in ("left_children", "right_children", "split_indices", "parents")
    )
    count, inner = len(left), np.flatnonzero(left != -1)
    if not (
        int(shape["num_nodes"]) == count == len(right) == len(split)
        and int(shape["num_feature"]) == features
        and int(shape["size_leaf_vector"]) in (0, 1)
        and all(len(tree[name]) == count for name in _OF_NODES)
        and all(np.isfinite(np.asarray(tree[name], float)).all() for name in _OF_NODES)
        and min(tree["sum_hessian"]) >= 0
        and not any(len(tree.get(name, ())) for name in _CATEGORIES)
        and not np.any(tree.get("split_type", 0))
        and np.array_equal(inner, np.flatnonzero(right != -1))
        and ((split[inner] >= 0) & (split[inner] < features)).all()
        and parents[0] in _ROOT
        and ((parents[1:] >= 0) & (parents[1:] < count)).all()
    ):
        return False
    children = np.concatenate([left[inner], right[inner]])
    if not (
        ((children > 0) & (children < count)).all()
        and np.bincount(children, minlength=1).max() <= 1
        and np.array_equal(parents[children], np.concatenate([inner, inner]))
    ):
        return False
    level = np.zeros(1, dtype=np.int64)
    for _ in range(DEPTH):
        level = level[left[level] != -1]
        if not len(level):
            return True
        level = np.concatenate([left[level], right[level]])
    return False
