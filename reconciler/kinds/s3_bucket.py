"""S3 buckets: versioning, encryption, public access, lifecycle, policy, ACL, where its content goes, tags."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.attached import AttachedSpec, not_allowed, note, to_detach
from reconciler.core.aws_names import ACCOUNT_REGIONAL_NAME
from reconciler.core.canonical import Policy, PolicyDocument, policy
from reconciler.core.errors import AwsError, Denied, UserError
from reconciler.core.needs import Needs
from reconciler.core.spec import Changes, Grants, Immutable, Observed, Restricts, Spec, Value
from reconciler.kinds.base import Kind
from reconciler.kinds.s3_versions import check_deleted

BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_WHERE = {"ID", "Prefix", "Filter", "Status"}
_PARTS = (
    ("expire_days", "Expiration", "Days"),
    ("noncurrent_days", "NoncurrentVersionExpiration", "NoncurrentDays"),
    ("abort_upload_days", "AbortIncompleteMultipartUpload", "DaysAfterInitiation"),
)

OWNER = "BucketOwnerEnforced"  # no ACL counts, the bucket's or an object's, as for every new bucket
WRITER = "ObjectWriter"  # where nothing is said, as for buckets from before 2023
TARGETS = {"Topic": "TopicArn", "Queue": "QueueArn", "LambdaFunction": "LambdaFunctionArn"}
EVENT_BRIDGE = "EventBridgeConfiguration"
# S3 takes it only of a bucket with versions, and lets nobody suspend them while it is there.
REPLICATION = "GetBucketReplication"
SSE_C = "SSE-C"  # encryption with keys that S3 never keeps, which it blocks for new buckets since April 2026


class Expiry(Value):
    """One lifecycle rule; days, or None. tag: `KEY=VALUE` of the objects that it is for; empty for all."""

    prefix: str = ""
    tag: str = ""
    expire_days: int | None = None
    noncurrent_days: int | None = None
    abort_upload_days: int | None = None
    other: str = ""  # what such a rule of somebody else says besides

    @property
    def identity(self) -> str:
        """Rules are paired by what they are for."""
        return " ".join(filter(None, (self.prefix, self.tag))) or "*"


class BucketSpec(AttachedSpec):
    """A bucket. It owns its policy, ACL, replication and notifications: what isn't wanted is taken away."""

    kind: ClassVar[str] = "bucket"
    data: ClassVar[bool] = True

    region: Annotated[str, Immutable()] = ""
    public_access_block: Annotated[tuple[str, ...], Restricts()] = ()  # which of BLOCKS are on
    policy: Annotated[PolicyDocument, Grants()] = Policy()
    grants: Annotated[tuple[str, ...], Grants()] = ()  # ACL grants to others than the owner, `PERMISSION grantee`
    ownership: Annotated[str, Grants()] = OWNER  # or whose ACLs count: ObjectWriter, BucketOwnerPreferred
    versioning: bool = False  # never enabled and suspended are the same: new content replaces the old
    encryption: str = "AES256"  # or aws:kms; AWS encrypts with AES256 where nothing is said
    kms_key: str = ""
    # How content may not be encrypted. Where S3 says nothing, it is as it was made: that is no difference.
    blocked_encryption: Annotated[tuple[str, ...], Restricts()] = (SSE_C,)
    lifecycle: tuple[Expiry, ...] = ()


