"""What a fault case is: what AWS does that an emulator doesn't, and how it has to end.

Each case is one deployment (or change, destruction, plan) during which the lab answers as its rules say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Rule = dict[str, Any]
Act = Literal["apply", "change", "destroy", "plan"]


@dataclass(frozen=True)
class Case:
    """One case.

    only: the kinds or names that are applied, with what they need. act: `apply` from nothing; `change` after somebody
    changed things by hand (`changes.py`); `destroy`; `plan`, all but the first of a whole deployment.
    fails: a regular expression for the message and hint of the one error; empty when it converges.
    calls: how often these operations are to be called. wait: (least, most) seconds waited.
    """

    name: str
    only: tuple[str, ...]
    rules: tuple[Rule, ...]
    act: Act = "apply"
    fails: str = ""
    calls: dict[str, int] = field(default_factory=dict)
    wait: tuple[float, float] = (0.0, 700.0)


def error(
    service: str, op: str, code: str, message: str = "", times: int = 3, status: int = 400, skip: int = 0
) -> Rule:
    """Answer with an error."""
    return {
        "service": service,
        "op": op,
        "do": "error",
        "code": code,
        "message": message or code,
        "times": times,
        "status": status,
        "skip": skip,
    }


def lose(service: str, op: str, times: int = 1) -> Rule:
    """Do the work and lose the answer."""
    return {"service": service, "op": op, "do": "lose", "times": times}


def reset(service: str, op: str, times: int = 1) -> Rule:
    """Hang up without doing anything."""
    return {"service": service, "op": op, "do": "reset", "times": times}


EVER = -1
