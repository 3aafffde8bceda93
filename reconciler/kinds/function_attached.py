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
    """A text for each event source that AWS calls the function for, in one read. Raises AwsError."""
    mappings = aws.find_all("lambda", "ListEventSourceMappings", "EventSourceMappings", FunctionName=name) or ()
    return [
        f"event-source {mapping.get('EventSourceArn') or 'self-managed'} {mapping['UUID']}"
        for mapping in mappings
        if mapping.get("State") != "Deleting"
    ]


def read(aws: Aws, name: str) -> list[str]:
    """A text for each thing that is attached. Raises AwsError.

    Five reads at once, and one for each alias and version of somebody's.
    """
    function = {"FunctionName": name}
    reads: list[Any] = aws.together(
        lambda: event_sources(aws, name),
        lambda: aws.find_all("lambda", "ListFunctionEventInvokeConfigs", "FunctionEventInvokeConfigs", **function),
        lambda: aws.find_all("lambda", "ListFunctionUrlConfigs", "FunctionUrlConfigs", **function),
        lambda: aws.find_all("lambda", "ListAliases", "Aliases", **function),
        lambda: aws.find_all("lambda", "ListVersionsByFunction", "Versions", **function),
    )
    sources, events, urls, aliases, versions = (listing or () for listing in reads)
    names = [alias["Name"] for alias in aliases] + [v["Version"] for v in versions if v["Version"] != LATEST]
    policies = aws.each(
        lambda alias_or_version: aws.find("lambda", "GetPolicy", **function, Qualifier=alias_or_version), names
    )
    texts = [*sources, *(text for config in events for _, text in _destinations(config))]
    texts += [f"url {url['FunctionUrl']} {url['AuthType']} {_qualifier(url['FunctionArn'])}" for url in urls]
    for qualifier, answer in zip(names, policies, strict=True):
        texts += _permissions(qualifier, answer)
    texts += [f"alias {alias['Name']} {alias['FunctionVersion']}" for alias in aliases]
    return texts + [f"version {version['Version']}" for version in versions if version["Version"] != LATEST]


def detach(aws: Aws, name: str, texts: Sequence[str]) -> None:
    """Take these away: first what calls the function, versions last, since an alias holds one. Raises AwsError."""
    function = {"FunctionName": name}
    parts = [text.split(" ") for text in texts]
    for _, _, uuid in (part for part in parts if part[0] == "event-source"):
        aws.find("lambda", "DeleteEventSourceMapping", UUID=uuid)
    for _, _, _, qualifier in (part for part in parts if part[0] == "url"):
        aws.find("lambda", "DeleteFunctionUrlConfig", **function, **_named(qualifier))
    for permission in (part[1] for part in parts if part[0] == "permission"):
        qualifier, _, sid = permission.partition("/")
        aws.find("lambda", "RemovePermission", **function, Qualifier=qualifier, StatementId=sid)
    for qualifier in sorted({part[3] for part in parts if part[0] == "destination"}):
        _redirect(aws, name, qualifier, texts)
    for alias in (part[1] for part in parts if part[0] == "alias"):
        aws.find("lambda", "DeleteAlias", **function, Name=alias)
    for version in (part[1] for part in parts if part[0] == "version"):
        aws.find("lambda", "DeleteFunction", **function, Qualifier=version)


def _redirect(aws: Aws, name: str, qualifier: str, texts: Sequence[str]) -> None:
    """Take destinations away; the rest of an asynchronous configuration stays."""
    configs = aws.find_all("lambda", "ListFunctionEventInvokeConfigs", "FunctionEventInvokeConfigs", FunctionName=name)
    for config in configs or ():
        if _qualifier(config["FunctionArn"]) != qualifier:
            continue
        destinations = {key: {"Destination": arn} for (key, arn), text in _destinations(config) if text not in texts}
        if destinations:
            limits = {
                k: config[k] for k in ("MaximumRetryAttempts", "MaximumEventAgeInSeconds") if config.get(k) is not None
            }
            call = {"FunctionName": name, **_named(qualifier), "DestinationConfig": destinations, **limits}
            aws.call("lambda", "PutFunctionEventInvokeConfig", **call)
        else:
            aws.find("lambda", "DeleteFunctionEventInvokeConfig", FunctionName=name, **_named(qualifier))


def _destinations(config: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], str]]:
    """((OnSuccess or OnFailure, ARN), its text) of an asynchronous configuration."""
    for key, outcome in (("OnSuccess", "on-success"), ("OnFailure", "on-failure")):
        if arn := ((config.get("DestinationConfig") or {}).get(key) or {}).get("Destination"):
            yield (key, arn), f"destination {arn} {outcome} {_qualifier(config['FunctionArn'])}"


def _permissions(qualifier: str, answer: Mapping[str, Any] | None) -> Iterator[str]:
    for statement in json.loads((answer or {}).get("Policy") or "{}").get("Statement", ()):
        text = json.dumps({key: value for key, value in statement.items() if key != "Sid"}, separators=(",", ":"))
        yield f"permission {qualifier}/{statement['Sid']} {text}"


def _qualifier(arn: str) -> str:
    """The version or alias that an ARN names; `$LATEST` for the function itself."""
    return arn.split(":")[7] if arn.count(":") > 6 else LATEST


def _named(qualifier: str) -> dict[str, str]:
    return {} if qualifier == LATEST else {"Qualifier": qualifier}
