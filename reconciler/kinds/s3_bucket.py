"""S3 buckets: versioning, encryption, public access, lifecycle, policy, ACL, tags."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.canonical import Policy, PolicyDocument, policy
from reconciler.core.errors import AwsError, ReconcilerError, UserError
from reconciler.core.needs import Needs
from reconciler.core.spec import Changes, Grants, Immutable, Observed, Restricts, Spec, Value
from reconciler.kinds.base import Kind

BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_WHERE = {"ID", "Prefix", "Filter", "Status"}
_PARTS = (
    ("expire_days", "Expiration", "Days"),
    ("noncurrent_days", "NoncurrentVersionExpiration", "NoncurrentDays"),
    ("abort_upload_days", "AbortIncompleteMultipartUpload", "DaysAfterInitiation"),
)


class Expiry(Value):
    """One lifecycle rule; days, or None."""

    prefix: str = ""
    expire_days: int | None = None
    noncurrent_days: int | None = None
    abort_upload_days: int | None = None
    other: str = ""  # what such a rule of somebody else says besides

    @property
    def identity(self) -> str:
        """Rules are paired by prefix."""
        return self.prefix or "*"


class BucketSpec(Spec):
    """A bucket. It owns its policy and ACL: what isn't wanted is taken away."""

    kind: ClassVar[str] = "bucket"
    data: ClassVar[bool] = True

    region: Annotated[str, Immutable()] = ""
    public_access_block: Annotated[tuple[str, ...], Restricts()] = ()  # which of BLOCKS are on
    policy: Annotated[PolicyDocument, Grants()] = Policy()
    grants: Annotated[tuple[str, ...], Grants()] = ()  # ACL grants to others than the owner, `PERMISSION grantee`
    versioning: bool = False  # never enabled and suspended are the same: new content replaces the old
    encryption: str = "AES256"  # or aws:kms; AWS encrypts with AES256 where nothing is said
    kms_key: str = ""
    lifecycle: tuple[Expiry, ...] = ()


