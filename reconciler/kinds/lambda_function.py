"""Lambda functions: one archive of this program's own modules, what it runs with, who calls it, what it hands on."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainSerializer

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.attached import AttachedSpec, not_allowed, note, to_detach
from reconciler.core.canonical import JsonText, StringSet, json_text
from reconciler.core.errors import Denied
from reconciler.core.needs import Needs
from reconciler.core.spec import Changes, Grants, Observed, Ref, SecretsByName, Spec, top, touches
from reconciler.kinds import function_attached
from reconciler.kinds.base import Kind

HANDLER = "reconciler.scheduled.handler.handle"
RUNTIME = "python3.13"
# The code needs nothing but Python's own library and boto3, which Lambda has (tests/scheduled/test_bundle.py holds it
# to that), so nothing is installed or built.
MODULES = (
    "__init__",
    *(f"core/{n}" for n in ("__init__", "errors", "fargate", "function_settings", "managed_instances", "plain_json",
                           "prices")),
    "core/limits", "core/pages", "core/run_paths", "core/secret", "core/text", "core/workers",
    *(f"run/{n}" for n in ("__init__", "diagnosis", "explain", "explain_end", "explain_missing", "explain_start")),
    *(f"run/{n}" for n in ("last_lines", "verdict", "log_end", "webhook", "usage")),
    *(f"run/{n}" for n in ("message", "metrics", "place", "retry", "run_task", "state", "run", "stop_schedule")),
    *(f"run/{n}" for n in ("cap", "checkpoint", "index", "index_store", "scheduled_record", "step", "stored")),
    "run/crew", "run/task_of_token", "run/workers",
    *(f"scheduled/{n}" for n in ("__init__", "aws", "function_launch", "handler", "later", "record", "see", "tell")),
    "scheduled/why", "scheduled/workers",
)  # fmt: skip
ALWAYS = (1980, 1, 1, 0, 0, 0)  # the time that zip archives begin with
# What AWS fills in, and with which it is put right; the log group has the function's name.
DEFAULTS: dict[str, Any] = {
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []}, "FileSystemConfigs": [], "KMSKeyArn": "",
    "TracingConfig": {"Mode": "PassThrough"}, "EphemeralStorage": {"Size": 512}, "SnapStart": {"ApplyOn": "None"},
}  # fmt: skip
ARCHITECTURES = ["x86_64"]
FAILED = " (AWS failed to make it ready)"  # so that it is a difference, and its code is put again
ACTION = "lambda:InvokeFunction"


class FunctionSpec(AttachedSpec):
    """A function. It owns its resource policy and all that hangs on it: what isn't wanted is taken away."""

    kind: ClassVar[str] = "function"
    uses: ClassVar[tuple[str, ...]] = (
        "role", "log-group", "queue", "cluster", "capacity-provider", "task-definition", "security-group",
    )  # fmt: skip
    works_with: ClassVar[tuple[str, ...]] = ("bucket", "object", "folder", "topic")

    code: str = ""  # base64 of the archive's SHA-256
    runtime: str = ""
    handler: str = ""
    role: Annotated[str, Grants()] = ""  # ARN, with which it runs
    timeout: int = 3  # seconds
    memory: int = 128  # MiB
    description: str = ""
    environment: Annotated[dict[str, str | Annotated[Ref, PlainSerializer(str)]], SecretsByName()] = Field({})
    dead_letters: Annotated[str, Grants()] = ""  # ARN of the queue that gets the events at which it failed
    invokers: Annotated[StringSet, Grants()] = ()  # `SERVICE SOURCE_ARN`, or a statement of another form, as JSON
    layers: Annotated[tuple[str, ...], Grants()] = ()  # ARNs of others' code that runs with its role
    other: JsonText = ""  # everything else that it has


