"""What the embedded ECS is asked to do wrong: rules that a test sends to `/_reconciler/behaviour`.

A rule is matched when a task is launched, and then holds for that task. docs/local.md lists the rules.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

Rule = dict[str, Any]

OPTIONS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "no-capacity": {"when": str, "reason": str},
    "spot-interruption": {"after_seconds": (int, float), "after_lines": int},
    "instance-loss": {"after_seconds": (int, float), "after_lines": int},
    "start-error": {"code": str, "message": str},
    "memory-limit": {"mib": int},
    "stop-timeout": {"seconds": (int, float)},
    "state-delay": {"state": str, "seconds": (int, float)},
    "log-delay": {"seconds": (int, float), "random": bool, "after_lines": int, "from_stop": bool, "stored": bool},
    "log-loss": {"after_lines": int},
    "missing": {"looks": int},
    "expire": {"seconds": (int, float)},
    "no-exit-code": {},
}
NEEDED = {
    "start-error": ("code", "message"),
    "memory-limit": ("mib",),
    "stop-timeout": ("seconds",),
    "state-delay": ("state", "seconds"),
    "log-delay": ("seconds",),
    "log-loss": ("after_lines",),
    "missing": ("looks",),
    "expire": ("seconds",),
}
FACTS = ("cluster", "family", "group", "startedBy", "capacityProvider", "launchType")
STATES = ("PROVISIONING", "PENDING", "DEPROVISIONING")


class Behaviour:
    """The rules in force. Safe for many threads."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def replace(self, rules: object) -> None:
        """Put these rules in place of those before. Raises ValueError that says which rule is wrong and how."""
        if not isinstance(rules, list):
            raise ValueError("the body must be a JSON list of rules")
        checked = [_checked(number, rule) for number, rule in enumerate(rules, 1)]
        with self._lock:
            self._rules = checked

    def rules(self) -> list[Rule]:
        """The rules as they now stand: `skip` and `times` count down."""
        with self._lock:
            return [dict(rule) for rule in self._rules]

    def take(self, do: str, facts: Mapping[str, str | None]) -> list[Rule]:
        """All rules that do this to a launch with these facts; each is counted as used once."""
        matching = []
        with self._lock:
            for rule in self._rules:
                matches = all(facts.get(name) == rule[name] for name in FACTS if name in rule)
                if rule["do"] != do or not matches or rule["times"] == 0:
                    continue
                if rule["skip"] > 0:
                    rule["skip"] -= 1
                    continue
                rule["times"] -= 1 if rule["times"] > 0 else 0
                matching.append(dict(rule))
        return matching


class Quirks:
    """The rules that one launch met."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._rules = list(rules)

    def first(self, do: str) -> Rule | None:
        """The first rule that does this, or None."""
        return next((rule for rule in self._rules if rule["do"] == do), None)

    def options(self, do: str) -> Rule:
        """The options of the first rule that does this; empty without one."""
        return {name: value for name, value in (self.first(do) or {}).items() if name in OPTIONS[do]}

    def number(self, do: str, option: str, default: float) -> float:
        """The option of the first rule that does this, or the default."""
        rule = self.first(do)
        return float(rule[option]) if rule is not None and option in rule else default

    def state_delay(self, state: str) -> float:
        """Seconds to stay in a state."""
        return sum(float(r["seconds"]) for r in self._rules if r["do"] == "state-delay" and r["state"] == state)


def quirks_of(behaviour: Behaviour, facts: Mapping[str, str | None]) -> Quirks:
    """What to do to one task that is being launched."""
    return Quirks([rule for name in OPTIONS for rule in behaviour.take(name, facts)])


def _checked(number: int, rule: object) -> Rule:
    label = f"rule {number}"
    if not isinstance(rule, dict) or rule.get("do") not in OPTIONS:
        raise ValueError(f"{label}: 'do' must be one of {', '.join(OPTIONS)}")
    do = str(rule["do"])
    options = OPTIONS[do]
    for name, value in rule.items():
        if name in options:
            kind: type | tuple[type, ...] = options[name]
        elif name in ("skip", "times"):
            kind = int
        elif name in ("do", *FACTS):
            kind = str
        else:
            keys = ", ".join([*options, *FACTS, "skip", "times"])
            raise ValueError(f"{label} ({do}): unknown key {name!r}; known: {keys}")
        if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
            raise ValueError(f"{label} ({do}): {name} has the wrong type: {value!r}")
    for name in NEEDED.get(do, ()):
        if name not in rule:
            raise ValueError(f"{label} ({do}): {name!r} is missing")
    if do == "state-delay" and rule["state"] not in STATES:
        raise ValueError(f"{label} ({do}): 'state' must be one of {', '.join(STATES)}")
    if do == "no-capacity" and rule.get("when", "run") not in ("run", "start"):
        raise ValueError(f"{label} ({do}): 'when' must be run or start")
    return {"skip": 0, "times": 1, **rule}
