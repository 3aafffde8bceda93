"""Samples of what keeps data, images, logs and parameters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reconciler.config.file_checksums import sha256_of
from reconciler.core.canonical import policy
from reconciler.image.in_use import UsedBy
from reconciler.image.kind import ImageKind
from reconciler.image.source import image_spec
from reconciler.kinds.s3_bucket import BLOCKS, Expiry
from reconciler.local.process_engine import ProcessEngine
from tests.kinds.sample import KEY, OTHER_TAGS
from tests.lab_client import ACCOUNT, REGION, LabHandle


def bucket(lab: LabHandle, folder: Path) -> dict[str, Any]:
    public = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::sample/*"}

    def grant(lab: LabHandle) -> None:
        controls = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
        lab.client("s3").put_bucket_ownership_controls(Bucket="sample", OwnershipControls=controls)
        lab.client("s3").put_bucket_acl(Bucket="sample", ACL="public-read")

    def attach(lab: LabHandle) -> None:
        rule = {"Status": "Enabled", "Priority": 1, "Filter": {}, "DeleteMarkerReplication": {"Status": "Disabled"},
                "Destination": {"Bucket": "arn:aws:s3:::elsewhere"}}  # fmt: skip
        replication = {"Role": f"arn:aws:iam::{ACCOUNT}:role/copies", "Rules": [rule]}
        lab.client("s3").put_bucket_replication(Bucket="sample", ReplicationConfiguration=replication)
        queue = {"QueueArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:theirs", "Events": ["s3:ObjectRemoved:*"]}
        told = {"QueueConfigurations": [queue], "EventBridgeConfiguration": {}}
        lab.client("s3").put_bucket_notification_configuration(Bucket="sample", NotificationConfiguration=told)

    return {
        "base": {
            "region": REGION,
            "public_access_block": BLOCKS,
            "versioning": True,
            "lifecycle": (Expiry(noncurrent_days=90, abort_upload_days=7), Expiry(prefix="runs/", expire_days=365)),
        },
        "changes": {
            "region": "eu-central-1",
            "public_access_block": BLOCKS[:2],
            "policy": policy({"Version": "2012-10-17", "Statement": public}),
            "versioning": False,
            "encryption": "aws:kms",
            "kms_key": {"encryption": "aws:kms", "kms_key": KEY},  # S3 takes a key with aws:kms only
            "blocked_encryption": (),
            "ownership": "BucketOwnerPreferred",
            "lifecycle": (Expiry(prefix="runs/", expire_days=30), Expiry(prefix="runs/", noncurrent_days=3)),
            "tags": OTHER_TAGS,
        },
        "outside": {"grants": grant, "attached": attach},
    }


def s3_object(lab: LabHandle, folder: Path) -> dict[str, Any]:
    lab.client("s3").create_bucket(Bucket="sample")
    files = [folder / name for name in ("one.csv", "two.csv")]
    files[0].write_text("a,b\n1,2\n")
    files[1].write_text("a,b\n1,2\n3,4\n")
    first, second = ({"file": str(path), "sha256": sha256_of(path), "size": path.stat().st_size} for path in files)
    return {"base": {"name": "sample/data/one.csv", **first}, "changes": {"sha256": second, "size": second}}


def s3_folder(lab: LabHandle, folder: Path) -> dict[str, Any]:
    lab.client("s3").create_bucket(Bucket="sample")
    first, second = (
        _files(folder / name, texts) for name, texts in (("one", ("1", "2", "")), ("two", ("1", "3", "4 5")))
    )
    return {"base": {"name": "sample/data/", **first}, "changes": {"files": second, "size": second}}


def _files(folder: Path, texts: tuple[str, ...]) -> dict[str, Any]:
    paths = {name: folder / name for name in ("a.csv", "sub/b c+d.csv", "\u65e5/e.csv")}
    for path, text in zip(paths.values(), texts, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {
        "files": {name: sha256_of(path) for name, path in paths.items()},
        "paths": {name: str(path) for name, path in paths.items()},
        "size": sum(map(len, texts)),
    }


def image(lab: LabHandle, folder: Path) -> dict[str, Any]:
    lab.client("ecr").create_repository(repositoryName="sample")
    specs = []
    for number in ("one", "two"):
        context = folder / number
        context.mkdir()
        (context / "Dockerfile").write_text('FROM scratch\nCOPY main.py .\nCMD ["python", "main.py"]\n')
        (context / "main.py").write_text(f"print('{number}')\n")
        specs.append(image_spec("sample", context, tags=("latest",), used_by=UsedBy(family="sample"))[0])
    parts = ("inputs", "tags_wanted", "used_by", "build")
    first, second = ({part: getattr(spec, part) for part in parts} for spec in specs)

    def unmark(lab: LabHandle) -> None:
        marks = [{"imageTag": UsedBy(family="sample").tag(spec.inputs)} for spec in specs]
        lab.client("ecr").batch_delete_image(repositoryName="sample", imageIds=marks)

    return {
        "kind": ImageKind(ProcessEngine(folder / "home", lab.aws()), lambda line: None),
        "base": first,
        "changes": {"inputs": second, "tags_wanted": ("latest", "v2")},
        "outside": {"in_use": unmark},
    }


def repository(lab: LabHandle, folder: Path) -> dict[str, Any]:
    def lifecycle(lab: LabHandle) -> None:
        rule = {
            "rulePriority": 1,
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": 3,
            },
            "action": {"type": "expire"},
        }
        text = json.dumps({"rules": [rule]})
        lab.client("ecr").put_lifecycle_policy(repositoryName="sample", lifecyclePolicyText=text)

    pull = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "ecr:BatchGetImage"}
    return {
        "base": {"scan_on_push": True, "keep_images": 10},
        "changes": {
            "policy": policy({"Version": "2012-10-17", "Statement": pull}),
            "encryption": "KMS",
            "scan_on_push": False,
            "tag_mutability": "IMMUTABLE",
            # The two go together in ECR.
            "tag_exclusions": {"tag_mutability": "IMMUTABLE_WITH_EXCLUSION", "tag_exclusions": ("dev-*", "latest")},
            "keep_images": 3,
            "keep_in_use": False,
            "tags": OTHER_TAGS,
        },
        "outside": {"other_lifecycle": lifecycle},
        "alone": ["tag_exclusions"],
    }


def log_group(lab: LabHandle, folder: Path) -> dict[str, Any]:
    stream = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/theirs"
    lab.client("kinesis").create_stream(StreamName="theirs", ShardCount=1)

    def attach(lab: LabHandle) -> None:
        lab.client("logs").put_subscription_filter(
            logGroupName="/ecs/sample", filterName="every line", filterPattern="", destinationArn=stream
        )

    return {
        "base": {"name": "/ecs/sample", "retention_in_days": 7},
        "changes": {"retention_in_days": None, "tags": OTHER_TAGS},
        "outside": {"attached": attach},
    }


def parameter(lab: LabHandle, folder: Path) -> dict[str, Any]:
    return {"base": {"name": "/sample/ETA", "initial": {"ETA": "0.1"}}, "changes": {"tags": OTHER_TAGS}}
