"""Fixtures that every test may use."""

from tests.lab_client import lab as lab
from tests.lab_client import lab_session as lab_session
