"""What a booster depends on besides its parameters, as checksums: where they agree, the same bytes are trained."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost as xgb

from model import __version__, linear
from model.engine import InMemory, Part
from model.rows import BLOCK, Features, Rows
from model.targets import Targets

LABELS = ("up", "lv", "ret", "scale", "har")
"""What of the targets boosters learn from or start from."""


def versions() -> dict[str, str]:
    """What a run is made with."""
    return {
        "model": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "xgboost": xgb.__version__,
    }


@functools.cache
def program() -> str:
    """A checksum of this program's source files."""
    folder = Path(__file__).parent
    checksum = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content = path.read_bytes()
        checksum.update(f"{path.relative_to(folder).as_posix()} {len(content)}\n".encode() + content)
    return checksum.hexdigest()


@functools.cache
def processor() -> str:
    """A checksum of how this machine computes: libraries choose their code by the processor, and so the last digits.

    Of its instruction sets, and of a logistic regression, a least squares and a booster of made-up numbers.
    """
    t = np.arange(4000 * 24, dtype=np.float64).reshape(4000, 24)
    inputs = np.sin(t * 0.7) + np.exp(np.sin(t * 0.011))
    labels = (np.sin(t[:, 0] * 1.3) > 0).astype(np.float64)
    start = linear.logistic(inputs, labels)
    plain = linear.least_squares(inputs, np.log(inputs[:, 0] + 2))
    rows = Rows(inputs.astype(np.float32), np.arange(len(inputs)), np.arange(inputs.shape[1]))
    settings = {"objective": "binary:logistic", "tree_method": "hist", "max_depth": 4, "subsample": 0.6, "seed": 7}
    booster = InMemory().train(settings, [Part(rows, labels, margin=start.predict(inputs))], 3, None)
    configuration: Any = np.show_config(mode="dicts")
    sets = json.dumps([platform.machine(), platform.libc_ver(), configuration["SIMD Extensions"]])
    checksum = hashlib.sha256(sets.encode() + json.dumps([start.to_json(), plain.to_json()]).encode())
    checksum.update(bytes(booster.save_raw("ubj")))
    return checksum.hexdigest()


def inputs(matrix: Features, targets: Targets) -> str:
    """A checksum of the features and of what is learnt."""
    checksum = hashlib.sha256(json.dumps([matrix.shape, matrix.dtype.str]).encode())
    for start in range(0, len(matrix), BLOCK):
        checksum.update(np.ascontiguousarray(matrix[start : start + BLOCK]).data)
    for name in LABELS:
        checksum.update(np.ascontiguousarray(getattr(targets, name)).data)
    return checksum.hexdigest()
