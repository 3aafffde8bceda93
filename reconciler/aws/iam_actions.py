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
    "GetBucketReplication": "GetReplicationConfiguration", "PutBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration", "ListMultipartUploads": "ListBucketMultipartUploads",
    "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject", "CompleteMultipartUpload": "PutObject",
    "upload_file": "PutObject", "CopyObject": "PutObject", "UploadPartCopy": "PutObject",
    "DeleteObjects": "DeleteObject",
}  # fmt: skip
OTHERS = {("lambda", "Invoke"): "InvokeFunction"}  # whose action has another name
# Clients whose IAM prefix is another.
SERVICES = {"s3-transfer": "s3", "s3-upload": "s3", "service-quotas": "servicequotas"}


def action_of(service: str, operation: str) -> str:
    """`service:Action`, as a policy statement names it."""
    service = SERVICES.get(service, service)
    name = S3.get(operation) if service == "s3" else OTHERS.get((service, operation))
    return f"{service}:{name or operation}"
