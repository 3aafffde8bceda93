"""The image's manifest in the repository, and the record of its inputs that it carries as an annotation.

The hash of the inputs is a tag; the record (path -> short hash) is what lets a plan say which files changed. It is kept
in the manifest itself: it comes and goes with the image, needs no other store, and is read with one call. Engines
push manifests in Docker's format, which has no annotations: `annotated` gives the same image in OCI's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.core import plain_json
from reconciler.core.errors import AwsError, ReconcilerError

RECORD = "reconciler.inputs"
RECORD_BYTES = 200_000  # a registry takes manifests up to 4 MiB; beyond this, folders stand for their files
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_TYPES = {
    "application/vnd.docker.distribution.manifest.v2+json": OCI_MANIFEST,
    "application/vnd.docker.distribution.manifest.list.v2+json": "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.container.image.v1+json": "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
}
READABLE = (OCI_MANIFEST, "application/vnd.oci.image.index.v1+json", *list(OCI_TYPES)[:2])


@dataclass(frozen=True)
class Manifest:
    """A manifest as its exact text, which is what the digest is of."""

    text: str
    media_type: str

    @property
    def digest(self) -> str:
        """The digest by which a registry names it: `sha256:…`."""
        return "sha256:" + hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def annotations(self) -> Mapping[str, str]:
        """The annotations in it; empty where there are none."""
        parsed = plain_json.parse(self.text).get("annotations")
        return parsed if isinstance(parsed, dict) else {}

    @property
    def layers(self) -> tuple[int, ...]:
        """The bytes of each layer as it is stored, which is compressed; empty for what has none."""
        return tuple(layer["size"] for layer in self._layers if isinstance(layer.get("size"), int))

    @property
    def _layers(self) -> list[dict[str, Any]]:
        return [layer for layer in plain_json.parse(self.text).get("layers") or () if isinstance(layer, dict)]

    @property
    def compression(self) -> str:
        """How its layers are compressed: `gzip`, `zstd`, both as `gzip and zstd`; empty for what has none."""
        types = [str(layer.get("mediaType")) for layer in self._layers]
        return " and ".join(way for way in ("gzip", "zstd") if any(media_type.endswith(way) for media_type in types))

    def annotated(self, annotations: Mapping[str, str]) -> Manifest:
        """The same image with these annotations: same configuration, same layers, in OCI's format."""
        document: dict[str, Any] = plain_json.parse(self.text)
        kind = OCI_TYPES.get(self.media_type, self.media_type)
        document["mediaType"] = kind
        for part in (document.get("config"), *document.get("layers", ())):
            if isinstance(part, dict):
                part["mediaType"] = OCI_TYPES.get(part.get("mediaType", ""), part.get("mediaType"))
        document["annotations"] = {**(document.get("annotations") or {}), **annotations}
        return Manifest(json.dumps(document, sort_keys=True, separators=(",", ":")), kind)


def record_annotation(record: Mapping[str, str]) -> dict[str, str]:
    """The annotation that holds a record of inputs; a very long record by folder."""
    text = json.dumps(dict(record), sort_keys=True, separators=(",", ":"))
    if len(text) > RECORD_BYTES:
        folders: dict[str, str] = {}
        for name, value in sorted(record.items()):
            top = name.split("/")[0] + "/…" if "/" in name and not name.startswith("(") else name
            folders[top] = hashlib.sha256(f"{folders.get(top, '')}{name}{value}".encode()).hexdigest()[:12]
        text = json.dumps(folders, sort_keys=True, separators=(",", ":"))
    return {RECORD: text}


def record_of(manifest: Manifest | None) -> dict[str, str]:
    """The record of inputs that a manifest carries; empty if it carries none that can be read."""
    try:
        record = plain_json.parse(manifest.annotations[RECORD]) if manifest else {}
    except (KeyError, ValueError):
        return {}
    return {str(k): str(v) for k, v in record.items()} if isinstance(record, dict) else {}


def get_manifest(aws: Aws, repository: str, **image_id: str) -> Manifest | None:
    """A manifest in ECR, by `imageTag` or `imageDigest`; None if there is none. Raises AwsError."""
    answer = aws.find(
        "ecr", "BatchGetImage", repositoryName=repository, imageIds=[image_id], acceptedMediaTypes=list(READABLE)
    )
    for image in (answer or {}).get("images", ()):
        return Manifest(image["imageManifest"], image.get("imageManifestMediaType") or OCI_MANIFEST)
    return None


def put_manifest(aws: Aws, repository: str, manifest: Manifest, tag: str) -> None:
    """Store a manifest under a tag, moving the tag if it was elsewhere. That it is so already is fine.

    Raises ReconcilerError if the repository's tags are immutable and the tag is another image's; AwsError.
    """
    try:
        aws.call(
            "ecr",
            "PutImage",
            repositoryName=repository,
            imageTag=tag,
            imageManifest=manifest.text,
            imageManifestMediaType=manifest.media_type,
            imageDigest=manifest.digest,
        )
    except AwsError as error:
        if error.code not in ("ImageAlreadyExistsException", "ImageTagAlreadyExistsException"):
            raise
        existing = get_manifest(aws, repository, imageTag=tag)
        if existing is None or existing.digest != manifest.digest:
            raise taken(repository, tag) from None


def taken(repository: str, tag: str) -> ReconcilerError:
    """What to say of a tag that is another image's and can't move."""
    return ReconcilerError(
        f"the tag {tag!r} of the repository {repository!r} belongs to another image and may not be moved",
        hint="with image.repository.immutable_tags, give tags that move (`latest`) under moving_tags beside it, or "
        "leave them out of image.tags",
    )