class Bucket(Kind[BucketSpec]):
    """Reads and writes buckets."""

    spec: ClassVar[type[Spec]] = BucketSpec
    needs: ClassVar[Needs] = Needs(
        create=("s3:CreateBucket",),
        delete=("s3:DeleteBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads", "s3:AbortMultipartUpload",
                "s3:DeleteObject", "s3:DeleteObjectVersion"),
        set={"tags": ("s3:PutBucketTagging",), "public_access_block": ("s3:PutBucketPublicAccessBlock",),
             "policy": ("s3:PutBucketPolicy",), "versioning": ("s3:PutBucketVersioning",),
             "encryption": ("s3:PutEncryptionConfiguration",), "kms_key": ("s3:PutEncryptionConfiguration",),
             "lifecycle": ("s3:PutLifecycleConfiguration",)},
        fields={"policy": ("s3:DeleteBucketPolicy",), "grants": ("s3:PutBucketAcl",)},
        read=("s3:GetBucketAcl", "s3:GetBucketPolicy", "s3:GetBucketPublicAccessBlock", "s3:GetBucketTagging",
              "s3:GetBucketVersioning", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration",
              "s3:ListBucket"),
        on=("s3:{name}",),
        elsewhere=dict.fromkeys(
            ("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion"), ("s3:{name}/*",)),
        listing=("s3:ListAllMyBuckets", "s3:GetBucketTagging"),
    )  # fmt: skip
    pattern: ClassVar[str] = r"[A-Za-z0-9][A-Za-z0-9._-]{2,62}"

    def read(self, aws: Aws, want: BucketSpec) -> Observed[BucketSpec] | None:
        """Eight reads."""
        operations = (
            "HeadBucket", "GetBucketVersioning", "GetBucketEncryption", "GetPublicAccessBlock",
            "GetBucketLifecycleConfiguration", "GetBucketTagging", "GetBucketPolicy", "GetBucketAcl",
        )  # fmt: skip
        head, versioning, encryption, block, lifecycle, tagging, document, acl = aws.each(
            lambda operation: aws.find("s3", operation, Bucket=want.name), operations
        )
        if head is None or versioning is None or acl is None:
            return None
        encrypted = _encryption(encryption)
        blocked = (block or {}).get("PublicAccessBlockConfiguration", {})
        spec = BucketSpec(
            name=want.name,
            region=head.get("BucketRegion") or aws.region,
            public_access_block=tuple(one for one in BLOCKS if blocked.get(one)),
            policy=policy(document["Policy"]) if document else Policy(),
            grants=_grants(acl),
            versioning=versioning.get("Status") == "Enabled",
            encryption=encrypted.get("SSEAlgorithm", "AES256"),
            kms_key=encrypted.get("KMSMasterKeyID", ""),
            lifecycle=tuple(sorted(map(_expiry, (lifecycle or {}).get("Rules", ())), key=Expiry.model_dump_json)),
            tags=tags.mapping((tagging or {}).get("TagSet")),
        )
        return Observed(spec, {"arn": f"arn:{aws.partition}:s3:::{want.name}"})

    def create(self, aws: Aws, want: BucketSpec) -> None:
        """Make the bucket, close it, then the rest. us-east-1 is the one region that must not be named."""
        place = {} if aws.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
        try:
            aws.call("s3", "CreateBucket", Bucket=want.name, **place)
        except AwsError as error:
            if error.code == "BucketAlreadyExists":
                raise UserError(
                    f"the bucket name {want.name!r} is taken by another AWS account (names are unique in all of AWS)",
                    hint="choose another name in deploy.yaml under data.bucket.name",
                ) from None
            raise
        # AWS blocks public access to a new bucket by itself, so that leaving it open has to be said too.
        self._put(aws, want, BucketSpec(name=want.name, public_access_block=() if want.public_access_block else BLOCKS))

    def update(self, aws: Aws, want: BucketSpec, seen: Observed[BucketSpec], changes: Changes) -> None:
        """Put each part that differs."""
        self._put(aws, want, seen.spec)

    def delete(self, aws: Aws, seen: Observed[BucketSpec]) -> None:
        """Empty it, versions and unfinished uploads too, then remove it."""
        name = seen.spec.name
        for upload in aws.find_all("s3", "ListMultipartUploads", "Uploads", Bucket=name) or ():
            aws.find("s3", "AbortMultipartUpload", Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
        while (page := aws.find("s3", "ListObjectVersions", Bucket=name)) is not None:
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            if not found:
                break
            keys = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
            answer = aws.call("s3", "DeleteObjects", Bucket=name, Delete={"Objects": keys, "Quiet": True})
            # A 200 whose body says what stays. What was only slow to go is listed again and tried again.
            kept: list[Any] = answer.get("Errors") or []
            if len(kept) >= len(keys):
                one = kept[0]
                raise ReconcilerError(
                    f"objects of {name} stay, such as {one.get('Key')}: {one.get('Code')}: {one.get('Message')}",
                    hint="a retention (object lock), MFA delete or a policy may hold them; end that, then run it again",
                )
        aws.find("s3", "DeleteBucket", Bucket=name)

    def _put(self, aws: Aws, want: BucketSpec, old: BucketSpec) -> None:
        bucket: dict[str, Any] = {"Bucket": want.name}
        if want.tags != old.tags:
            aws.call("s3", "PutBucketTagging", **bucket, Tagging={"TagSet": tags.pairs(want.tags)})
        if want.public_access_block != old.public_access_block:
            block = {one: one in want.public_access_block for one in BLOCKS}
            aws.call("s3", "PutPublicAccessBlock", **bucket, PublicAccessBlockConfiguration=block)
        if want.policy != old.policy:
            if want.policy.statements:
                aws.call("s3", "PutBucketPolicy", **bucket, Policy=want.policy.text())
            else:
                aws.find("s3", "DeleteBucketPolicy", **bucket)
        if want.grants != old.grants:
            aws.call("s3", "PutBucketAcl", **bucket, ACL="private")
        if want.versioning != old.versioning:
            status = "Enabled" if want.versioning else "Suspended"
            aws.call("s3", "PutBucketVersioning", **bucket, VersioningConfiguration={"Status": status})
        if (want.encryption, want.kms_key) != (old.encryption, old.kms_key):
            default = {"SSEAlgorithm": want.encryption} | ({"KMSMasterKeyID": want.kms_key} if want.kms_key else {})
            rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": bool(want.kms_key)}
            aws.call("s3", "PutBucketEncryption", **bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
        if want.lifecycle != old.lifecycle:
            if want.lifecycle:
                configuration = {"Rules": _rules(want.lifecycle)}
                aws.call("s3", "PutBucketLifecycleConfiguration", **bucket, LifecycleConfiguration=configuration)
            else:
                aws.find("s3", "DeleteBucketLifecycle", **bucket)

    def listed(self, aws: Aws) -> Iterable[str]:
        """One read."""
        return [one["Name"] for one in aws.pages("s3", "ListBuckets", "Buckets")]

    def tags_of(self, aws: Aws, name: str) -> Mapping[str, str]:
        """One read."""
        return tags.mapping((aws.find("s3", "GetBucketTagging", Bucket=name) or {}).get("TagSet"))


def _encryption(answer: Mapping[str, Any] | None) -> Mapping[str, Any]:
    rules = (answer or {}).get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    return rules[0].get("ApplyServerSideEncryptionByDefault", {}) if rules else {}


def _grants(acl: Mapping[str, Any]) -> tuple[str, ...]:
    owner = acl.get("Owner", {}).get("ID")
    others = [g for g in acl.get("Grants", ()) if g["Grantee"].get("ID") != owner or g["Grantee"].get("URI")]
    return tuple(sorted(f"{g['Permission']} {g['Grantee'].get('URI') or g['Grantee'].get('ID')}" for g in others))


def _expiry(rule: Mapping[str, Any]) -> Expiry:
    """A rule as the S3 API has it, in the desired form."""
    # What isn't one of ours is kept as text, so that it shows as a difference.
    other = {k: v for k, v in rule.items() if k not in _WHERE | {key for _, key, _ in _PARTS}}
    if rule.get("Status") != "Enabled":
        other["Status"] = rule.get("Status")
    place = rule.get("Filter") or {}
    if place.keys() - {"Prefix"}:
        other["Filter"] = place
    days = {}
    for field, key, unit in _PARTS:
        part = dict(rule.get(key) or {})
        days[field] = part.pop(unit, None)
        # S3 says this of every rule that doesn't use it.
        if more := {k: v for k, v in part.items() if (k, v) != ("ExpiredObjectDeleteMarker", False)}:
            other[key] = more
    return Expiry(
        prefix=place.get("Prefix") or rule.get("Prefix") or "",
        other=json.dumps(other, sort_keys=True, default=str) if other else "",
        **days,
    )


def _rules(lifecycle: Sequence[Expiry]) -> list[dict[str, Any]]:
    """The _rules as the S3 API takes them, each with an ID of its own."""
    return [_rule(one, f"reconciler-{number}") for number, one in enumerate(lifecycle, 1)]


def _rule(expiry: Expiry, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {"ID": name, "Status": "Enabled", "Filter": {"Prefix": expiry.prefix}}
    for field, key, unit in _PARTS:
        if days := getattr(expiry, field):
            found[key] = {unit: days}
    return found
