"""Fault cases: S3. Data only."""

from tests.faults.case import EVER, Case, error, lose

S3 = (
    Case(
        "a bucket of this name was just deleted",
        ("bucket",),
        (error("s3", "CreateBucket", "OperationAborted", status=409),),
    ),
    Case(
        "a bucket stays aborted",
        ("bucket",),
        (error("s3", "CreateBucket", "OperationAborted", times=EVER, status=409),),
        fails="OperationAborted.*still being deleted.*data.bucket.name.*300 s",
        wait=(290, 330),
    ),
    Case(
        "a new bucket can't be configured yet",
        ("bucket",),
        (error("s3", "PutBucketVersioning", "NoSuchBucket", status=404),),
        wait=(1, 60),
    ),
    Case(
        "a new bucket can't be read yet",
        ("bucket",),
        (error("s3", "GetBucketVersioning", "NoSuchBucket", times=4, status=404, skip=1),),
        calls={"CreateBucket": 1},
    ),
    Case("a new bucket takes no objects yet", ("object",), (error("s3", "PutObject", "NoSuchBucket", status=404),)),
    Case("a created bucket's answer is lost", ("bucket",), (lose("s3", "CreateBucket"),), calls={"CreateBucket": 1}),
    Case(
        "a bucket of somebody else",
        ("bucket",),
        (error("s3", "CreateBucket", "BucketAlreadyExists", status=409),),
        fails="taken by another AWS account.*data.bucket.name",
        calls={"CreateBucket": 1},
    ),
    Case(
        "a bucket that may not be seen",
        ("bucket",),
        (
            error("s3", "HeadBucket", "403", times=EVER, status=403),
            error("s3", "*", "AccessDenied", "Access Denied", EVER, 403),
        ),
        act="plan",
        fails="taken by another AWS account.*data.bucket.name",
        wait=(0, 0),
    ),
    Case(
        "a bucket of another region",
        ("bucket",),
        (error("s3", "*", "PermanentRedirect", "", EVER, 301) | {"headers": {"x-amz-bucket-region": "eu-west-1"}},),
        act="plan",
        fails="S3 says that the bucket is in eu-west-1; .*another region",
        wait=(0, 0),
    ),
    Case("an upload's answer is lost", ("object",), (lose("s3", "PutObject"),), calls={"PutObject": 1}),
    Case(
        "S3 is slowed down", ("bucket",), (error("s3", "*", "SlowDown", "Please reduce your request rate.", 10, 503),)
    ),
    Case(
        "S3 breaks for a moment", ("bucket",), (error("s3", "PutBucketTagging", "InternalError", times=2, status=500),)
    ),
    Case(
        "somebody writes into the bucket",
        ("bucket",),
        act="destroy",
        rules=(error("s3", "DeleteBucket", "BucketNotEmpty", times=EVER, status=409),),
        fails="BucketNotEmpty.*writes",
    ),
)
