"""botocore's service models, without what a few known operations don't need.

Of the time of a plan with no changes a fifth went into reading them: a megabyte of documentation, 830 operations of EC2
and the endpoints of 400 services. What is left of each is kept in the user's cache folder for the next start; a cache
that can't be written or read costs time and nothing else. A client has a method for each operation of its model, so
that a small model is made into a client sooner too.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from botocore import __version__
from botocore.exceptions import DataNotFoundError
from botocore.loaders import Loader

FORM = "2"  # of what is kept; changes whenever `without_rest` or `only_known` do
SERVICES = (
    "cloudwatch", "ec2", "ecr", "ecs", "events", "iam", "lambda", "logs", "s3", "scheduler", "secretsmanager",
    "service-quotas", "sns", "sqs", "ssm", "sts",
)  # fmt: skip
# What botocore itself asks for credentials, besides `sts`: `aws sso login`, `aws login`.
FOR_CREDENTIALS = ("signin", "sso", "sso-oidc")
KNOWN = (*SERVICES, *FOR_CREDENTIALS)
# The operations that the usual commands call. Others work too: the first one makes the client anew, of the whole model.
USUAL = {
    "ec2": (
        "AuthorizeSecurityGroupEgress", "AuthorizeSecurityGroupIngress", "CreateSecurityGroup", "CreateTags",
        "DeleteSecurityGroup", "DeleteTags", "DescribeNetworkInterfaces", "DescribeRouteTables",
        "DescribeSecurityGroups", "DescribeSubnets", "DescribeVpcEndpoints", "DescribeVpcs",
        "RevokeSecurityGroupEgress", "RevokeSecurityGroupIngress",
    ),
    "ecr": (
        "BatchGetImage", "CreateRepository", "DeleteRepository", "DescribeImageScanFindings", "DescribeImages",
        "DescribeRepositories", "GetAuthorizationToken", "GetLifecyclePolicy", "GetRepositoryPolicy",
        "ListTagsForResource", "PutLifecyclePolicy", "TagResource", "UntagResource",
    ),
    "ecs": (
        "CreateCluster", "DeleteCluster", "DeregisterTaskDefinition", "DescribeClusters", "DescribeServices",
        "DescribeTaskDefinition", "DescribeTasks", "ListTaskDefinitions", "ListTasks", "RegisterTaskDefinition",
        "RunTask", "StopTask", "TagResource", "UntagResource",
    ),
    "iam": (
        "AttachRolePolicy", "AttachUserPolicy", "CreateOpenIDConnectProvider", "CreatePolicy", "CreatePolicyVersion",
        "CreateRole", "CreateUser", "DeleteAccessKey", "DeleteOpenIDConnectProvider", "DeletePolicy",
        "DeletePolicyVersion", "DeleteRole", "DeleteRolePolicy", "DeleteUser", "DetachRolePolicy", "DetachUserPolicy",
        "GetAccountAuthorizationDetails", "GetLoginProfile", "GetOpenIDConnectProvider", "GetPolicy",
        "GetPolicyVersion", "GetRole", "GetRolePolicy", "GetUser", "GetUserPolicy", "ListAccessKeys",
        "ListAttachedRolePolicies", "ListAttachedUserPolicies", "ListEntitiesForPolicy", "ListGroupsForUser",
        "ListInstanceProfilesForRole", "ListMFADevices", "ListPolicyVersions", "ListRolePolicies", "ListRoles",
        "ListSSHPublicKeys", "ListServiceSpecificCredentials", "ListSigningCertificates", "ListUserPolicies",
        "PutRolePolicy", "TagPolicy", "TagRole", "TagUser", "UntagPolicy", "UntagRole", "UntagUser",
        "UpdateAssumeRolePolicy", "UpdateRole",
    ),
    "lambda": (
        "AddPermission", "CreateFunction", "DeleteFunction", "DeleteFunctionConcurrency", "GetFunction", "GetPolicy",
        "ListAliases", "ListEventSourceMappings", "ListFunctionEventInvokeConfigs", "ListFunctionUrlConfigs",
        "ListVersionsByFunction", "RemovePermission", "TagResource", "UntagResource", "UpdateFunctionCode",
        "UpdateFunctionConfiguration",
    ),
    "logs": (
        "CreateLogGroup", "DeleteLogGroup", "DescribeLogGroups", "DescribeLogStreams", "DescribeSubscriptionFilters",
        "GetLogEvents", "ListTagsForResource", "PutRetentionPolicy", "TagResource", "UntagResource",
    ),
    "s3": (
        "AbortMultipartUpload", "CompleteMultipartUpload", "CreateBucket", "CreateMultipartUpload", "DeleteBucket",
        "DeleteObject", "DeleteObjects", "GetBucketAcl", "GetBucketEncryption", "GetBucketLifecycleConfiguration",
        "GetBucketNotificationConfiguration", "GetBucketOwnershipControls", "GetBucketPolicy", "GetBucketReplication",
        "GetBucketTagging", "GetBucketVersioning", "GetObject", "GetPublicAccessBlock",
        "HeadBucket", "HeadObject", "ListBuckets", "ListMultipartUploads", "ListObjectVersions", "ListObjectsV2",
        "PutBucketLifecycleConfiguration", "PutBucketTagging", "PutBucketVersioning", "PutObject",
        "PutObjectTagging", "PutPublicAccessBlock", "UploadPart",
    ),
    "ssm": (
        "AddTagsToResource", "DeleteParameter", "GetParameter", "GetParameters", "GetParametersByPath",
        "ListTagsForResource", "PutParameter", "RemoveTagsFromResource",
    ),
}  # fmt: skip


class Models(Loader):  # type: ignore[misc]  # botocore publishes no types
    """botocore's loader of models. cache: the folder for what is kept, or None.

    whole: the services whose model is to have all operations.
    """

    def __init__(self, search_paths: list[str], cache: Path | None) -> None:
        super().__init__(extra_search_paths=search_paths)
        self._folder = cache
        self._small_ones: dict[str, Any] = {}
        self.whole: set[str] = set()

    def list_available_services(self, type_name: str) -> list[str]:
        """The known ones: botocore would look at the folders of all 400 to know that ours is one of them."""
        return list(KNOWN)

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        """As botocore's."""
        load = super().load_service_model
        if type_name != "service-2":
            return load(service_name, type_name, api_version)
        operations = None if service_name in self.whole else USUAL.get(service_name)
        return self._small(
            f"{service_name}-{api_version or 'latest'}{'-usual' if operations else ''}",
            lambda: without_rest(self._uncut().load_service_model(service_name, type_name, api_version), operations),
        )

    def load_data_with_path(self, name: str) -> Any:
        """As botocore's. The path is that of the whole file."""
        load = super().load_data_with_path
        if name != "endpoints":
            return load(name)
        places = (Path(folder, f"{name}.json") for folder in self.search_paths)
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise DataNotFoundError(data_path=name)
        return self._small(name, lambda: only_known(self._uncut().load_data(name))), str(path)

    def _uncut(self) -> Loader:
        """botocore's own, which holds the whole of what it has read, for one use."""
        return Loader(extra_search_paths=[*self.search_paths])  # it puts more into the list

    def _small(self, name: str, make: Callable[[], Any]) -> Any:
        """What is kept under this name, or else what `make` gives, kept for the next time."""
        if (content := self._small_ones.get(name)) is None:
            content = self._small_ones[name] = self._read(name, make)
        return content

    def _read(self, name: str, make: Callable[[], Any]) -> Any:
        if self._folder is None:
            return make()
        # A folder of models that the user added (AWS_DATA_PATH) makes another one.
        parts = (FORM, __version__, repr((KNOWN, USUAL)), *self.search_paths)
        paths = sha256("\n".join(parts).encode()).hexdigest()[:16]
        file = self._folder / paths / f"{name}.json"
        with contextlib.suppress(OSError, ValueError):
            return json.loads(_read_own(file))
        model = make()
        with contextlib.suppress(OSError):
            _write(file, json.dumps(model, separators=(",", ":")))
        return model


