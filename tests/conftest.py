"""Fixtures that every test may use."""

import os
import tempfile
from pathlib import Path

from tests.lab_client import lab as lab
from tests.lab_client import lab_session as lab_session

# What the command line keeps in the user's cache folder is kept elsewhere, and all test processes share it.
os.environ["XDG_CACHE_HOME"] = str(Path(tempfile.gettempdir()) / f"reconciler-tests-{os.getuid()}")

pytest_plugins = ["tests.permissions.plugin", "tests.kept_clients"]
