"""boto3's `upload_file`, for a file that others may make shorter meanwhile.

The transfer manager says how long each part will be, and then reads it. Where the file has become shorter by then, S3
waits for bytes that nobody sends, and the upload fails after minutes by a timeout. Here zeros stand for what is
missing, so that the part ends; `Aws.transfer` then finds that the file isn't what it was.

And the parts' SHA-256 is sent as it was when the file was read, where that is known: nothing is hashed once more, and
S3 refuses a part that has changed.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from boto3.s3.transfer import S3Transfer
from s3transfer.utils import OSUtils, ReadFileChunk


class _Part(ReadFileChunk):  # type: ignore[misc]
    def read(self, amount: int | None = None) -> bytes:
        remaining = max(len(self) - self.tell(), 0)
        count = remaining if amount is None or amount < 0 else min(remaining, amount)
        content: bytes = super().read(count)
        missing = count - len(content)
        if missing:
            self.seek(self.tell() + missing)
        return content + bytes(missing)


class _Files(OSUtils):  # type: ignore[misc]
    def open_file_chunk_reader_from_fileobj(
        self, fileobj: Any, chunk_size: int, full_file_size: int, callbacks: Any, close_callbacks: Any = None
    ) -> _Part:
        return _Part(
            fileobj,
            chunk_size,
            full_file_size,
            callbacks=callbacks,
            enable_callbacks=False,
            close_callbacks=close_callbacks,
        )


class _Client:
    """A client of S3 that knows the checksums of the parts of one upload."""

    def __init__(self, client: Any, digests: Sequence[bytes]) -> None:
        self._client, self._digests = client, digests

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def upload_part(self, **params: Any) -> Any:
        """S3's UploadPart, with the part's SHA-256. Raises what that raises."""
        number = params["PartNumber"]
        if number <= len(self._digests):
            params["ChecksumSHA256"] = base64.b64encode(self._digests[number - 1]).decode()
        return self._client.upload_part(**params)


def upload_file(client: Any, **params: Any) -> None:
    """Upload a file. params: those of boto3's `upload_file`, by their names, and `Digests`, the SHA-256 of each part as
    far as it is known. Raises what boto3's raises.
    """
    config, callback, extra = (params.get(name) for name in ("Config", "Callback", "ExtraArgs"))
    with S3Transfer(_Client(client, params.get("Digests", ())), config, _Files()) as transfer:
        transfer.upload_file(params["Filename"], params["Bucket"], params["Key"], callback, extra)
