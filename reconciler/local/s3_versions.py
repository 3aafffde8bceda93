"""Which versions of an object a write or a delete leaves in the embedded S3."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

from moto.core.responses import ActionResult
from moto.s3.models import FakeBucket, FakeDeleteMarker, S3Backend
from moto.s3.responses import S3Response
from moto.s3.utils import _VersionedKeyStore

from reconciler.local.correction import Correction

NULL = "null"  # the version ID of what is written while versioning isn't enabled
SUSPENDED = "Suspended"


def a_version_replaces_only_its_own_id() -> None:
    """A PUT while versioning is suspended replaces the version `null` alone; a DELETE puts a marker in its place.

    moto then drops all versions of the object, also at a DELETE of one version, and refuses a HEAD of a version. Of two
    writes at once it drops the first, also where versioning is enabled.
    """
    set_list: Any = _VersionedKeyStore.setlist
    delete: Any = S3Backend.delete_object
    head: Any = S3Response.head_object
    is_enabled: Any = FakeBucket.is_versioned
    has_versions = ContextVar("has_versions", default=False)  # the request is about a version, of whichever bucket
    lock = threading.Lock()

    def setlist(self: Any, name: str, versions: list[Any]) -> None:
        with lock:
            earlier_versions = self.getlist(name, [])
            new = [version for version in versions[-1:] if version not in earlier_versions]
            for version in new:
                replaced = [earlier for earlier in earlier_versions if earlier.version_id == version.version_id]
                for content in filter(None, (getattr(earlier, "_value_buffer", None) for earlier in replaced)):
                    content.replaced = True
                versions = [*(earlier for earlier in earlier_versions if earlier not in replaced), version]
            set_list(self, name, versions)

    def delete_object(
        self: Any, bucket_name: str, key_name: str, version_id: str | None = None, bypass: bool = False
    ) -> Any:
        bucket = self.get_bucket(bucket_name)
        if version_id is None and bucket.versioning_status == SUSPENDED:
            marker = FakeDeleteMarker(cast(Any, SimpleNamespace(name=key_name)))
            marker._version_id = NULL
            bucket.keys.setlist(key_name, [marker])
            return True, {"version-id": NULL, "delete-marker": "true"}
        reset = has_versions.set(version_id is not None)
        try:
            return delete(self, bucket_name, key_name, version_id, bypass)
        finally:
            has_versions.reset(reset)

    def head_object(self: Any, bucket_name: str, query: dict[str, Any], key_name: str, headers: Any) -> Any:
        suspended = self.backend.get_bucket(bucket_name).versioning_status == SUSPENDED
        reset = has_versions.set(suspended or query.get("versionId") == [NULL])
        try:
            return head(self, bucket_name, query, key_name, headers)
        finally:
            has_versions.reset(reset)

    _VersionedKeyStore.setlist = setlist  # type: ignore[assignment,method-assign]
    S3Backend.delete_object = delete_object  # type: ignore[method-assign]
    S3Response.head_object = head_object  # type: ignore[method-assign]
    FakeBucket.is_versioned = property(  # type: ignore[assignment,method-assign]
        lambda self: has_versions.get() or is_enabled.fget(self)
    )


def versions_are_listed_under_encoded_keys() -> None:
    """With `encoding-type=url`, as every client asks: XML can't hold all that a key may, and moto answers 500 then."""
    original: Any = S3Response.list_object_versions

    def list_object_versions(self: Any) -> Any:
        if self.querystring.get("encoding-type") != ["url"]:
            return original(self)
        serialized = self.serialized
        self.serialized = lambda action: serialized(ActionResult(_encoded(action.result)))
        try:
            return original(self)
        finally:
            del self.serialized

    S3Response.list_object_versions = list_object_versions  # type: ignore[method-assign]


def _encoded(listed: dict[str, Any]) -> dict[str, Any]:
    """An answer of ListObjectVersions with encoded keys."""
    texts = ("Prefix", "Delimiter", "KeyMarker", "NextKeyMarker")
    encoded = {name: quote(value) if name in texts and value else value for name, value in listed.items()}
    for name, part in (("Versions", "Key"), ("DeleteMarkers", "Key"), ("CommonPrefixes", "Prefix")):
        encoded[name] = [{**entry, part: quote(entry[part])} for entry in listed.get(name, ())]
    return {**encoded, "EncodingType": "url"}


CORRECTIONS = (
    Correction(
        "a version replaces only its own ID",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/VersionSuspendedBehavior.html",
        a_version_replaces_only_its_own_id,
    ),
    Correction(
        "versions are listed under encoded keys",
        "https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html",
        versions_are_listed_under_encoded_keys,
    ),
)
