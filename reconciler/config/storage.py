"""The sections `data` and `image`: what is stored in S3 and in ECR."""

from __future__ import annotations

import os
import re
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo

from reconciler.config import names
from reconciler.config.base import AsWritten, Int, OneOrMore, Section
from reconciler.core.given_data import SCHEME, Place, place_of
from reconciler.core.limits import FEWEST_DAYS, MOST_DAYS


class LifecycleRule(Section):
    """One rule that removes old objects of the bucket; it needs at least one of the numbers of days."""

    prefix: str = Field("", description="Only objects whose key starts with this; empty for all.", examples=["runs/"])
    expire_days: Int | None = Field(
        None, ge=FEWEST_DAYS, le=MOST_DAYS, description="Delete objects after this many days.", examples=[365]
    )
    noncurrent_days: Int | None = Field(
        None,
        ge=FEWEST_DAYS,
        le=MOST_DAYS,
        description="Delete overwritten versions after this many days.",
        examples=[90],
    )
    abort_upload_days: Int | None = Field(
        None,
        ge=FEWEST_DAYS,
        le=MOST_DAYS,
        description="Drop unfinished multipart uploads after this many days.",
        examples=[7],
    )


class Bucket(Section):
    """The S3 bucket for data, results and the record of runs."""

    name: Annotated[str, names.BUCKET] | None = Field(
        None,
        description="The bucket's name, unique in all of AWS. Default: NAME-data-ACCOUNT.",
        examples=["my-pipeline-data"],
    )
    versioning: bool = Field(True, description="Keep overwritten objects as old versions.", examples=[False])
    encryption: Literal["AES256", "aws:kms"] = Field(
        "AES256", description="Default encryption of new objects.", examples=["aws:kms"]
    )
    kms_key: Annotated[str, names.KMS_KEY] | None = Field(
        None,
        description="ARN of the KMS key, with `encryption: aws:kms`; null for the key that AWS manages.",
        examples=["arn:aws:kms:us-east-1:123456789012:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"],
    )
    block_public_access: bool = Field(
        True, description="Refuse public ACLs and public bucket policies.", examples=[True]
    )
    lifecycle: tuple[LifecycleRule, ...] = Field(
        (LifecycleRule(abort_upload_days=7, noncurrent_days=90),),
        description="Rules that delete old objects.",
        examples=[[{"prefix": "runs/", "expire_days": 365}]],
    )
    protect: bool = Field(False, description="Refuse to delete the bucket.", examples=[True])


BASE = "base"  # in the context of a validation: the folder of deploy.yaml
WILD = re.compile(r"[*?]")


def _one_file(value: Any, info: ValidationInfo) -> Any:
    """A path alone is a file. What is a folder on this machine ends with a slash from here on."""
    entry = {"file": value} if isinstance(value, str) else value
    if not isinstance(entry, dict) or not isinstance(file := entry.get("file"), str) or not info.context:
        return entry
    folder = file and not file.endswith("/") and os.path.isdir(info.context[BASE] / file)  # noqa: PTH112  never raises
    return entry | {"file": f"{file}/"} if folder else entry


class DataFile(Section):
    """A file, a folder or a pattern of files that are uploaded to the bucket, or a place in S3 whose data is used as it
    is. The path alone is enough.
    """

    file: str = Field(
        min_length=1,
        description="The file or folder, relative to the folder of deploy.yaml, or a pattern: `*` and `?` "
        "stand for any part of a name, `**` for any folders. Or an S3 URI of existing data, which "
        "is read where it is. docs/data.md explains it.",
        examples=["data/prices.csv", "images/", "data/**/*.parquet", "s3://my-datasets/prices/"],
    )
    key: Annotated[str, names.OBJECT_KEY] | None = Field(
        None,
        description="Its key in the bucket; of a folder or pattern, the folder in the bucket. "
        "Default: data/FILE-NAME; of a folder, data/FOLDER-NAME.",
        examples=["data/prices.csv"],
    )
    kms_key: Annotated[str, names.KMS_KEY] | None = Field(
        None,
        description="With an S3 URI: ARN of the KMS key that encrypts the data, so that the program may decrypt it.",
        examples=["arn:aws:kms:us-east-1:123456789012:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"],
    )

    @property
    def given(self) -> bool:
        """Whether it is in S3 already."""
        return self.file.startswith(SCHEME)

    @property
    def place(self) -> Place:
        """Of what is in S3 already: where."""
        return place_of(self.file)

    @property
    def tree(self) -> bool:
        """Whether it names the files of a folder here, and not one."""
        return not self.given and (self.file.endswith("/") or WILD.search(self.file) is not None)

    @property
    def folder(self) -> str:
        """The folder whose files it names: the path up to the first part with a pattern."""
        parts = self.file.split("/")
        ends = (i for i, part in enumerate(parts) if WILD.search(part) or i == len(parts) - 1)
        return "/".join(parts[: next(ends)]) or ("/" if self.file.startswith("/") else ".")

    @property
    def pattern(self) -> str:
        """Which files below `folder`."""
        return self.file.removeprefix("./" if self.folder == "." else self.folder).lstrip("/") or "**"

    @property
    def prefix(self) -> str:
        """Of a folder: what the keys of all its files begin with."""
        return f"{self.key}/"

    @property
    def outside_image(self) -> str:
        """What it names, as a pattern of .dockerignore; empty for the whole folder of deploy.yaml."""
        if not self.tree:
            return self.file
        folder = "" if self.folder == "." else f"{self.folder}/"
        return folder.rstrip("/") if self.pattern == "**" else folder + self.pattern

    @property
    def readable(self) -> str:
        """What the program may read, as a path in the bucket."""
        return f"{self.key}/*" if self.tree else str(self.key)

    def filled(self) -> DataFile:
        """This file with its key. What is in S3 already has none in the bucket."""
        if self.given:
            return self
        name = PurePath(self.folder if self.tree else self.file).name
        plain = self.tree and name in ("", "..", "data")
        return self.model_copy(update={"key": self.key or ("data" if plain else f"data/{name}")})


