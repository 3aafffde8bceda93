"""Signed requests to the embedded AWS that no AWS SDK makes: those to its control endpoint."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from reconciler.local.keys import Keys

SERVICE, REGION = "reconciler", "us-east-1"


def signed_headers(
    url: str, keys: Keys, method: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The headers with which a request counts as one of the keys' holder."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest(method, url, headers=dict(headers or {}), data=body)
    credentials = Credentials(keys.access_key_id, keys.secret_access_key, keys.token or None)
    SigV4Auth(credentials, SERVICE, REGION).add_auth(request)
    return dict(request.headers.items())


def request(
    endpoint: str,
    keys: Keys,
    method: str,
    path: str,
    body: object = None,
    *,
    timeout: float = 30.0,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Any]:
    """(status, JSON answer) of a control request. Raises OSError, HTTPException, ValueError."""
    text = b"" if body is None else json.dumps(body).encode()
    all_headers = signed_headers(
        f"{endpoint}{path}", keys, method, text, {"Content-Type": "text/json", **(headers or {})}
    )
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=timeout)
    try:
        connection.request(method, path, text, all_headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null")
    finally:
        connection.close()