class Bucket(Kind[BucketSpec]):
    """Reads and writes buckets."""

    spec: ClassVar[type[Spec]] = BucketSpec
    needs: ClassVar[Needs] = Needs(
        create=("s3:CreateBucket", "s3:PutBucketOwnershipControls"),
        delete=("s3:DeleteBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads", "s3:AbortMultipartUpload",
                "s3:DeleteObject", "s3:DeleteObjectVersion"),
        set={"tags": ("s3:PutBucketTagging",), "public_access_block": ("s3:PutBucketPublicAccessBlock",),
             "policy": ("s3:PutBucketPolicy",), "versioning": ("s3:PutBucketVersioning",),
             "encryption": ("s3:PutEncryptionConfiguration",), "kms_key": ("s3:PutEncryptionConfiguration",),
             "blocked_encryption": ("s3:PutEncryptionConfiguration",),
             "lifecycle": ("s3:PutLifecycleConfiguration",)},
        fields={"policy": ("s3:DeleteBucketPolicy",), "grants": ("s3:PutBucketAcl",),
                "ownership": ("s3:PutBucketOwnershipControls",),
                "attached": ("s3:PutBucketNotification", "s3:PutReplicationConfiguration")},
        read=("s3:GetBucketAcl", "s3:GetBucketNotification", "s3:GetBucketOwnershipControls", "s3:GetBucketPolicy",
              "s3:GetBucketPublicAccessBlock", "s3:GetBucketTagging", "s3:GetBucketVersioning",
              "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration",
              "s3:ListBucket"),
        on=("s3:{name}",),
        elsewhere=dict.fromkeys(
            ("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion"), ("s3:{name}/*",)),
        listing=("s3:ListAllMyBuckets", "s3:GetBucketTagging"),
    )  # fmt: skip
    pattern: ClassVar[str] = r"[A-Za-z0-9][A-Za-z0-9._-]{2,62}"

    def read(self, aws: Aws, want: BucketSpec) -> Observed[BucketSpec] | None:
        """Eight reads, one more where it has versions, and so may be copied, and one where ACLs count.

        HeadBucket is asked besides: after S3 has sent a request to another region, for the bucket's own; and after a
        denial, whose error is HeadBucket's where that is refused, too.
        """
        operations = (
            "GetBucketVersioning",
            "GetBucketEncryption",
            "GetPublicAccessBlock",
            "GetBucketLifecycleConfiguration",
            "GetBucketTagging",
            "GetBucketPolicy",
            "GetBucketOwnershipControls",
            "GetBucketNotificationConfiguration",
            *((REPLICATION,) if want.versioning else ()),
        )
        try:
            results = aws.each(lambda operation: aws.find("s3", operation, Bucket=want.name), operations)
        except Denied:
            aws.find("s3", "HeadBucket", Bucket=want.name)
            raise
        answers = dict(zip(operations, results, strict=True))
        if answers["GetBucketVersioning"] is None:
            return None
        if REPLICATION not in answers:
            versions = answers["GetBucketVersioning"].get("Status") == "Enabled"
            answers[REPLICATION] = aws.find("s3", REPLICATION, Bucket=want.name) if versions else None
        head = aws.find("s3", "HeadBucket", Bucket=want.name) if aws.sent_elsewhere else {}
        if head is None:
            return None
        ownership = _ownership(answers["GetBucketOwnershipControls"])
        acl = None if ownership == OWNER else aws.find("s3", "GetBucketAcl", Bucket=want.name)
        spec = _spec(want, answers, head.get("BucketRegion") or aws.region).model_copy(
            update={"ownership": ownership, "grants": _grants(acl) if acl else ()}
        )
        return Observed(spec, {"arn": f"arn:{aws.partition}:s3:::{want.name}"}, note(spec))

    def create(self, aws: Aws, want: BucketSpec) -> None:
        """Make the bucket, close it, then the rest. us-east-1 is the one region that must not be named."""
        place: dict[str, Any] = {}
        if aws.region != "us-east-1":
            place["CreateBucketConfiguration"] = {"LocationConstraint": aws.region}
        if ACCOUNT_REGIONAL_NAME.search(want.name):
            place["BucketNamespace"] = "account-regional"
        try:
            aws.call("s3", "CreateBucket", Bucket=want.name, ObjectOwnership=want.ownership, **place)
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
        """Take away what others attached, then put each part that differs."""
        if texts := to_detach(want, seen.spec):
            _detach(aws, want.name, texts)
        self._put(aws, want, seen.spec)

    def delete(self, aws: Aws, seen: Observed[BucketSpec]) -> None:
        """Empty it, versions and unfinished uploads too, then remove it."""
        name = seen.spec.name
        for upload in aws.find_all("s3", "ListMultipartUploads", "Uploads", Bucket=name) or ():
            aws.check_interrupted()
            aws.find("s3", "AbortMultipartUpload", Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
        while (page := aws.find("s3", "ListObjectVersions", Bucket=name)) is not None:
            versions = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            if not versions:
                break
            aws.check_interrupted()
            keys = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions]
            answer = aws.call("s3", "DeleteObjects", Bucket=name, Delete={"Objects": keys, "Quiet": True})
            # What was only slow to go is listed again and tried again.
            check_deleted(answer, name, most=len(keys) - 1)
        aws.find("s3", "DeleteBucket", Bucket=name)

    def _put(self, aws: Aws, want: BucketSpec, old: BucketSpec) -> None:
        bucket: dict[str, Any] = {"Bucket": want.name}
        if want.tags != old.tags:
            aws.call("s3", "PutBucketTagging", **bucket, Tagging={"TagSet": tags.pairs(want.tags)})
        if want.public_access_block != old.public_access_block:
            block = {setting: setting in want.public_access_block for setting in BLOCKS}
            aws.call("s3", "PutPublicAccessBlock", **bucket, PublicAccessBlockConfiguration=block)
        if want.policy != old.policy:
            if want.policy.statements:
                aws.call("s3", "PutBucketPolicy", **bucket, Policy=want.policy.text())
            else:
                aws.find("s3", "DeleteBucketPolicy", **bucket)
        if want.grants != old.grants:
            aws.call("s3", "PutBucketAcl", **bucket, ACL="private")  # first: AWS takes no ACLs away by itself
        if want.ownership != old.ownership:
            rules = {"Rules": [{"ObjectOwnership": want.ownership}]}
            aws.call("s3", "PutBucketOwnershipControls", **bucket, OwnershipControls=rules)
        if want.versioning != old.versioning:
            status = "Enabled" if want.versioning else "Suspended"
            aws.call("s3", "PutBucketVersioning", **bucket, VersioningConfiguration={"Status": status})
        if _encrypted(want) != _encrypted(old):
            default = {"SSEAlgorithm": want.encryption} | ({"KMSMasterKeyID": want.kms_key} if want.kms_key else {})
            blocked = {"EncryptionType": list(want.blocked_encryption) or ["NONE"]}
            rule = {
                "ApplyServerSideEncryptionByDefault": default,
                "BucketKeyEnabled": bool(want.kms_key),
                "BlockedEncryptionTypes": blocked,
            }
            aws.call("s3", "PutBucketEncryption", **bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
        if want.lifecycle != old.lifecycle:
            if want.lifecycle:
                configuration = {"Rules": _rules(want.lifecycle)}
                aws.call("s3", "PutBucketLifecycleConfiguration", **bucket, LifecycleConfiguration=configuration)
            else:
                aws.find("s3", "DeleteBucketLifecycle", **bucket)

    def is_there(self, aws: Aws, seen: Observed[BucketSpec]) -> bool:
        """Whether the bucket still exists, in one read."""
        return aws.find("s3", "HeadBucket", Bucket=seen.spec.name) is not None

    def listed(self, aws: Aws) -> Iterable[str]:
        """The names of all buckets, in one read."""
        return [bucket["Name"] for bucket in aws.pages("s3", "ListBuckets", "Buckets")]

    def tags_of(self, aws: Aws, name: str) -> Mapping[str, str]:
        """The tags of one bucket, in one read."""
        return tags.mapping((aws.find("s3", "GetBucketTagging", Bucket=name) or {}).get("TagSet"))


def _spec(want: BucketSpec, answers: Mapping[str, Any], region: str) -> BucketSpec:
    """What the answers say, by operation; None for what isn't there."""
    rule = _encryption(answers["GetBucketEncryption"])
    encrypted = rule.get("ApplyServerSideEncryptionByDefault", {})
    unusable = rule.get("BlockedEncryptionTypes", {}).get("EncryptionType") or (SSE_C,)
    blocked = (answers["GetPublicAccessBlock"] or {}).get("PublicAccessBlockConfiguration", {})
    document = answers["GetBucketPolicy"]
    rules = (answers["GetBucketLifecycleConfiguration"] or {}).get("Rules", ())
    attached = [
        *_replications(answers[REPLICATION]),
        *(text for _, _, text in _notifications(answers["GetBucketNotificationConfiguration"])),
    ]
    return BucketSpec(
        name=want.name,
        region=region,
        public_access_block=tuple(setting for setting in BLOCKS if blocked.get(setting)),
        policy=policy(document["Policy"]) if document else Policy(),
        versioning=answers["GetBucketVersioning"].get("Status") == "Enabled",
        encryption=encrypted.get("SSEAlgorithm", "AES256"),
        kms_key=encrypted.get("KMSMasterKeyID", ""),
        blocked_encryption=tuple(sorted(encryption for encryption in unusable if encryption != "NONE")),
        lifecycle=tuple(sorted(map(_expiry, rules), key=Expiry.model_dump_json)),
        attached=not_allowed(attached, want),
        allow=want.allow,
        tags=tags.mapping((answers["GetBucketTagging"] or {}).get("TagSet")),
    )


def _ownership(answer: Mapping[str, Any] | None) -> str:
    rules = (answer or {}).get("OwnershipControls", {}).get("Rules", [])
    return str(rules[0]["ObjectOwnership"]) if rules else WRITER


def _replications(answer: Mapping[str, Any] | None) -> Iterator[str]:
    """A text for each rule that copies objects to another bucket."""
    for rule in (answer or {}).get("ReplicationConfiguration", {}).get("Rules", ()):
        yield _replication(rule)


def _replication(rule: Mapping[str, Any]) -> str:
    to = rule["Destination"]
    account = f" of account {to['Account']}" if to.get("Account") else ""
    return f"replication {to['Bucket']}{account}{'' if rule['Status'] == 'Enabled' else ' (disabled)'}"


def _notifications(answer: Mapping[str, Any] | None) -> Iterator[tuple[str, Any, str]]:
    """(part of the configuration, item, its text) for each place that is told of objects."""
    for kind, arn in TARGETS.items():
        for item in (answer or {}).get(f"{kind}Configurations") or ():
            yield f"{kind}Configurations", item, f"notification {item[arn]} {' '.join(sorted(item['Events']))}"
    if answer and EVENT_BRIDGE in answer:
        yield EVENT_BRIDGE, {}, "notification eventbridge"


def _detach(aws: Aws, name: str, texts: Sequence[str]) -> None:
    """Write what is attached without these, which takes one look at each of the two configurations. Raises AwsError."""
    if any(text.startswith("replication ") for text in texts):
        current = (aws.find("s3", REPLICATION, Bucket=name) or {}).get("ReplicationConfiguration", {})
        rules = [rule for rule in current.get("Rules", ()) if _replication(rule) not in texts]
        if rules:
            aws.call("s3", "PutBucketReplication", Bucket=name, ReplicationConfiguration={**current, "Rules": rules})
        else:
            aws.find("s3", "DeleteBucketReplication", Bucket=name)
    if any(text.startswith("notification ") for text in texts):
        configuration = aws.find("s3", "GetBucketNotificationConfiguration", Bucket=name)
        remaining: dict[str, Any] = {}
        for part, item, text in _notifications(configuration):
            if text in texts:
                continue
            if part == EVENT_BRIDGE:
                remaining[part] = item
            else:
                remaining.setdefault(part, []).append(item)
        # What stays was checked when somebody put it there.
        stays: dict[str, Any] = {"NotificationConfiguration": remaining, "SkipDestinationValidation": True}
        aws.call("s3", "PutBucketNotificationConfiguration", Bucket=name, **stays)


def _encryption(answer: Mapping[str, Any] | None) -> Mapping[str, Any]:
    rules = (answer or {}).get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    return rules[0] if rules else {}


def _encrypted(spec: BucketSpec) -> tuple[str, str, tuple[str, ...]]:
    return spec.encryption, spec.kms_key, spec.blocked_encryption


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
    place, tag = _place(rule.get("Filter") or {})
    if place.keys() - {"Prefix"}:
        other["Filter"] = place
    days = {}
    for field, key, unit in _PARTS:
        part = dict(rule.get(key) or {})
        days[field] = part.pop(unit, None)
        # S3 says this of every rule that doesn't use it.
        if details := {k: v for k, v in part.items() if (k, v) != ("ExpiredObjectDeleteMarker", False)}:
            other[key] = details
    return Expiry(
        prefix=place.get("Prefix") or rule.get("Prefix") or "",
        tag=tag,
        other=json.dumps(other, sort_keys=True, default=str) if other else "",
        **days,
    )


def _place(filtered: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """(the rest of a rule's filter, its tag): those with one tag beside a prefix are told apart from others."""
    combined = filtered.get("And") or {}
    if filtered.keys() == {"And"} and combined.keys() == {"Prefix", "Tags"} and len(combined["Tags"]) == 1:
        return {"Prefix": combined["Prefix"]}, "{Key}={Value}".format_map(combined["Tags"][0])
    return filtered, ""


def _rules(lifecycle: Sequence[Expiry]) -> list[dict[str, Any]]:
    """The lifecycle rules as the S3 API takes them, each with an ID of its own."""
    return [_rule(expiry, f"reconciler-{number}") for number, expiry in enumerate(lifecycle, 1)]


def _rule(expiry: Expiry, name: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"ID": name, "Status": "Enabled", "Filter": {"Prefix": expiry.prefix}}
    if expiry.tag:
        key, _, value = expiry.tag.partition("=")
        rule["Filter"] = {"And": {"Prefix": expiry.prefix, "Tags": [{"Key": key, "Value": value}]}}
    for field, key, unit in _PARTS:
        if days := getattr(expiry, field):
            rule[key] = {unit: days}
    return rule
