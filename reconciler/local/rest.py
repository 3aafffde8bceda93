"""Which operation a request of a REST API is, where neither a header nor the body names it: Scheduler's and Lambda's.

Pure. Only the operations that deploys use are known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

NAME = r"(?P<{}>[^/]+)"
SCHEDULE, FUNCTION = f"/schedules/{NAME.format('Name')}", f"/2015-03-31/functions/{NAME.format('FunctionName')}"
CONCURRENCY = f"/20[0-9-]+/functions/{NAME.format('FunctionName')}/concurrency"
ANY_FUNCTION = f"/20[0-9-]+/functions/{NAME.format('FunctionName')}"  # what came later has a later date
MAPPING = f"/2015-03-31/event-source-mappings/{NAME.format('UUID')}"
TAGS = f"/2017-03-31/tags/{NAME.format('Resource')}"
# By service: method, path, operation.
OPERATIONS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "scheduler": (
        ("GET", "/schedules/?", "ListSchedules"),
        *((method, SCHEDULE, f"{verb}Schedule")
          for method, verb in (("POST", "Create"), ("PUT", "Update"), ("DELETE", "Delete"), ("GET", "Get"))),
    ),
    "lambda": (
        ("GET", "/2015-03-31/functions/?", "ListFunctions"), ("POST", "/2015-03-31/functions", "CreateFunction"),
        ("GET", FUNCTION, "GetFunction"), ("DELETE", FUNCTION, "DeleteFunction"),
        ("PUT", f"{FUNCTION}/code", "UpdateFunctionCode"),
        ("PUT", f"{FUNCTION}/configuration", "UpdateFunctionConfiguration"),
        ("GET", f"{FUNCTION}/policy", "GetPolicy"), ("POST", f"{FUNCTION}/policy", "AddPermission"),
        ("DELETE", f"{FUNCTION}/policy/{NAME.format('StatementId')}", "RemovePermission"),
        ("DELETE", CONCURRENCY, "DeleteFunctionConcurrency"),
        ("POST", f"{FUNCTION}/invocations", "InvokeFunction"),
        ("GET", "/2015-03-31/event-source-mappings/?", "ListEventSourceMappings"),
        ("POST", "/2015-03-31/event-source-mappings/?", "CreateEventSourceMapping"),
        ("DELETE", MAPPING, "DeleteEventSourceMapping"),
        ("GET", f"{ANY_FUNCTION}/event-invoke-config/list", "ListFunctionEventInvokeConfigs"),
        ("PUT", f"{ANY_FUNCTION}/event-invoke-config", "PutFunctionEventInvokeConfig"),
        ("DELETE", f"{ANY_FUNCTION}/event-invoke-config", "DeleteFunctionEventInvokeConfig"),
        ("GET", f"{ANY_FUNCTION}/urls", "ListFunctionUrlConfigs"),
        ("POST", f"{ANY_FUNCTION}/url", "CreateFunctionUrlConfig"),
        ("DELETE", f"{ANY_FUNCTION}/url", "DeleteFunctionUrlConfig"),
        ("GET", f"{FUNCTION}/aliases", "ListAliases"), ("POST", f"{FUNCTION}/aliases", "CreateAlias"),
        ("DELETE", f"{FUNCTION}/aliases/{NAME.format('Name')}", "DeleteAlias"),
        ("GET", f"{FUNCTION}/versions", "ListVersionsByFunction"), ("POST", f"{FUNCTION}/versions", "PublishVersion"),
        ("GET", TAGS, "ListTags"), ("POST", TAGS, "TagResource"), ("DELETE", TAGS, "UntagResource"),
    ),
}  # fmt: skip


def operation(service: str, method: str, path: str, query: str = "", body: bytes = b"") -> tuple[str, dict[str, Any]]:
    """The API's name of an operation and its parameters; an empty name for an unknown one. path: may be encoded."""
    for verb, pattern, name in OPERATIONS.get(service, ()):
        match = re.fullmatch(pattern, path) if method == verb else None
        if match is not None:
            fields = json.loads(body or b"{}") if body.startswith(b"{") and method in ("POST", "PUT") else {}
            query_params = (
                {"GroupName": parse_qs(query).get("groupName", ["default"])[0]} if service == "scheduler" else {}
            )
            return name, {**query_params, **fields, **{key: unquote(value) for key, value in match.groupdict().items()}}
    return "", {}
