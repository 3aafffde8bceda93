"""S3's signer of botocore, which doesn't hash a body once more whose SHA-256 the request has as its checksum.

Without TLS a signature covers the body's SHA-256, and S3 checks that and the checksum against what it got.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from copy import copy
from typing import Any

from botocore.auth import AUTH_TYPE_MAPS, S3SigV4Auth

NAME = "reconciler-s3v4"
PLAIN = ("v4", "s3v4")
CHECKSUM = "x-amz-checksum-sha256"
EMPTY = hashlib.sha256().hexdigest()


class Signer(S3SigV4Auth):  # type: ignore[misc]
    """What it signs is the same, byte for byte."""

    def payload(self, request: Any) -> str:
        """What stands for the body in what is signed."""
        checksum = request.headers.get(CHECKSUM)
        if not checksum:
            return str(super().payload(request))
        # Whether botocore would hash the body it says by what it makes of an empty one.
        without_body = copy(request)
        without_body.data = b""
        instead = str(super().payload(without_body))
        if instead != EMPTY:
            return instead
        try:
            return base64.b64decode(checksum, validate=True).hex()
        except binascii.Error:
            return str(super().payload(request))  # S3 says what is wrong with it


def use(client: Any) -> None:
    """Have a client of S3 sign its uploads so."""
    AUTH_TYPE_MAPS[NAME] = Signer
    for operation in ("PutObject", "UploadPart"):
        client.meta.events.register_first(f"choose-signer.s3.{operation}", _choose)


def _choose(signature_version: Any, **others: Any) -> str | None:
    """Another kind of signature (a presigned address, none at all, one for several regions) stays as it is."""
    return NAME if signature_version in PLAIN else None
