"""Features of hour t from bars up to and including t, and from nothing later.

Each is one function with its formula beside it; `tests/model/test_leak.py` proves for all
of them that no later row matters.
"""

from model.features import calendar, flow, price, volatility, volume
from model.features.registry import Feature, build, fingerprint, names, select

__all__ = ["Feature", "build", "calendar", "fingerprint", "flow", "names", "price", "select", "volatility", "volume"]
