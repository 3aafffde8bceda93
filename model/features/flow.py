"""Order flow, for data in the full format (number of trades, taker buy volume)."""

from __future__ import annotations

import numpy as np

from model.bars import Array
from model.features.registry import feature
from model.features.series import Series


def _share(x: Series) -> Array:
    volume = x.bars.volume
    return x.bars.flow["taker_base"] / np.where(volume > 0, volume, np.nan) - 0.5


@feature("taker_share", "taker buy volume / V - 1/2", "flow", needs_flow=True)
def taker_share(x: Series) -> Array:
    """The share of volume that buyers started."""
    return _share(x)


@feature("taker_share_{w}", "mean(taker_share) over {w} hours", "flow", windows=(3, 24), needs_flow=True)
def taker_mean(x: Series, w: int) -> Array:
    """The takers' share, averaged over a window."""
    return x.mean_of(_share(x), w)


@feature("trades_rel_{w}", "ln N[t] - mean(ln N, {w} h)", "flow", windows=(24, 168), needs_flow=True)
def trades(x: Series, w: int) -> Array:
    """The number of trades against a window's."""
    count = x.bars.flow["trades"]
    logs = np.log(np.where(count > 0, count, np.nan))
    return logs - x.mean_of(logs, w)


@feature("trade_size", "ln(V[t] / N[t]) - mean over 168 h", "flow", needs_flow=True)
def trade_size(x: Series) -> Array:
    """The size of a trade against the week's."""
    count = x.bars.flow["trades"]
    size = x.log_volume - np.log(np.where(count > 0, count, np.nan))
    return size - x.mean_of(size, 168)
