"""What is known of a failed task, what is made of it, and how rules look for evidence. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.core.secret import KNOWN
from reconciler.run.retry import Event

UNKNOWN = "unknown"  # the cause where no rule finds any
TRACEBACK = "Traceback (most recent call last)"
LONGEST = 4_000  # characters of a text (a line of the log, what ECS says) that are looked at, and shown
CHAINED = ("During handling of the above exception", "The above exception was the direct cause")


@dataclass(frozen=True)
class Case:
    """What is known of an ended task. log: its last lines; cpu: CPU units; memory: MiB; image: as it was launched;
    max_duration: seconds; bucket: the deploy's, empty where it isn't known; data: the key of it that the program was to
    read. read, write: the paths of the bucket that its role has, and policy: the statements of task.role.policy; empty
    where they aren't known. first_line: of a file
    of the build context by its name; empty where that isn't known. command: what deploy.yaml says of it. undone: what
    of the Dockerfile wasn't done for a program that ran without a container engine; None where it ran in a container.
    advice: what to do about a Python module that isn't there, where the build context tells more; else empty. of_data,
    in_context: the same about a file by the path that the program took, if it is one of the data, or of the context.
    managed: whether it was on managed instances of this deploy.

    Each text is cut to `LONGEST`, here for all rules: what a program writes may be a line of any length.
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
    bucket: str = ""
    data: str = ""
    read: Sequence[str] = ()
    write: Sequence[str] = ()
    policy: Sequence[Mapping[str, object]] = ()
    first_line: Callable[[str], str] = lambda name: ""
    command: Sequence[str] = ()
    undone: Sequence[str] | None = None
    advice: Callable[[str], str] = lambda module: ""
    of_data: Callable[[str], str] = lambda path: ""
    in_context: Callable[[str], str] = lambda path: ""
    managed: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", cut(self.reason))
        object.__setattr__(self, "log", [cut(line) for line in self.log])

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

    @property
    def known(self) -> bool:
        """Whether a cause was found."""
        return self.cause != UNKNOWN


DiagnosisRule = Callable[[Case], Diagnosis | None]


def cut(text: str, most: int = LONGEST) -> str:
    """A text of at most so many characters: its beginning and its end, where errors stand.

    Without the secrets that are known first: a part of one isn't known again. What is one by its form is looked for in
    what is left: a line may have a megabyte.
    """
    text = KNOWN.hide(text)
    end = most // 4 - 2
    return KNOWN.text(text if len(text) <= most else f"{text[: most - end - 3]} … {text[-end:]}")


@dataclass(frozen=True)
class InOrder:
    """What matches `first`, and after it `then`. Unlike `first.*then` in one expression it looks at a text once."""

    first: str
    then: str


Pattern = str | InOrder


def search(pattern: Pattern, text: str) -> re.Match[str] | None:
    """The first match, ignoring case; of an `InOrder` that of its second part."""
    if isinstance(pattern, str):
        return re.search(pattern, text, re.IGNORECASE)
    begin = re.search(pattern.first, text, re.IGNORECASE)
    return re.compile(pattern.then, re.IGNORECASE).search(text, begin.end()) if begin else None


def find(patterns: Pattern | Sequence[Pattern], texts: Sequence[str]) -> tuple[re.Match[str], str] | None:
    """The last text in which one of the patterns matches."""
    alternatives = [patterns] if isinstance(patterns, str | InOrder) else patterns
    for text in reversed(texts):
        for pattern in alternatives:
            if match := search(pattern, text):
                return match, text.strip()
    return None


def matching_reason(patterns: Pattern | Sequence[Pattern], case: Case) -> str:
    """The reason that ECS gives for the task's end, if one of the patterns matches it; else empty."""
    hit = find(patterns, [case.reason])
    return hit[1] if hit else ""


def no_route(text: str) -> Diagnosis:
    """The subnet can't reach AWS, which shows in many places."""
    return Diagnosis(
        "the task's subnet has no route to AWS",
        (text,),
        "give the task a public IP in a public subnet, or the subnet a NAT gateway or endpoints for ECR, S3 and Logs",
        "network:\n  public_ip: true",
    )
