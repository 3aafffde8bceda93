"""Refuses, as AWS does, each request that breaks a rule of AWS's: of the service's model, or of `request_rules`.

All requests come by here, whichever process sends them. moto's own routers and parsers read them, without a change to
the request. What they can't read is passed on: moto says what is wrong with it. The body of an object isn't read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from botocore.exceptions import UnknownServiceError
from moto.core.model import OperationModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException

from reconciler.local import authorize, plain_requests
from reconciler.local.refusals import note
from reconciler.local.request_model import Broken
from reconciler.local.request_rules import code_of, judge

# A model's name where the name that a request is signed with is another.
MODELS = {"monitoring": "cloudwatch", "servicequotas": "service-quotas", "tagging": "resourcegroupstaggingapi"}
Asked = tuple[OperationModel, dict[str, Any] | None]  # no parameters: the body isn't the JSON that it says
NO_JSON = [Broken("the body isn't a JSON object", "SerializationException")]


def refusal(environ: dict[str, Any], signed_for: str) -> authorize.Refused | None:
    """The answer to a WSGI request that AWS would refuse; None for any other. signed_for: the service in its scope."""
    service = MODELS.get(signed_for, signed_for)
    asked = _read(environ, service)
    if asked is None:
        return None
    operation, params = asked
    whole: Any = operation.service_model
    model = whole._service_description
    found = judge(model, service, operation.name, params) if params is not None else NO_JSON
    if not found:
        return None
    note(service, operation.name, (one.text for one in found))
    code, text = code_of(service, found), _text(found)
    return authorize.answer(environ, signed_for, text, code, 400)


def _text(found: Iterable[Broken]) -> str:
    """In AWS's words: all that the model says together, or the first of the rest."""
    of_model = [one.text for one in found if not one.code]
    if not of_model:
        return next(one.text for one in found)
    errors = f"{len(of_model)} validation error{'s' if len(of_model) > 1 else ''} detected: "
    return errors + "; ".join(of_model)


def _read(environ: dict[str, Any], service: str) -> Asked | None:
    """The operation of a request, and its parameters by the names of the model; None where that can't be told."""
    stream = environ["wsgi.input"]
    try:
        return _parsed(Request(_unpacked(environ, service)), get_service_model(service))
    except (HTTPException, UnknownServiceError, NotImplementedError, plain_requests.Unclear):
        return None
    except Exception:  # whatever a parser raises for what no client of AWS sends
        return None
    finally:
        stream.seek(0)


def _unpacked(environ: dict[str, Any], service: str) -> dict[str, Any]:
    """A copy, to be read from; its body as it was before it was packed."""
    packed = service != "s3" and environ.get("HTTP_CONTENT_ENCODING") == "gzip"
    copied = environ.copy()
    if packed:
        plain_requests.unpack(copied)
    return copied


def _parsed(request: Request, model: Any) -> Asked | None:
    operation, within = get_service_router(model.service_name).match(request)
    protocol = determine_request_protocol(model, request.content_type)
    if protocol not in PROTOCOL_PARSERS:
        return None
    body = b"" if _has_content(operation) else request.get_data()
    if body and protocol.endswith("json") and not _is_object(body):
        return operation, None
    parser: Any = PROTOCOL_PARSERS[protocol](operation)
    rest = protocol.startswith("rest")
    params = parser.parse({
        "method": request.method,
        "values": request.args if rest else request.values,
        "headers": request.headers,
        "body": body,
        "url_path": request.path,
        "url_params": within,
    })  # fmt: skip
    return operation, {name: value for name, value in params.items() if value is not None}


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def _has_content(operation: OperationModel) -> bool:
    """Whether the body is content, such as an object's, and no parameters."""
    shape: Any = operation.input_shape
    payload = shape.serialization.get("payload") if shape is not None else None
    return payload is not None and shape.members[payload].type_name == "blob"
