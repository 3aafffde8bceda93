"""What can go wrong, and the exit code that says so.

ModelError (1)          failed for a reason that the message explains
└── InputError (2)      the data or the configuration is wrong; the user can fix it
"""

from __future__ import annotations


class ModelError(Exception):
    """A failure with one clear message: what, where, why, and what to do next."""

    exit_code = 1


class InputError(ModelError):
    """The data or the configuration can't be used as it is."""

    exit_code = 2


class NoRowsError(InputError):
    """A file of bars has none."""
