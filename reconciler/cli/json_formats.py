"""The form of what each command prints with --json, as JSON schemas. Used to publish them, never by a command.

`python -m reconciler.cli.publish` writes them to reconciler/cli/schemas/ and explains them in docs/json.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reconciler.cli.failure import FAILURES
from reconciler.cli.json_shapes import (
    FINDING,
    FINDINGS,
    Schema,
    answer,
    number,
    one_of,
    or_null,
    ref,
    shape,
    some,
    text,
    texts,
    yes_no,
)  # fmt: skip
from reconciler.cli.verdict import NAMES
from reconciler.run.run_record import Run
from reconciler.run.state import State

PLAN = Path(__file__).with_name("plan.schema.json")

OUTCOME: dict[str, Schema] = {
    "done": some(text(), "the addresses (`KIND.NAME`) of the steps that were done"),
    "failed": some(shape("", {"resource": text("its address"), "error": text("why")}), "the steps that failed"),
    "not_tried": some(shape("", {"resource": text("its address"), "because": text("why")}), "those that weren't tried"),
}
RESULTS = sorted({*NAMES.values(), *FAILURES.values(), "nothing-to-run", "some-failed", "stopped"})
VERDICT = shape(
    "How it ended, see exit-codes.md.",
    {"result": one_of(RESULTS), "exit_code": number("the command's", "integer"),
     "task_exit_code": or_null(number(kind="integer"), "the program's own")},
)  # fmt: skip
SWEEP = shape(
    "All runs of a sweep or of `--count`.",
    {
        "id": text(),
        "counts": {"type": "object", "additionalProperties": number(kind="integer"), "description": "runs by state"},
        "runs": some({"allOf": [ref("run")]}, "each with its own `verdict` besides"),
    },
)
DIFFERENCES: Schema = {"type": "object", "additionalProperties": {"type": "array", "minItems": 2, "maxItems": 2}}
PROBLEM = shape(
    "",
    {"file": text(), "line": number("from 1; 0 for the whole file", "integer"), "column": number(kind="integer"),
     "path": text("such as `task.cpu`"), "message": text(), "fix": text()},
)  # fmt: skip

ERROR = answer(
    "What any command prints with --json when it ends without having done its work.",
    {
        "error": text("what, where and why"),
        "exit_code": number("the command's", "integer"),
        "hint": text("what next"),
        "problems": some(PROBLEM, "all that is wrong with the file"),
        "aws": shape(
            "AWS's answer, if that was it",
            {"service": text(), "operation": text(), "code": text(), "request_id": text("for AWS's support")},
        ),
        "verdict": ref("verdict", "of `apply` and `watch` only"),
    },
    optional=("hint", "problems", "aws", "verdict"),
)
RUN_ID = text("the run's id")
UNREADABLE = some(
    shape("", {"key": text("of the bucket"), "why": text("in a few words")}), "the records of runs that can't be read"
)
LOCAL_ANSWERS = [
    answer(
        "`local status`",
        {
            "action": {"const": "status"},
            "running": yes_no("whether the embedded AWS runs"),
            "endpoint_url": or_null(text(), "where"),
            "pid": or_null(number(kind="integer"), "its process"),
        },
    ),
    answer(
        "`local env`",
        {
            "action": {"const": "env"},
            "set": texts("the environment with which AWS tools reach it, its key included"),
            "unset": some(text(), "variables that would lead them elsewhere"),
        },
    ),
    answer("`local stop` and `local reset`", {"action": one_of(["stop", "reset"]), "was_running": yes_no("until now")}),
]
RUNS_ANSWERS = [
    answer("`runs`", {"runs": some(ref("run"), "the newest first"), "unreadable": UNREADABLE}),
    answer("`runs show`", {"run": ref("run")}),
    answer(
        "`runs compare A B`",
        {"a": RUN_ID, "b": RUN_ID, "inputs": {**DIFFERENCES, "description": "path: [of a, of b], where they differ"},
         "metrics": {**DIFFERENCES, "description": "the same of the metrics"}},
    ),
    answer("`runs best METRIC`", {"metric": text(), "runs": some(ref("run"), "those that have it, the best first")}),
]  # fmt: skip
DOLLARS = or_null(number(), "null when a price isn't known")
SUMS: dict[str, Schema] = {
    "total": DOLLARS,
    "lines": some(shape("", {"what": text(), "sum": text("the arithmetic"), "dollars": DOLLARS}), "what is paid for"),
}
IAM_POLICY = shape(
    "", {"name": text("what it may be called"), "characters": number("as IAM counts them", "integer"),
         "document": {"type": "object", "description": "the policy"}}
)  # fmt: skip
WIDE = shape("", {"why": text(), "actions": some(text(), "`ACTION on RESOURCE`")})
COMMANDS: dict[str, list[Schema]] = {
    "apply": [
        answer(
            "What was done, and how the run ended.",
            {"plan": ref("plan"), **OUTCOME, "verdict": ref("verdict"),
             "run": or_null(ref("run"), "the run that this is about, if there is one; not with a sweep"),
             "sweep": ref("sweep", "with a sweep")},
            optional=("run", "sweep"),
        )
    ],
    "completion": [answer("The script.", {"shell": one_of(["bash", "zsh", "fish"]), "script": text()})],
    "cost": [
        answer(
            "What a run and a month cost, in US dollars.",
            {
                "deploy": text("the deploy's name"),
                "region": text(),
                "prices": shape(
                    "The table of prices.", {"date": text("when it was made"), "sources": texts("its pages")}
                ),
                "assumed": {
                    "type": "object",
                    "additionalProperties": shape("", {"value": number(), "source": text("where it is from")}),
                    "description": "`minutes` of a run, `runs_per_month`, `image_gb` in ECR, `log_mb` a task",
                },
                "run": shape("A run.", SUMS),
                "month": shape("A month.", {"runs": number("runs in it"), **SUMS}),
            },
        )
    ],
    "destroy": [answer("What was deleted.", {"plan": ref("plan"), **OUTCOME})],
    "diagnose": [
        answer(
            "Why a run failed.",
            {
                "run": RUN_ID,
                "state": one_of([state.value for state in State]),
                "cause": or_null(text(), "in a line; null when the run didn't fail"),
                "evidence": some(text(), "quoted from ECS or the log"),
                "fix": text("what to do"),
                "change": text("to deploy.yaml, if that is it"),
                "sure": yes_no("whether the evidence leaves no doubt"),
            },
            optional=("evidence", "fix", "change", "sure"),
        )
    ],
    "doctor": [answer("What a deployment needs of this machine.", FINDINGS)],
    "import": [
        answer(
            "What was found and written.",
            {
                "file": text("the deploy.yaml that was written"),
                "found": some(shape("", {"kind": text(), "name": text()}), "what it describes"),
                "differences": some(text(), "what its plan would still show"),
                "notes": some(text(), "what to know besides"),
            },
        )
    ],
    "init": [
        answer(
            "What was written.",
            {
                "wrote": some(text(), "new files, relative to the folder"),
                "left": some(text(), "files that were there already and are as they were"),
                "notes": some(text(), "what to know besides"),
            },
        )
    ],
    "local": LOCAL_ANSWERS,
    "logs": [
        shape(
            "One object for each line, on a line of its own (JSON Lines), as it comes.",
            {"container": text(), "text": text(), "timestamp": number("seconds since the epoch")},
        )
    ],
    "permissions": [
        answer(
            "The smallest policies, by command.",
            {
                "deploy": text("the deploy's name"),
                "account": text("its id"),
                "region": text(),
                "commands": {
                    "type": "object",
                    "additionalProperties": shape("", {"policies": some(IAM_POLICY, "all of them are needed"),
                                                       "wide": some(WIDE, "what isn't named to its end")}),
                    "description": "by `plan`, `apply`, `run`, `destroy`; with --for, one of them",
                },
                "no_permission_needed": some(text(), "calls that AWS allows everybody"),
            },
        )
    ],
    "recover": [
        answer(
            "The record that was written.",
            {
                "record": some(text(), "the addresses of this deploy's resources"),
                "new": some(text(), "those that the record before didn't have"),
                "dropped": texts("address: why it was dropped"),
                "unread": texts("kind: why it wasn't listed"),
            },
        )
    ],
    "runs": RUNS_ANSWERS,
    "status": [
        answer(
            "What is there.",
            {
                "plan": ref("plan"),
                "lock": or_null(text(), "who holds it"),
                "runs": some(ref("run"), "the newest first"),
                "unreadable": UNREADABLE,
            },
        )
    ],
    "stop": [
        answer(
            "What became of it.",
            {
                "run": RUN_ID,
                "result": one_of(["is-over", "stopped", "is-being-stopped"]),
                "task_arn": or_null(text(), "the task that was stopped"),
            },
        )
    ],
    "unlock": [answer("Who held it.", {"unlocked": yes_no("whether it was locked"), "holder": or_null(text(), "who")})],
    "verify": [answer("What was looked at in the account.", FINDINGS)],
    "watch": [answer("How the run ended.", {"verdict": ref("verdict"), "run": ref("run")})],
}  # fmt: skip
# Their formats have files of their own: docs/plan-json.md, and deploy.yaml itself.
ELSEWHERE = {"plan": "reconciler/cli/plan.schema.json", "show": "reconciler/config/deploy.schema.json"}


def shared() -> dict[str, Schema]:
    """The shapes that several commands print, by name, without what only they need."""
    return {"verdict": VERDICT, "sweep": SWEEP, "run": _run(), "finding": FINDING}


def schema(command: str) -> Schema:
    """The JSON schema (draft 2020-12) of a command's object, or of `error`. Raises KeyError."""
    answers = [ERROR] if command == "error" else COMMANDS[command]
    found: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"What `reconciler {command} --json` prints, version 1"
        if command != "error"
        else "A failed command, version 1",
    }
    found |= answers[0] if len(answers) == 1 else {"anyOf": answers}
    plan = json.loads(PLAN.read_text(encoding="utf-8"))
    inner = plan.pop("$defs")
    everything = {**shared(), **_run_parts(), **inner, "plan": {k: v for k, v in plan.items() if k != "$schema"}}
    needed: dict[str, Schema] = {}
    _collect(found, everything, needed)
    return found | ({"$defs": needed} if needed else {})


def _collect(part: Any, everything: dict[str, Schema], needed: dict[str, Schema]) -> None:
    """Add to `needed` what `part` refers to, and what that refers to."""
    if isinstance(part, list):
        for item in part:
            _collect(item, everything, needed)
    elif isinstance(part, dict):
        name = str(part.get("$ref", "")).removeprefix("#/$defs/")
        if name and name not in needed:
            needed[name] = everything[name]
            _collect(everything[name], everything, needed)
        for value in part.values():
            _collect(value, everything, needed)


def _run() -> Schema:
    found = _record()
    found.pop("$defs")
    return found | {"description": "One run, as docs/runs.md explains it. Times are seconds since the epoch."}


def _run_parts() -> dict[str, Schema]:
    parts: dict[str, Schema] = _record()["$defs"]
    return parts


def _record() -> Schema:
    found: Schema = _untitled(Run.model_json_schema(mode="serialization"))
    return found


def _untitled(part: Any) -> Any:
    if isinstance(part, list):
        return [_untitled(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {k: _untitled(v) for k, v in part.items() if not (k == "title" and isinstance(v, str))}
