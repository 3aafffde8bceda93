"""Why a task failed and what to do: rules over what ECS says, the exit code and the log. Pure.

Each rule gives evidence that it found, never a guess; the first that finds some explains the failure. Where none
does, the cause is said to be unknown, with what there is.
"""

from __future__ import annotations

from reconciler.run.diagnosis import UNKNOWN, Case, Diagnosis
from reconciler.run.explain_end import END
from reconciler.run.explain_start import START


def explain(case: Case) -> Diagnosis:
    """The first rule that finds evidence, or `unknown` with the last lines of the log."""
    for rule in (*START, *END):
        if diagnosis := rule(case):
            return diagnosis
    evidence = [f"exit code: {'none' if case.exit_code is None else case.exit_code}"]
    evidence += [case.reason] if case.reason else []
    return Diagnosis(
        UNKNOWN,
        (*evidence, *case.log[-5:]),
        "read the log; a program that says why it ends is the best diagnosis",
        sure=False,
    )
