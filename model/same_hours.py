"""Whether two runs forecast the same hours of the same series: what came is compared, and not only the price before."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from model.errors import InputError

NEAR = {"close": (1e-5, 0.0), "ret": (1e-5, 2e-5), "lv": (1e-5, 1e-4)}
"""What must agree in an hour, with how far it may differ: a share, and for logarithms, which are near 0, an amount."""
NAMES = {"close": "close", "ret": "return", "lv": "volatility (log variance)"}
MAX_OTHER = 0.01
"""Two records of one market may differ in this share of the hours, as where an exchange has corrected a bar."""


def alike(left: pd.DataFrame, right: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which rows of two tables of forecasts, of the same hours, have the same outcome.

    An outcome that one of them doesn't have can't be judged by anyhow, and isn't another one.

    Raises:
        InputError: many haven't; names the first.
    """
    good = np.ones(len(left), dtype=np.bool_)
    for name, (share, amount) in NEAR.items():
        a, b = (np.asarray(side[name].to_numpy(), dtype=np.float64) for side in (left, right))
        other = ~np.isclose(a, b, rtol=share, atol=amount) & np.isfinite(a) & np.isfinite(b)
        if other.mean() > MAX_OTHER:
            at = int(np.flatnonzero(other)[0])
            raise InputError(
                f"of the same hours other prices: {NAMES[name]} is {a[at]:.6g} and {b[at]:.6g} at "
                f"{np.datetime64(left.index[at], 's')}Z, and differs in {other.mean():.0%} of them"
            )
        good &= ~other
    return good
