"""Brings a request of a task, a user or a role into the one form in which it can be read in one way only.

moto looks for the operation and its parameters in many places: the address, a form, a header, any header, even words
within JSON. What is judged must be what is done, so here a request that names two things is refused, one that names
nothing that is known too, and what moto could take for something else is taken away. Of the parameters those count
that AWS's own model of the operation has, and where it has them: others are passed over, as AWS does.
"""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs

from botocore.model import OperationNotFoundError, Shape
from moto.core.request import Request
from moto.core.responses import BaseResponse
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import Forbidden

from reconciler.aws.iam_actions import OTHERS
from reconciler.core import plain_json
from reconciler.local import resources, rest

KEPT_HEADERS = frozenset((
    "HTTP_HOST", "HTTP_AUTHORIZATION", "HTTP_RANGE", "HTTP_DATE", "HTTP_CONTENT_MD5", "HTTP_CONTENT_DISPOSITION",
    "HTTP_CONTENT_ENCODING", "HTTP_CONTENT_LANGUAGE", "HTTP_CACHE_CONTROL", "HTTP_EXPIRES", "HTTP_EXPECT",
    "HTTP_SMITHY_PROTOCOL",
))  # fmt: skip
KEPT_BEGINNINGS = ("HTTP_X_AMZ_", "HTTP_IF_", "HTTP_ACCEPT")
MOST_BYTES = 2**24
CBOR = re.compile(r"/service/\w+/operation/(\w+)")
# They act for whoever asks them, and what they then do isn't judged here.
ACT_FOR_OTHERS = frozenset(("cloudformation", "cloudcontrolapi", "states", "ssm-incidents", "batch", "codebuild"))
# moto's name where it isn't the permission's.
OTHER_NAMES = {action: operation for (_, operation), action in OTHERS.items()}

_judged: ContextVar[str] = ContextVar("judged", default="")


class Unclear(Exception):
    """A request that isn't what an AWS SDK sends; the text says what is wrong with it."""


def tidy(environ: dict[str, Any], service: str) -> None:
    """Take away what moto could be led by, of a WSGI request whose body can be read again. Raises Unclear."""
    for name in [name for name in environ if name.startswith("HTTP_")]:
        if name not in KEPT_HEADERS and not name.startswith(KEPT_BEGINNINGS):
            del environ[name]  # such as x-moto-account-id, or a User-Agent that names a region
    if ".localhost" in str(environ.get("HTTP_HOST", "")).lower():
        raise Unclear("the bucket must be named in the path")
    if service in ACT_FOR_OTHERS:
        raise Unclear(f"{service} acts for its caller, whose rights aren't checked here: only the owner may use it")
    if service == "s3":
        return
    if BaseResponse.region_regex.search(f"{environ.get('PATH_INFO')}?{environ.get('QUERY_STRING')}"):
        raise Unclear("the address names a region, and only the signature may")
    encoding = str(environ.pop("HTTP_CONTENT_ENCODING", "")).lower()
    if encoding == "gzip":
        unpack(environ)
    elif encoding:
        raise Unclear(f"the body's encoding {encoding!r} isn't known")


def unpack(environ: dict[str, Any]) -> None:
    """Give a request the body that it has packed. Raises Unclear."""
    _replace(environ, _unpacked(_body(environ)))


def operation(environ: dict[str, Any], service: str) -> tuple[str, dict[str, Any]]:
    """The operation and its parameters of a tidy request, of any service but S3. Raises Unclear."""
    name, params = _read(environ, service)
    if service not in resources.JUDGED:
        return name, params
    try:
        model = get_service_model(service).operation_model(OTHER_NAMES.get(name, name))
    except OperationNotFoundError:
        raise Unclear(f"{service} has no operation {name!r}") from None
    members: dict[str, Shape] = model.input_shape.members if model.input_shape else {}
    by_name = {_written(key, shape, model.service_model.protocol): shape for key, shape in members.items()}
    if str(model.service_model.protocol).startswith("rest"):
        query_keys = {key for key, shape in by_name.items() if shape.serialization.get("location") == "querystring"}
        if unknown := parse_qs(str(environ.get("QUERY_STRING", "")), keep_blank_values=True).keys() - query_keys:
            raise Unclear(f"{name} has no {', '.join(sorted(unknown))} in its address")
        return name, {key: value for key, value in params.items() if key in members}
    if service == "sqs" and environ.get("PATH_INFO") != "/":
        params = {"QueueUrl": environ.get("PATH_INFO"), **params}
    return name, {key: value for key, value in params.items() if key.partition(".")[0] in by_name}


