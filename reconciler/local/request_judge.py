"""Refuses, as AWS does, each request that breaks a rule of AWS's: of the service's model, or of `request_rules`.

All requests come by here, whichever process sends them. moto's own routers and parsers read them, without a change to
the request. What they can't read is passed on: moto says what is wrong with it. The body of an object isn't read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from moto.core.model import OperationModel
from moto.core.parse import PROTOCOL_PARSERS, JSONParser
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model

from reconciler.aws.regions import partition_of
from reconciler.core import plain_json
from reconciler.local import authorize, plain_requests
from reconciler.local.refusals import note
from reconciler.local.request_model import Broken
from reconciler.local.request_rules import code_of, judge

# A model's name where the name that a request is signed with is another.
MODELS = {"monitoring": "cloudwatch", "servicequotas": "service-quotas", "tagging": "resourcegroupstaggingapi"}
FORM = "application/x-www-form-urlencoded"
Asked = tuple[OperationModel, dict[str, Any] | None]  # no parameters: the body isn't the JSON that it says
NO_JSON = [Broken("the body isn't a JSON object", "SerializationException")]


def refusal(environ: dict[str, Any], signed_for: str) -> authorize.Refused | None:
    """The answer to a WSGI request that AWS would refuse; None for any other. signed_for: the service in its scope."""
    service = MODELS.get(signed_for, signed_for)
    request = _read(environ, service)
    if request is None:
        return None
    operation, params = request
    whole: Any = operation.service_model
    model = whole._service_description
    partition = partition_of(authorize.region_of(environ)).name
    problems = judge(model, service, operation.name, params, partition) if params is not None else NO_JSON
    if not problems:
        return None
    note(service, operation.name, (problem.text for problem in problems))
    code, text = code_of(service, problems), _text(problems)
    return authorize.answer(environ, signed_for, text, code, 400)


def _text(problems: Iterable[Broken]) -> str:
    """In AWS's words: all that the model says together, or the first of the rest."""
    of_model = [problem.text for problem in problems if not problem.code]
    if not of_model:
        return next(problem.text for problem in problems)
    errors = f"{len(of_model)} validation error{'s' if len(of_model) > 1 else ''} detected: "
    return errors + "; ".join(of_model)


def _read(environ: dict[str, Any], service: str) -> Asked | None:
    """The operation of a request, and its parameters by the names of the model; None where that can't be told."""
    stream = environ["wsgi.input"]
    try:
        model: Any = get_service_model(service)
        if str(model.protocol).startswith("rest"):
            return _of_rest(Request(environ.copy(), populate_request=False), model)
        if name := str(environ.get("HTTP_X_AMZ_TARGET", "")).rpartition(".")[2]:
            return _of_json(JSONParser(model.operation_model(name)), _body(environ))
        return _of_form(environ, model)
    except Exception:  # whatever is raised for what no client of AWS sends, and by what moto doesn't know
        return None
    finally:
        stream.seek(0)


def _of_json(parser: Any, body: bytes) -> Asked:
    try:
        content = plain_json.parse(body or b"{}")
        json.dumps(content, ensure_ascii=False).encode()  # half a character is none
    except ValueError:
        content = None
    operation = parser.operation_model
    if not isinstance(content, dict):
        return operation, None
    return operation, parser._parse_shape(operation.input_shape, content) if operation.input_shape else {}


def _of_form(environ: dict[str, Any], model: Any) -> Asked:
    text = _body(environ).decode() or str(environ.get("QUERY_STRING", ""))
    values = dict(reversed(parse_qsl(text, keep_blank_values=True)))  # the first counts of those that are there twice
    operation = model.operation_model(values["Action"])
    parser: Any = PROTOCOL_PARSERS[determine_request_protocol(model, FORM)](operation)
    return operation, parser.parse({"values": values})


def _of_rest(request: Request, model: Any) -> Asked:
    operation, within = get_service_router(model.service_name).match(request)
    parser: Any = PROTOCOL_PARSERS[str(model.protocol)](operation)
    body = b"" if _has_content(operation) else request.get_data()
    if body and model.protocol == "rest-json" and not _is_object(body):
        return operation, None
    params = parser.parse(
        {
            "method": request.method,
            "values": request.args,
            "headers": request.headers,
            "body": body,
            "url_path": request.path,
            "url_params": within,
        }
    )
    return operation, {name: value for name, value in params.items() if value is not None}


def _body(environ: dict[str, Any]) -> bytes:
    """The request's body, unpacked."""
    if environ.get("HTTP_CONTENT_ENCODING") == "gzip":
        environ = environ.copy()
        plain_requests.unpack(environ)
    return bytes(environ["wsgi.input"].read())


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(plain_json.parse(body), dict)
    except ValueError:
        return False


def _has_content(operation: OperationModel) -> bool:
    """Whether the body is content, such as an object's, and no parameters."""
    shape: Any = operation.input_shape
    payload = shape.serialization.get("payload") if shape is not None else None
    return payload is not None and shape.members[payload].type_name == "blob"