class Function(Kind[FunctionSpec]):
    """Reads and writes functions."""

    spec: ClassVar[type[Spec]] = FunctionSpec
    needs: ClassVar[Needs] = Needs(
        create=("lambda:CreateFunction", "lambda:TagResource"),
        delete=("lambda:DeleteFunction", "lambda:DeleteEventSourceMapping"),
        set={"invokers": ("lambda:AddPermission",)},
        fields={"invokers": ("lambda:RemovePermission",), "attached": function_attached.WRITES,
                "code": ("lambda:UpdateFunctionCode",),
                "other": ("lambda:UpdateFunctionConfiguration", "lambda:UpdateFunctionCode",
                          "lambda:DeleteFunctionConcurrency"),
                "tags": ("lambda:TagResource", "lambda:UntagResource"), "": ("lambda:UpdateFunctionConfiguration",)},
        read=("lambda:GetFunction", "lambda:GetPolicy", "lambda:ListTags", *function_attached.READS),
        on=("lambda:function:{name}",), elsewhere=function_attached.ELSEWHERE,
        passes={"role": "lambda"}, pushed=("code", ""),  # it is told of the task's size and the like
        listing=("lambda:ListFunctions", "lambda:ListTags"),
    )  # fmt: skip
    pattern: ClassVar[str] = r"[A-Za-z0-9_-]{1,64}"

    def read(self, aws: Aws, want: FunctionSpec) -> Observed[FunctionSpec] | None:
        """Two reads, and five of what hangs on it once it is there."""
        reads = aws.each(
            lambda operation: aws.find("lambda", operation, FunctionName=want.name), ("GetFunction", "GetPolicy")
        )
        if reads[0] is None:
            return None
        live, arn = reads[0]["Configuration"], reads[0]["Configuration"]["FunctionArn"]
        if tags_error := reads[0].get("TagsError"):  # without tags it would pass for somebody else's
            hint = f"allow lambda:ListTags on {arn} to whoever runs this"
            raise Denied("lambda", "ListTags", tags_error["ErrorCode"], tags_error["Message"], hint=hint)
        statements = json.loads((reads[1] or {}).get("Policy") or "{}").get("Statement", ())
        state = _state(live)
        other = _other(live) | (reads[0].get("Concurrency") or {})
        attached = not_allowed(function_attached.read(aws, want.name), want)
        spec = FunctionSpec(
            name=want.name,
            attached=attached,
            allow=want.allow,
            code=live["CodeSha256"] + (FAILED if state.get("failure") else ""),
            runtime=live.get("Runtime") or "",
            handler=live.get("Handler") or "",
            role=live["Role"],
            timeout=live["Timeout"],
            memory=live["MemorySize"],
            description=live.get("Description") or "",
            environment=(live.get("Environment") or {}).get("Variables") or {},
            dead_letters=(live.get("DeadLetterConfig") or {}).get("TargetArn") or "",
            invokers=[_invoker(statement, arn) for statement in statements],
            layers=tuple(layer["Arn"] for layer in live.get("Layers") or ()),
            other=json.dumps(other) if other else "",
            tags={key: value for key, value in (reads[0].get("Tags") or {}).items() if not key.startswith("aws:")},
        )
        return Observed(spec, {"arn": arn, **state}, "; ".join(filter(None, (state.get("progress"), note(spec)))))

    def create(self, aws: Aws, want: FunctionSpec) -> None:
        """Make it with its tags, then let others call it."""
        parameters = {"Code": {"ZipFile": archive()}, "Tags": dict(want.tags), "Publish": False}
        aws.call("lambda", "CreateFunction", **_request(want), **parameters)
        _allow(aws, want.name, want.invokers)

    def update(self, aws: Aws, want: FunctionSpec, seen: Observed[FunctionSpec], changes: Changes) -> None:
        """Take away who isn't to call it before anything is put; one call for the code, one for what it runs with."""
        name, other = want.name, json.loads(seen.spec.other or "{}")
        _disallow(aws, name, {*seen.spec.invokers} - {*want.invokers})
        function_attached.detach(aws, name, to_detach(want, seen.spec))
        if touches(changes, "code") or "Architectures" in other:
            code = {"ZipFile": archive(), "Architectures": ARCHITECTURES}
            aws.call("lambda", "UpdateFunctionCode", FunctionName=name, **code)
        if {top(change.path) for change in changes} - {"code", "invokers", "attached", "tags"}:
            back = {key: value for key, value in _defaults(name).items() if key in other}
            emptied = {
                **({} if want.environment else {"Environment": {"Variables": {}}}),
                **({} if want.dead_letters else {"DeadLetterConfig": {"TargetArn": ""}}),
                **({"Layers": []} if seen.spec.layers else {}),
            }
            aws.call("lambda", "UpdateFunctionConfiguration", **_request(want), **emptied, **back)
        if "ReservedConcurrentExecutions" in other:
            aws.find("lambda", "DeleteFunctionConcurrency", FunctionName=name)
        if touches(changes, "tags"):
            tags.put(aws, "lambda", want.tags, seen.spec.tags, Resource=seen.attributes["arn"])
        _allow(aws, name, {*want.invokers} - {*seen.spec.invokers})

    def delete(self, aws: Aws, seen: Observed[FunctionSpec]) -> None:
        """Its resource policy, aliases, versions and URLs go with it; what it is called by doesn't."""
        name = seen.spec.name
        function_attached.detach(aws, name, function_attached.event_sources(aws, name))
        aws.find("lambda", "DeleteFunction", FunctionName=name)

    def listed(self, aws: Aws) -> Iterable[str]:
        """The names of all functions, in one read."""
        return [function["FunctionName"] for function in aws.pages("lambda", "ListFunctions", "Functions")]

    def tags_of(self, aws: Aws, name: str) -> Mapping[str, str]:
        """The tags of one function, in one read."""
        answer = aws.find("lambda", "ListTags", Resource=aws.arn("lambda", f"function:{name}"))
        return dict((answer or {}).get("Tags") or {})


