"""S3 as the record of runs needs it, in memory: conditional writes, pages of listings, and each call counted."""

from __future__ import annotations

import hashlib
import io
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from reconciler.core.clock import SystemClock
from reconciler.core.errors import AwsError

PAGE = 1_000


class FakeS3:
    """One bucket. before: called before each operation with its name, so that somebody else can be quicker."""

    FAILURES = (AwsError,)

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.calls: Counter[str] = Counter()
        self.clock = SystemClock()
        self.before: Callable[[str], None] = lambda operation: None
        self._sorted: list[str] | None = None

    def write(self, key: str, body: bytes) -> str:
        """Put an object, as somebody else does."""
        if key not in self.objects:
            self._sorted = None
        self.objects[key] = body
        return self._etag(body)

    def remove(self, *keys: str) -> None:
        """Delete objects, as somebody else does."""
        for key in keys:
            del self.objects[key]
        self._sorted = None

    def each(self, read: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """One after the other."""
        return [read(item) for item in items]

    def find(self, service: str, operation: str, **params: Any) -> Any:
        """None for what isn't there."""
        self.before(operation)
        self.calls[operation] += 1
        return self._list(**params) if operation == "ListObjectsV2" else self._get(**params)

    def there(self, service: str, operation: str, **params: Any) -> Any:
        """None where the condition doesn't hold."""
        self.before(operation)
        self.calls[operation] += 1
        now = self.objects.get(params["Key"])
        if "IfMatch" in params and (now is None or self._etag(now) != params["IfMatch"]):
            return None
        if "IfNoneMatch" in params and now is not None:
            return None
        return {"ETag": self.write(params["Key"], params["Body"])}

    call = conditional = there

    @staticmethod
    def _etag(body: bytes) -> str:
        return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'

    def _get(self, Bucket: str, Key: str) -> Any:  # noqa: N803  as boto3 has them
        body = self.objects.get(Key)
        return None if body is None else {"Body": io.BytesIO(body), "ETag": self._etag(body)}

    def _list(self, **params: Any) -> Any:
        prefix, delimiter = params["Prefix"], params["Delimiter"]
        after = params.get("ContinuationToken") or params.get("StartAfter", "")
        keys = self._sorted = self._sorted or sorted(self.objects)
        contents, folders = [], list[str]()
        at = bisect_right(keys, max(after, prefix))
        while at < len(keys) and keys[at].startswith(prefix):
            key = keys[at]
            cut = key.find(delimiter, len(prefix))
            if cut < 0:
                contents.append({"Key": key, "ETag": self._etag(self.objects[key])})
                at += 1
            else:
                key = key[: cut + len(delimiter)]
                if key > after:
                    folders.append(key)
                at = bisect_right(keys, key + "\U0010ffff")
            if len(contents) + len(folders) == PAGE:
                more = {"IsTruncated": True, "NextContinuationToken": key} if at < len(keys) else {}
                return {"Contents": contents, "CommonPrefixes": [{"Prefix": folder} for folder in folders], **more}
        return {"Contents": contents, "CommonPrefixes": [{"Prefix": folder} for folder in folders]}
