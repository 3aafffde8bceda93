"""The IAM action that an API operation needs: mostly `service:Operation`, but not in S3. Pure."""

from __future__ import annotations

S3 = {
    "HeadBucket": "ListBucket", "ListObjectsV2": "ListBucket", "ListObjectVersions": "ListBucketVersions",
    "ListBuckets": "ListAllMyBuckets", "HeadObject": "GetObject", "download_file": "GetObject",
    "GetBucketEncryption": "GetEncryptionConfiguration", "PutBucketEncryption": "PutEncryptionConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock", "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration", "ListMultipartUploads": "ListBucketMultipartUploads",
    "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject", "CompleteMultipartUpload": "PutObject",
    "upload_file": "PutObject", "DeleteObjects": "DeleteObject",
}  # fmt: skip


def action_of(service: str, operation: str) -> str:
    """`service:Action`, as a policy statement names it."""
    return f"{service}:{S3.get(operation, operation) if service == 's3' else operation}"