def _written(name: str, shape: Shape, protocol: str) -> str:
    """How a parameter is written in a request of this protocol."""
    wire_name = str(shape.serialization.get("name", name))
    return (
        str(shape.serialization.get("queryName") or wire_name[:1].upper() + wire_name[1:])
        if protocol == "ec2"
        else wire_name
    )


def _read(environ: dict[str, Any], service: str) -> tuple[str, dict[str, Any]]:
    method, path, query = (str(environ.get(name, "")) for name in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING"))
    kind = str(environ.get("CONTENT_TYPE", "")).lower()
    if target := str(environ.get("HTTP_X_AMZ_TARGET", "")).rpartition(".")[2]:
        if query or path != "/" or "json" not in kind:
            raise Unclear("an operation that a header names takes its parameters as JSON, and nothing else")
        return target, _json(environ)
    if kind.startswith("application/x-www-form-urlencoded"):
        if query:
            raise Unclear("parameters are in the form or in the address, not in both")
        return _form(_body(environ).decode("utf-8", "replace"))
    if "Action" in parse_qs(query):
        if _body(environ):
            raise Unclear("parameters are in the address or in the body, not in both")
        return _form(query)
    if match := CBOR.fullmatch(path):
        if query or service in resources.JUDGED:
            raise Unclear("its parameters can't be read")
        return match[1], {}
    body = _json(environ) if "json" in kind or _body(environ).startswith(b"{") else {}
    name, params = rest.operation(service, method, path, query, json.dumps(body).encode())
    return (name, params) if name else _by_route(environ, service, body)


def _by_route(environ: dict[str, Any], service: str, body: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    try:
        rule, within = get_service_router(service).match(Request(environ.copy(), populate_request=False))
    except Exception:
        raise Unclear(f"this is no known operation of {service}") from None
    return str(rule.name), {**body, **within}


def _form(text: str) -> tuple[str, dict[str, Any]]:
    fields = parse_qs(text, keep_blank_values=True)
    if any(len(values) > 1 for values in fields.values()):
        raise Unclear("a parameter is given twice")
    if not fields.get("Action"):
        raise Unclear("the request names no operation")
    return fields["Action"][0], {name: values[0] for name, values in fields.items()}


def _json(environ: dict[str, Any]) -> dict[str, Any]:
    """The body, which is left in a form in which nothing in it can be taken for a form's parameter."""
    try:
        content = plain_json.parse(_body(environ) or b"{}")
    except ValueError:
        raise Unclear("the body isn't JSON") from None
    if not isinstance(content, dict):
        raise Unclear("the body must be a JSON object")
    _replace(environ, json.dumps(content).replace("&", "\\u0026").replace("=", "\\u003d").encode())
    return content


def _unpacked(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(31)
    try:
        unpacked = unpacker.decompress(packed, MOST_BYTES)
    except zlib.error:
        raise Unclear("the body isn't gzip") from None
    if unpacker.unconsumed_tail:
        raise Unclear("the unpacked body is too large")
    return unpacked


def _body(environ: Mapping[str, Any]) -> bytes:
    stream = environ["wsgi.input"]
    body = bytes(stream.read())
    stream.seek(0)
    return body


def _replace(environ: dict[str, Any], body: bytes) -> None:
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))


class Judged:
    """While it is entered, moto does this operation for the request of this thread, and no other."""

    def __init__(self, name: str) -> None:
        self._name = OTHER_NAMES.get(name, name)

    def __enter__(self) -> None:
        self._token = _judged.set(self._name)

    def __exit__(self, *error: object) -> None:
        _judged.reset(self._token)


def install() -> None:
    """Have moto do what was judged only."""
    original: Any = BaseResponse._authenticate_and_authorize_normal_action

    def check(self: Any, resource: str) -> None:
        judged = _judged.get()
        if judged and self._get_action() != judged:
            raise Forbidden("the request names two operations")
        original(self, resource)

    BaseResponse._authenticate_and_authorize_normal_action = check  # type: ignore[method-assign,assignment]