class Data(Section):
    """The bucket and what is uploaded to it. A path, or a list of them, stands for `files`."""

    bucket: Bucket = Field(Bucket(), description="The bucket.", examples=[{"name": "my-pipeline-data"}])
    files: Annotated[
        tuple[Annotated[DataFile, BeforeValidator(_one_file, json_schema_input_type=str | DataFile)], ...], OneOrMore()
    ] = Field(
        (),
        description="Files, folders and patterns to upload, and places in S3 that are read where they are; the "
        "first is the training data (S3_BUCKET, S3_KEY, and S3_PREFIX for a folder).",
        examples=[
            ["data/prices.csv"],
            ["images/"],
            [{"file": "data/prices.csv", "key": "data/2025/prices.csv"}],
            ["s3://my-datasets/prices/"],
        ],
    )

    @property
    def uploads(self) -> tuple[DataFile, ...]:
        """What is uploaded to the bucket."""
        return tuple(file for file in self.files if not file.given)

    @property
    def given(self) -> tuple[DataFile, ...]:
        """What is in S3 already, and isn't the deploy's."""
        return tuple(file for file in self.files if file.given)


class Repository(Section):
    """The ECR repository that holds the image."""

    name: Annotated[str, names.REPOSITORY] | None = Field(
        None, description="The repository's name. Default: NAME.", examples=["team/my-pipeline"]
    )
    scan_on_push: bool = Field(True, description="Scan each pushed image for known vulnerabilities.", examples=[True])
    immutable_tags: bool = Field(
        False, description="Refuse to move a tag to another image, except `moving_tags`.", examples=[True]
    )
    moving_tags: Annotated[tuple[Annotated[str, names.TAG_PATTERN], ...], OneOrMore()] = Field(
        (),
        max_length=5,
        description="With `immutable_tags`: tags that may move; `*` stands for any text.",
        examples=[["latest"]],
    )
    keep_images: Int | None = Field(
        10, ge=1, le=1000, description="Keep the newest N images, and those in use; null keeps all.", examples=[25]
    )
    protect: bool = Field(False, description="Refuse to delete the repository.", examples=[True])


class Image(Section):
    """The container image: built from a context, or one that exists. A path alone stands for `context`."""

    context: str | None = Field(
        ".",
        min_length=1,
        description="The folder that is sent to the build, relative to the folder of deploy.yaml; null with `uri`.",
        examples=["training"],
    )
    dockerfile: str = Field(
        "Dockerfile",
        min_length=1,
        description="The Dockerfile, relative to the context.",
        examples=["docker/train.Dockerfile"],
    )
    target: str | None = Field(None, min_length=1, description="The build stage to stop at.", examples=["runtime"])
    build_args: Annotated[dict[str, str], AsWritten()] = Field(
        {},
        description="Build arguments (ARG in the Dockerfile). Not for secrets: they stay in the image's history.",
        examples=[{"PYTHON_VERSION": "3.12"}],
    )
    tags: Annotated[tuple[Annotated[str, names.IMAGE_TAG], ...], AsWritten(), OneOrMore()] = Field(
        ("latest",),
        description="Tags to give the image, beside the one that names its inputs.",
        examples=[["${git.sha}", "latest"]],
    )
    uri: Annotated[str, names.IMAGE_URI] | None = Field(
        None,
        description="Use this image as it is; nothing is built or pushed.",
        examples=["123456789012.dkr.ecr.us-east-1.amazonaws.com/my-pipeline:2025-01"],
    )
    repository: Repository | None = Field(
        Repository(),
        description="The ECR repository. With `uri` there is none, unless it is given here.",
        examples=[{"keep_images": 25}],
    )
    compression: Literal["gzip", "zstd"] | None = Field(
        None,
        description="How layers are compressed; setting it builds the image again. Default: zstd, which tasks unpack "
        "sooner; gzip with `fail_on`, or where the engine can't.",
        examples=["gzip"],
    )
    fail_on: Literal["critical", "high"] | None = Field(
        None,
        description="Stop before the run when the scan finds vulnerabilities this severe or worse.",
        examples=["critical"],
    )
