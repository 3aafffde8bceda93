"""Forecasts of the next hour of an hourly price series: the program in the container.

Kept free of heavy imports, so that ``python -m model`` can install its signal
handler before numpy, pandas and XGBoost are loaded.
"""

__version__ = "1.0.0"