def without_rest(model: dict[str, Any], operations: tuple[str, ...] | None = None) -> dict[str, Any]:
    """A service model without documentation, of these operations and their shapes only, or of all when it is None."""
    shapes: dict[str, Any] = model["shapes"]
    kept_operations = {name: model["operations"][name] for name in operations} if operations else model["operations"]
    if operations:
        shapes = {name: shapes[name] for name in sorted(_reached(list(kept_operations.values()), shapes))}
    small: dict[str, Any] = _silent({**model, "operations": kept_operations, "shapes": shapes})
    return small


def only_known(endpoints: dict[str, Any]) -> dict[str, Any]:
    """The table of endpoints with the known services only."""
    partitions = [
        {**partition, "services": {name: service for name, service in partition["services"].items() if name in KNOWN}}
        for partition in endpoints["partitions"]
    ]
    return {**endpoints, "partitions": partitions}


def cache_folder() -> Path | None:
    """Where programs of this user keep what they can make again; None when there is no such place."""
    with contextlib.suppress(RuntimeError):  # a user without a home
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reconciler" / "models"
    return None


def _reached(start: list[Any], shapes: dict[str, Any]) -> set[str]:
    """The names of all shapes that these parts of a model refer to."""
    names: set[str] = set()
    pending = list(start)
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            name = part.get("shape")
            if isinstance(name, str) and name not in names:
                names.add(name)
                pending.append(shapes[name])
            pending.extend(part.values())
        elif isinstance(part, list):
            pending.extend(part)
    return names


def _silent(part: Any) -> Any:
    """A copy with empty texts of documentation; a member that is called so is a mapping."""
    if isinstance(part, dict):
        return {k: "" if k == "documentation" and isinstance(v, str) else _silent(v) for k, v in part.items()}
    return [_silent(item) for item in part] if isinstance(part, list) else part


def _read_own(file: Path) -> bytes:
    """What nobody but this user can have written: it says where requests go. Raises OSError."""
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as reader:
        status = os.fstat(reader.fileno())
        if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o022 or not stat.S_ISREG(status.st_mode):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(file))
        return reader.read()


def _write(file: Path, text: str) -> None:
    """Whole or not at all, whoever else writes it at the same time. Raises OSError."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.urandom(4).hex()}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf8") as writer:
            writer.write(text)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
