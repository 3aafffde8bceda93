"""What hangs on a Lambda function: what it is called by, and where its results go. See `core.attached`.

event-source ARN UUID              AWS reads there and calls it with what it finds
destination ARN on-failure NAME    gets what asynchronous calls end with; NAME: of the version or alias
url URL AUTH NAME                  an address that calls it
permission NAME/SID STATEMENT      who may call one of its versions or aliases
alias NAME VERSION, version NAME   what can be called besides itself, with its role
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.core.needs import ANYWHERE, On

LATEST = "$LATEST"
READS = (
    "lambda:ListAliases", "lambda:ListEventSourceMappings", "lambda:ListFunctionEventInvokeConfigs",
    "lambda:ListFunctionUrlConfigs", "lambda:ListVersionsByFunction",
)  # fmt: skip
WRITES = (
    "lambda:DeleteAlias", "lambda:DeleteEventSourceMapping", "lambda:DeleteFunction",
    "lambda:DeleteFunctionEventInvokeConfig", "lambda:DeleteFunctionUrlConfig",
    "lambda:PutFunctionEventInvokeConfig", "lambda:RemovePermission",
)  # fmt: skip
VERSIONS = "lambda:function:{name}:*"  # and aliases
ELSEWHERE: Mapping[str, tuple[str | On, ...]] = {
    "lambda:ListEventSourceMappings": (ANYWHERE,),
    "lambda:DeleteEventSourceMapping": (
        On("lambda:event-source-mapping:*", {"ArnLike": {"lambda:FunctionArn": "arn:*:lambda:*:*:function:{name}"}}),
    ),
    **dict.fromkeys(
        ("lambda:DeleteFunction", "lambda:GetPolicy", "lambda:RemovePermission"), ("lambda:function:{name}", VERSIONS)
    ),
}


def event_sources(aws: Aws, name: str) -> list[str]:
    """The texts of what AWS calls it by, in one read. Raises AwsError."""
    found = aws.find_all("lambda", "ListEventSourceMappings", "EventSourceMappings", FunctionName=name) or ()
    return [
        f"event-source {one.get('EventSourceArn') or 'self-managed'} {one['UUID']}"
        for one in found
        if one.get("State") != "Deleting"
    ]


def read(aws: Aws, name: str) -> list[str]:
    """Its texts: five reads at once, and one for each alias and version of somebody's. Raises AwsError."""
    this = {"FunctionName": name}
    reads: list[Any] = aws.together(
        lambda: event_sources(aws, name),
        lambda: aws.find_all("lambda", "ListFunctionEventInvokeConfigs", "FunctionEventInvokeConfigs", **this),
        lambda: aws.find_all("lambda", "ListFunctionUrlConfigs", "FunctionUrlConfigs", **this),
        lambda: aws.find_all("lambda", "ListAliases", "Aliases", **this),
        lambda: aws.find_all("lambda", "ListVersionsByFunction", "Versions", **this),
    )
    sources, events, urls, aliases, versions = (found or () for found in reads)
    names = [alias["Name"] for alias in aliases] + [v["Version"] for v in versions if v["Version"] != LATEST]
    policies = aws.each(lambda one: aws.find("lambda", "GetPolicy", **this, Qualifier=one), names)
    found = [*sources, *(text for one in events for _, text in _destinations(one))]
    found += [f"url {one['FunctionUrl']} {one['AuthType']} {_qualifier(one['FunctionArn'])}" for one in urls]
    for qualifier, answer in zip(names, policies, strict=True):
        found += _permissions(qualifier, answer)
    found += [f"alias {alias['Name']} {alias['FunctionVersion']}" for alias in aliases]
    return found + [f"version {one['Version']}" for one in versions if one["Version"] != LATEST]


def detach(aws: Aws, name: str, gone: Sequence[str]) -> None:
    """Take these away: first by what it is called, versions last, since an alias holds one. Raises AwsError."""
    this = {"FunctionName": name}
    parts = [text.split(" ") for text in gone]
    for _, _, uuid in (part for part in parts if part[0] == "event-source"):
        aws.find("lambda", "DeleteEventSourceMapping", UUID=uuid)
    for _, _, _, qualifier in (part for part in parts if part[0] == "url"):
        aws.find("lambda", "DeleteFunctionUrlConfig", **this, **_named(qualifier))
    for one in (part[1] for part in parts if part[0] == "permission"):
        qualifier, _, sid = one.partition("/")
        aws.find("lambda", "RemovePermission", **this, Qualifier=qualifier, StatementId=sid)
    for qualifier in sorted({part[3] for part in parts if part[0] == "destination"}):
        _redirect(aws, name, qualifier, gone)
    for alias in (part[1] for part in parts if part[0] == "alias"):
        aws.find("lambda", "DeleteAlias", **this, Name=alias)
    for version in (part[1] for part in parts if part[0] == "version"):
        aws.find("lambda", "DeleteFunction", **this, Qualifier=version)


def _redirect(aws: Aws, name: str, qualifier: str, gone: Sequence[str]) -> None:
    """Leave of an asynchronous configuration what isn't to go."""
    all_of_them = aws.find_all(
        "lambda", "ListFunctionEventInvokeConfigs", "FunctionEventInvokeConfigs", FunctionName=name
    )
    for one in all_of_them or ():
        if _qualifier(one["FunctionArn"]) != qualifier:
            continue
        kept = {key: {"Destination": where} for (key, where), text in _destinations(one) if text not in gone}
        if kept:
            limits = {k: one[k] for k in ("MaximumRetryAttempts", "MaximumEventAgeInSeconds") if one.get(k) is not None}
            call = {"FunctionName": name, **_named(qualifier), "DestinationConfig": kept, **limits}
            aws.call("lambda", "PutFunctionEventInvokeConfig", **call)
        else:
            aws.find("lambda", "DeleteFunctionEventInvokeConfig", FunctionName=name, **_named(qualifier))


def _destinations(one: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], str]]:
    """((OnSuccess or OnFailure, ARN), its text) of an asynchronous configuration."""
    for key, how in (("OnSuccess", "on-success"), ("OnFailure", "on-failure")):
        if arn := ((one.get("DestinationConfig") or {}).get(key) or {}).get("Destination"):
            yield (key, arn), f"destination {arn} {how} {_qualifier(one['FunctionArn'])}"


def _permissions(qualifier: str, answer: Mapping[str, Any] | None) -> Iterator[str]:
    for one in json.loads((answer or {}).get("Policy") or "{}").get("Statement", ()):
        text = json.dumps({key: value for key, value in one.items() if key != "Sid"}, separators=(",", ":"))
        yield f"permission {qualifier}/{one['Sid']} {text}"


def _qualifier(arn: str) -> str:
    """The version or alias that an ARN names; `$LATEST` for the function itself."""
    return arn.split(":")[7] if arn.count(":") > 6 else LATEST


def _named(qualifier: str) -> dict[str, str]:
    return {} if qualifier == LATEST else {"Qualifier": qualifier}
