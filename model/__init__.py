"""Forecasts of the next hour of an hourly price series: the program in the container.

Kept free of heavy imports, so that ``python -m model`` can install its signal
handler before numpy, pandas and XGBoost are loaded.
"""

import os

__version__ = "1.0.0"

# One BLAS thread: sums come out in one order whatever the machine, and the
# threads that there are go to training whole models side by side.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
