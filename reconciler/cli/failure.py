"""What a command that didn't do its work ends with. Pure, and without what a run needs: it serves a bad file too."""

from __future__ import annotations

from typing import Any

from reconciler.core.errors import ReconcilerError, from_aws

NOT_LAUNCHED = 120  # we failed, and no task was launched
LOST_SIGHT = 121  # we failed while a task was under way
WRONG_INPUT, INTERRUPTED, PIPE = 2, 130, 141

ENDS_AS_THE_TASK = ("apply", "watch")
FAILURES = {
    1: "tool-failed", NOT_LAUNCHED: "tool-failed", LOST_SIGHT: "lost-sight", WRONG_INPUT: "wrong-input",
    INTERRUPTED: "interrupted", PIPE: "interrupted",
}  # fmt: skip


def without_run(code: int) -> dict[str, Any]:
    """The verdict of a command that has no run which is over: `result`, `exit_code`, `task_exit_code`."""
    result = "nothing-to-run" if code == 0 else FAILURES.get(code, "tool-failed")
    return {"result": result, "exit_code": code, "task_exit_code": None}


def failure(code: int, error: ReconcilerError, *, verdict_too: bool = False) -> dict[str, Any]:
    """The object that a command prints with --json when it ends without having done its work."""
    found: dict[str, Any] = {"version": 1, "error": str(error), "exit_code": code}
    if error.hint:
        found["hint"] = error.hint
    if aws := from_aws(error):
        found["aws"] = {"service": aws.service, "operation": aws.operation, "code": aws.code}
        found["aws"]["request_id"] = aws.request_id
    if problems := getattr(error, "errors", ()):
        keys = ("file", "line", "column", "path", "message", "fix")
        found["problems"] = [{key: getattr(one, key) for key in keys} for one in problems]
    return {**found, "verdict": without_run(code)} if verdict_too else found


def ours(module: str, code: int) -> int:
    """A failure's exit code: those that may end with a task's code have another for it than 1."""
    return NOT_LAUNCHED if code == 1 and module in ENDS_AS_THE_TASK else code
