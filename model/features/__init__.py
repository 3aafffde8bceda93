"""Features of hour t from bars up to and including t, and from nothing later.

Each is one function with its formula beside it; `tests/model/test_leak.py` proves for all
of them that no later row matters.
"""

from model.features import calendar, flow, price, volatility, volume
from model.features.registry import Feature, build, columns_for, differing, names, probe, select

__all__ = [
    "Feature",
    "build",
    "calendar",
    "columns_for",
    "differing",
    "flow",
    "names",
    "price",
    "probe",
    "select",
    "volatility",
    "volume",
]
