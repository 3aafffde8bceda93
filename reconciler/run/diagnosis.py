"""What is known of a failed task, what is made of it, and how rules look for evidence. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reconciler.run.retry import Event

TRACEBACK = "Traceback (most recent call last)"
CHAINED = ("During handling of the above exception", "The above exception was the direct cause")


@dataclass(frozen=True)
class Case:
    """What is known of an ended task. log: its last lines; cpu: CPU units; memory: MiB; image: as it was launched;
    max_duration: seconds; data: the key of the bucket that the program was to read.
    """

    event: Event
    exit_code: int | None
    reason: str
    log: Sequence[str]
    cpu: int
    memory: int
    architecture: str
    image: str
    task_role: str
    execution_role: str
    log_group: str
    max_duration: int | None = None
    data: str = ""

    @property
    def telling(self) -> Sequence[str]:
        """The lines that tell of the end: from the last traceback on, with those it came from; all without one.

        What a program met and got over before that isn't why it failed.
        """
        starts = [i for i, line in enumerate(self.log) if TRACEBACK in line]
        if not starts:
            return self.log
        first = starts.pop()
        while starts and any(line.startswith(CHAINED) for line in self.log[starts[-1] : first]):
            first = starts.pop()
        return self.log[first:]


@dataclass(frozen=True)
class Diagnosis:
    """cause: one line. evidence: quoted from ECS or the log. fix: what to do; change: to deploy.yaml, if that is it."""

    cause: str
    evidence: tuple[str, ...]
    fix: str
    change: str = ""
    sure: bool = True


Rule = Callable[[Case], Diagnosis | None]


def find(pattern: str, texts: Sequence[str]) -> tuple[re.Match[str], str] | None:
    """The last text that matches, ignoring case."""
    for text in reversed(texts):
        if match := re.search(pattern, text, re.IGNORECASE):
            return match, text.strip()
    return None


def said(pattern: str, case: Case) -> str:
    """What ECS said, if it matches."""
    found = find(pattern, [case.reason])
    return found[1] if found else ""


def no_route(text: str) -> Diagnosis:
    """The subnet can't reach AWS, which shows in many places."""
    return Diagnosis(
        "the task's subnet has no route to AWS",
        (text,),
        "give the task a public IP in a public subnet, or the subnet a NAT gateway or endpoints for ECR, S3 and Logs",
        "network:\n  public_ip: true",
    )
