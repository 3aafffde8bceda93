"""Answers that aren't AWS's: the page of a proxy, of a hotel's login, of a wrong address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from botocore.parsers import ResponseParserError

from reconciler.core import plain_json

REQUEST_IDS = ("x-amzn-requestid", "x-amz-request-id", "x-amz-id-2")
READ = 32 * 1024 * 1024  # bytes of an object's content that are read: no record and no index of ours has as many
SHOWN = 120  # characters of a page that are told
HINT = (
    "a proxy or a login page is in between: look at HTTPS_PROXY, NO_PROXY and AWS_ENDPOINT_URL, and open a page in a "
    "browser"
)
HINT_TLS = "does a proxy in between show a certificate of its own? Then AWS_CA_BUNDLE has to name its authority's file"
HINT_PLAIN = "is it http:// that AWS_ENDPOINT_URL is to name? Else a proxy or a login page is in between"


class Foreign(ResponseParserError):  # type: ignore[misc]  # botocore has no types
    """Something else than AWS answered."""


class Cut(ResponseParserError):  # type: ignore[misc]  # botocore has no types
    """An answer of AWS's that isn't whole."""


def refuse(response_dict: dict[str, Any], **kwargs: Any) -> None:
    """Called with each answer before botocore reads it: it takes a page, and what is cut short, for an empty answer.

    Raises Foreign, Cut.

    AWS names each request that it answers; but 502 to 504 may come from what stands before it. A page with 200 is
    500 by now where it was S3 that was asked, since botocore knows S3 to answer failures so.
    """
    status = int(response_dict["status_code"])
    headers = {str(name).lower(): str(value) for name, value in response_dict["headers"].items()}
    body, model = response_dict.get("body"), kwargs.get("operation_model")
    protocol = str(model.service_model.metadata.get("protocol", "")) if model is not None else ""
    has_id = any(name in headers for name in REQUEST_IDS)
    page = headers.get("content-type", "").startswith("text/html") or 300 <= status < 400 or status == 407
    unread = isinstance(body, bytes) and not speaks(protocol, status, headers, body, has_id=has_id)
    if unread or (page and not has_id and status <= 500):
        raise Foreign(f"HTTP {status} {_text(body)}".rstrip())
    if isinstance(body, bytes) and model is not None and model.http.get("method") != "HEAD":
        length = headers.get("content-length", "")
        if length.isdigit() and len(body) < int(length):
            raise Cut(f"{len(body)} of {length} bytes came")
        if status < 500 and not whole(protocol, status, headers, body, model.output_shape):
            raise Cut(f"HTTP {status}, cut short after {len(body)} bytes")


def whole(protocol: str, status: int, headers: Mapping[str, str], body: bytes, output: Any) -> bool:
    """Whether an answer has an end, as far as that shows. output: the shape of the operation's answers, or None.

    XML without its end can't be parsed, which botocore says itself. What is in headers alone has an empty body.
    """
    members = {} if output is None else output.members
    payload = members.get(output.serialization.get("payload")) if members else None
    if payload is not None and payload.type_name in ("blob", "string"):
        return True  # anything at all
    if not body.strip():
        inside = [member for member in members.values() if "location" not in member.serialization]
        says = 300 <= status < 400 or (protocol == "rest-json" and "x-amzn-errortype" in headers)
        return says if status >= 300 else not inside
    if "json" not in protocol:
        return True
    try:
        plain_json.parse(body)
    except ValueError:
        return status >= 400 and not body.lstrip().startswith(b"{")  # a text, whose status says enough
    return True


def head(parsed: dict[str, Any], **kwargs: Any) -> None:
    """Called with each answer to HeadObject, which says an object's size in a header. Raises Cut."""
    if "Error" not in parsed and "ContentLength" not in parsed:
        raise Cut("it has no Content-Length")


def content(answer: dict[str, Any]) -> bytes:
    """The beginning of an object's content. Raises Cut for less than was said to come."""
    size = int(answer.get("ContentLength", 0))
    beginning = answer["Body"].read(READ)
    if len(beginning) < min(size, READ):
        raise Cut(f"{len(beginning)} of {size} bytes came")
    return bytes(beginning)


def speaks(protocol: str, status: int, headers: Mapping[str, str], body: bytes, *, has_id: bool) -> bool:
    """Whether an answer has the form of its protocol. has_id: it has the id of the request, so it is AWS's."""
    if "json" not in protocol:
        return has_id or status > 500 or not body.strip() or body.lstrip().startswith(b"<")
    if not body:
        return has_id or status > 500
    try:
        parsed = plain_json.parse(body)
    except ValueError:
        return has_id or status > 500
    if not isinstance(parsed, dict):
        return False  # which botocore can't read, whoever says it
    errors = parsed.keys() & {"__type", "code", "Code"} or "x-amzn-errortype" in headers
    return has_id or status < 400 or status > 500 or bool(errors)


def _text(body: object) -> str:
    """What a page says at its beginning, in a line."""
    text = body[:4000].decode("utf-8", "replace") if isinstance(body, bytes) else ""
    text = re.sub(r"(?is)<(script|style|title)\b.*?</\1>|<[^>]*>", " ", text)
    words = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return f"({words[:SHOWN]}{'…' if len(words) > SHOWN else ''})" if words else ""
