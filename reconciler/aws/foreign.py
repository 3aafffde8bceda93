"""Answers that aren't AWS's: the page of a proxy, of a hotel's login, of a wrong address."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from botocore.parsers import ResponseParserError

REQUEST_IDS = ("x-amzn-requestid", "x-amz-request-id", "x-amz-id-2")
SHOWN = 120  # characters of a page that are told
HINT = (
    "a proxy or a login page is in between: look at HTTPS_PROXY, NO_PROXY and AWS_ENDPOINT_URL, and open a page in a "
    "browser"
)
HINT_TLS = "does a proxy in between show a certificate of its own? Then AWS_CA_BUNDLE has to name its authority's file"


class Foreign(ResponseParserError):  # type: ignore[misc]  # botocore has no types
    """Something else than AWS answered."""


def refuse(response_dict: dict[str, Any], **others: Any) -> None:
    """Called with each answer before botocore reads it, since it takes a page for an empty answer. Raises Foreign.

    AWS names each request that it answers; but 502 to 504 may come from what stands before it. A page with 200 is
    500 by now where it was S3 that was asked, since botocore knows S3 to answer failures so.
    """
    status = int(response_dict["status_code"])
    headers = {str(name).lower(): str(value) for name, value in response_dict["headers"].items()}
    body, model = response_dict.get("body"), others.get("operation_model")
    protocol = str(model.service_model.metadata.get("protocol", "")) if model is not None else ""
    named = any(name in headers for name in REQUEST_IDS)
    page = headers.get("content-type", "").startswith("text/html") or 300 <= status < 400 or status == 407
    unread = isinstance(body, bytes) and not speaks(protocol, status, headers, body, named=named)
    if unread or (page and not named and status <= 500):
        raise Foreign(f"HTTP {status} {_text(body)}".rstrip())


def speaks(protocol: str, status: int, headers: Mapping[str, str], body: bytes, *, named: bool) -> bool:
    """Whether an answer has the form of its protocol. named: it has the id of the request, so it is AWS's."""
    if "json" not in protocol:
        return named or status > 500 or not body.strip() or body.lstrip().startswith(b"<")
    if not body:
        return named or status > 500
    try:
        found = json.loads(body)
    except ValueError:
        return named or status > 500
    if not isinstance(found, dict):
        return False  # which botocore can't read, whoever says it
    errors = found.keys() & {"__type", "code", "Code"} or "x-amzn-errortype" in headers
    return named or status < 400 or status > 500 or bool(errors)


def _text(body: object) -> str:
    """What a page says at its beginning, in a line."""
    text = body[:4000].decode("utf-8", "replace") if isinstance(body, bytes) else ""
    text = re.sub(r"(?is)<(script|style|title)\b.*?</\1>|<[^>]*>", " ", text)
    words = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return f"({words[:SHOWN]}{'…' if len(words) > SHOWN else ''})" if words else ""