def _request(want: FunctionSpec) -> dict[str, Any]:
    return {
        "FunctionName": want.name,
        "Runtime": want.runtime,
        "Handler": want.handler,
        "Role": want.role,
        "Timeout": want.timeout,
        "MemorySize": want.memory,
        "Description": want.description,
        **({"Environment": {"Variables": want.environment}} if want.environment else {}),
        **({"DeadLetterConfig": {"TargetArn": want.dead_letters}} if want.dead_letters else {}),
    }


def _state(live: Mapping[str, Any]) -> dict[str, str]:
    """Whether AWS is still making or changing the function, or has failed to, and why."""
    states = {live.get("State"), live.get("LastUpdateStatus")}
    if "Failed" in states:
        why = live.get("StateReason") or live.get("LastUpdateStatusReason") or "AWS doesn't say why"
        # By its time an attempt is told from the one before.
        return {
            "status": "FAILED",
            "progress": f"it has failed: {why}",
            "failure": f"{live.get('LastModified')}: {why}",
        }
    return {"status": "PENDING"} if {"Pending", "InProgress"} & states else {}


def _defaults(name: str) -> dict[str, Any]:
    return {**DEFAULTS, "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"}}


def _other(live: Mapping[str, Any]) -> dict[str, Any]:
    other = {}
    for key, usual in {**_defaults(live["FunctionName"]), "Architectures": ARCHITECTURES}.items():
        value = live.get(key) or usual
        if isinstance(usual, dict):  # without what AWS adds to it, such as the id of the VPC
            value = {name: value.get(name, default) for name, default in usual.items()}
        if value != usual:
            other[key] = value
    return other


def _invoker(statement: Mapping[str, Any], arn: str) -> str:
    """`SERVICE SOURCE_ARN` for a statement as `_allow` makes it, on the function with this ARN; others as JSON."""
    principal, condition = statement.get("Principal"), statement.get("Condition") or {}
    service = principal.get("Service") if isinstance(principal, dict) else ""
    source = condition.get("ArnLike", {}).get("AWS:SourceArn")
    invoker = f"{service} {source}"
    usual = {
        "Sid": _id(invoker),
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ACTION,
        "Resource": arn,
        "Condition": {"ArnLike": {"AWS:SourceArn": source}},
    }
    return invoker if statement == usual else str(json_text(json.dumps(statement)))


def _allow(aws: Aws, function: str, invokers: Iterable[str]) -> None:
    """Let these, as `SERVICE SOURCE_ARN`, call it. Raises AwsError."""
    for invoker in sorted(invokers):
        service, source = invoker.split()
        permission = {"StatementId": _id(invoker), "Action": ACTION, "Principal": service, "SourceArn": source}
        aws.ensure("lambda", "AddPermission", FunctionName=function, **permission)


def _disallow(aws: Aws, function: str, invokers: Iterable[str]) -> None:
    """Don't let these, as `_invoker` gives them, call it any more. Raises AwsError."""
    for invoker in sorted(invokers):
        aws.find("lambda", "RemovePermission", FunctionName=function, StatementId=_id(invoker))


def _id(invoker: str) -> str:
    """The id of a statement: its own, or that which `_allow` gives it, always the same."""
    sid = json.loads(invoker).get("Sid") if invoker.startswith("{") else ""
    return sid or f"_invoker-{hashlib.sha256(invoker.encode()).hexdigest()[:16]}"


@cache
def archive() -> bytes:
    """The zip archive: the same, byte for byte, wherever and whenever it is made.

    Not compressed, since that depends on the zlib at hand.
    """
    import zipfile  # which only who has a schedule waits for

    root, buffer = Path(__file__).parents[1], io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for module in MODULES:
            entry = zipfile.ZipInfo(f"reconciler/{module}.py", ALWAYS)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16  # as Unix has it, readable by all
            file.writestr(entry, (root / f"{module}.py").read_bytes())
    return buffer.getvalue()


@cache
def code_sha256() -> str:
    """The archive's SHA-256 in base64, as Lambda's CodeSha256."""
    return base64.b64encode(hashlib.sha256(archive()).digest()).decode()
