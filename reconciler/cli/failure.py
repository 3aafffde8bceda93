"""What a command that didn't do its work ends with. Pure, and without what a run needs: it serves a bad file too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from reconciler.cli.answer import ABSENT, Answer
from reconciler.core.errors import ReconcilerError, from_aws

NOT_LAUNCHED = 120  # we failed, and no task was launched
LOST_SIGHT = 121  # we failed while a task was under way
WRONG_INPUT, INTERRUPTED, PIPE = 2, 130, 141

ENDS_AS_THE_TASK = ("apply", "watch")
Result = Literal[
    "detached", "interrupted", "interrupted-by-spot", "lost", "lost-sight", "max-cost", "no-capacity", "not-started",
    "nothing-to-run", "some-failed", "stopped", "succeeded", "task-failed", "timeout", "tool-failed", "wrong-input",
]  # fmt: skip
FAILURES: dict[int, Result] = {
    1: "tool-failed", NOT_LAUNCHED: "tool-failed", LOST_SIGHT: "lost-sight", WRONG_INPUT: "wrong-input",
    INTERRUPTED: "interrupted", PIPE: "interrupted",
}  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """How it ended, see exit-codes.md."""

    result: Result
    exit_code: Annotated[int, "the command's exit code"]
    task_exit_code: Annotated[int | None, "the program's own"]


@dataclass(frozen=True)
class FromAws:
    """AWS's answer, if that was it."""

    service: str
    operation: str
    code: str
    request_id: Annotated[str, "for AWS's support"]


@dataclass(frozen=True)
class Wrong:
    """A problem of a file."""

    file: str
    line: Annotated[int, "from 1; 0 for the whole file"]
    column: int
    path: Annotated[str, "such as `task.cpu`"]
    message: str
    fix: str


@dataclass(frozen=True)
class Failure(Answer):
    """What any command prints with --json when it ends without having done its work."""

    error: Annotated[str, "what, where and why"]
    exit_code: Annotated[int, "the command's exit code"]
    hint: Annotated[str, "what to do next"] = ABSENT
    aws: FromAws = ABSENT
    problems: Annotated[Sequence[Wrong], "all that is wrong with the file"] = ABSENT
    verdict: Annotated[Verdict, "of `apply` and `watch` only"] = ABSENT


def without_run(code: int) -> Verdict:
    """The verdict of a command that has no run which is over."""
    return Verdict("nothing-to-run" if code == 0 else FAILURES.get(code, "tool-failed"), code, None)


def failure(code: int, error: ReconcilerError, *, verdict_too: bool = False) -> Failure:
    """The object that a command prints with --json when it ends without having done its work."""
    aws, problems = from_aws(error), getattr(error, "errors", ())
    return Failure(
        str(error),
        code,
        hint=error.hint or ABSENT,
        aws=FromAws(aws.service, aws.operation, aws.code, aws.request_id) if aws else ABSENT,
        problems=[Wrong(p.file, p.line, p.column, p.path, p.message, p.fix) for p in problems] or ABSENT,
        verdict=without_run(code) if verdict_too else ABSENT,
    )


def ours(module: str, code: int) -> int:
    """A failure's exit code: those that may end with a task's code have another for it than 1."""
    return NOT_LAUNCHED if code == 1 and module in ENDS_AS_THE_TASK else code
