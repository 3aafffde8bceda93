"""IAM users for CI systems that can't use OpenID Connect: policies, groups, all their credentials, tags."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, NamedTuple

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.attached import AttachedSpec, not_allowed, note, to_detach, where
from reconciler.core.canonical import StringSet
from reconciler.core.errors import ReconcilerError
from reconciler.core.needs import ANYWHERE, Needs, On, parts_of
from reconciler.core.spec import Changes, Grants, Local, Observed, Spec, touches
from reconciler.kinds import iam
from reconciler.kinds.base import Kind
from reconciler.kinds.iam import IdentitySpec, read_account

KEY_PARAMETER = "/reconciler/{deploy}/users/{plain_name}/access-key"
RESERVED = "reserved"  # what it says of itself before the key is made
CURRENT = "current"  # stands for the one key whose secret is in `key_parameter`
# What it can prove itself with besides, by the first word of its text: operation that deletes it, name of the id there.
CREDENTIALS = {
    "ssh-key": ("DeleteSSHPublicKey", "SSHPublicKeyId"),
    "signing-certificate": ("DeleteSigningCertificate", "CertificateId"),
    "service-credential": ("DeleteServiceSpecificCredential", "ServiceSpecificCredentialId"),
}


def key_parameter(deploy: str, user: str) -> str:
    """The SSM parameter that holds a user's secret key."""
    return KEY_PARAMETER.format_map(parts_of(user, deploy))


class UserSpec(IdentitySpec, AttachedSpec):
    """A user. It owns its policies, groups and credentials: one that isn't wanted is taken away.

    access_keys: `current` is the key that is stored in the SSM SecureString `key_parameter`; others by their id, but
    for `keep_keys`, which the file says were made elsewhere. inactive_key: the current one is switched off; another is
    made in its place, since whoever did that may have had a reason.
    """

    kind: ClassVar[str] = "user"
    uses: ClassVar[tuple[str, ...]] = ("policy",)

    groups: Annotated[StringSet, Grants()] = ()
    access_keys: Annotated[StringSet, Grants()] = ()
    inactive_key: bool = False
    console_password: Annotated[bool, Grants()] = False  # never made here, only taken away
    keep_keys: Annotated[StringSet, Local()] = ()
    key_parameter: Annotated[str, Local()] = ""


class User(Kind[UserSpec]):
    """Reads and writes IAM users."""

    spec: ClassVar[type[Spec]] = UserSpec
    needs: ClassVar[Needs] = Needs(
        create=("iam:CreateUser", "iam:TagUser"),
        delete=("iam:DeleteUser", "iam:DetachUserPolicy", "iam:DeleteUserPolicy", "iam:DeleteAccessKey",
                "iam:DeleteLoginProfile", "iam:RemoveUserFromGroup", "iam:DeleteSSHPublicKey",
                "iam:DeleteSigningCertificate", "iam:DeleteServiceSpecificCredential", "iam:ListMFADevices",
                "iam:DeactivateMFADevice", "ssm:DeleteParameter"),
        set={"managed_policies": ("iam:AttachUserPolicy",), "inline_policies": ("iam:PutUserPolicy",),
             "groups": ("iam:AddUserToGroup",), "access_keys": ("iam:CreateAccessKey", "ssm:PutParameter"),
             "boundary": ("iam:PutUserPermissionsBoundary",)},
        fields={"managed_policies": ("iam:DetachUserPolicy",), "inline_policies": ("iam:DeleteUserPolicy",),
                "groups": ("iam:RemoveUserFromGroup",), "access_keys": ("iam:DeleteAccessKey", "ssm:DeleteParameter"),
                "inactive_key": ("iam:DeleteAccessKey", "iam:CreateAccessKey", "ssm:DeleteParameter",
                                 "ssm:PutParameter"),
                "attached": ("iam:DeleteSSHPublicKey", "iam:DeleteSigningCertificate",
                             "iam:DeleteServiceSpecificCredential"),
                "boundary": ("iam:DeleteUserPermissionsBoundary",),
                "console_password": ("iam:DeleteLoginProfile",), "tags": ("iam:TagUser", "iam:UntagUser")},
        read=("iam:GetUser", "iam:GetLoginProfile", "iam:GetUserPolicy", "iam:ListAccessKeys",
              "iam:ListAttachedUserPolicies", "iam:ListGroupsForUser", "iam:ListSSHPublicKeys",
              "iam:ListServiceSpecificCredentials", "iam:ListSigningCertificates", "iam:ListUserPolicies",
              "ssm:DescribeParameters"),
        on=("iam:user/{name}",),
        elsewhere={"iam:AddUserToGroup": ("iam:group/*",), "iam:RemoveUserFromGroup": ("iam:group/*",),
                   "iam:AttachUserPolicy": (On("iam:user/{name}", iam.THESE),),
                   "ssm:PutParameter": (f"ssm:parameter{KEY_PARAMETER}",),
                   "ssm:DeleteParameter": (f"ssm:parameter{KEY_PARAMETER}",), "ssm:DescribeParameters": (ANYWHERE,)},
        listing=("iam:ListUsers", "iam:ListUserTags"),
        wide={"iam:RemoveUserFromGroup": "whichever group somebody put the user into"},
    )  # fmt: skip
    pattern: ClassVar[str] = iam.NAME

    def read(self, aws: Aws, want: UserSpec) -> Observed[UserSpec] | None:
        """Nine reads, and one for each inline policy; five for what the account's details answer, or for nobody."""
        answers: list[Any] = aws.together(
            lambda: self._credentials(aws, want), lambda: read_account(aws).users.get(want.name)
        )
        credentials, details = answers
        if credentials is None:
            return None
        if details is not None:
            observed = _spec(want, iam.permissions("User", details), details.get("GroupList", ()), credentials)
            if observed.spec == want:
                return observed
        reads: list[Any] = aws.together(
            lambda: iam.read(aws, "User", want.name),
            lambda: aws.find_all("iam", "ListGroupsForUser", "Groups", UserName=want.name),
        )
        fields, listed = reads
        if fields is None or listed is None:
            return None
        return _spec(want, fields, [group["GroupName"] for group in listed], credentials)

    def _credentials(self, aws: Aws, want: UserSpec) -> _Credentials | None:
        """The user's credentials; None for a user that doesn't exist. All are asked for at once, of nobody as well:
        needless reads of a user that is yet to be made are cheaper than one round trip more in each plan.
        """
        name = want.name
        reads: list[Any] = aws.together(
            lambda: aws.find_all("iam", "ListAccessKeys", "AccessKeyMetadata", UserName=name),
            lambda: aws.find("iam", "GetLoginProfile", UserName=name),
            lambda: aws.find_all("iam", "ListSSHPublicKeys", "SSHPublicKeys", UserName=name),
            lambda: aws.find_all("iam", "ListSigningCertificates", "Certificates", UserName=name),
            lambda: aws.find_all("iam", "ListServiceSpecificCredentials", "ServiceSpecificCredentials", UserName=name),
            lambda: self._stored(aws, want.key_parameter) if CURRENT in want.access_keys else "",
        )
        keys, password, *others, stored_id = reads
        if keys is None:
            return None
        ids = [key["AccessKeyId"] for key in keys if key["AccessKeyId"] not in want.keep_keys]
        if ids and CURRENT not in want.access_keys:
            stored_id = self._stored(aws, want.key_parameter)
        off = any(key["AccessKeyId"] == stored_id and key["Status"] != "Active" for key in keys)
        return _Credentials(ids, stored_id, off, password is not None, not_allowed(_credentials(*others), want))

    @staticmethod
    def _stored(aws: Aws, parameter: str) -> str:
        """The id of the stored key: the parameter's description, so that no secret needs to be read."""
        if not parameter:
            return ""
        filters = [{"Key": "Name", "Option": "Equals", "Values": [parameter]}]
        parameters = list(aws.pages("ssm", "DescribeParameters", "Parameters", ParameterFilters=filters))
        return str(parameters[0].get("Description", "")) if parameters else ""

    def create(self, aws: Aws, want: UserSpec) -> None:
        """Make the user with its tags, then its policies and key."""
        self._reserve(aws, want, UserSpec(name=want.name))
        optional = {"Path": want.path} if want.path != "/" else {}
        optional |= {"PermissionsBoundary": want.boundary} if want.boundary else {}
        aws.call("iam", "CreateUser", UserName=want.name, Tags=tags.pairs(want.tags), **optional)
        self._add(aws, want, UserSpec(name=want.name))

    def update(self, aws: Aws, want: UserSpec, seen: Observed[UserSpec], changes: Changes) -> None:
        """Take away what isn't wanted before anything is added."""
        self._reserve(aws, want, seen.spec)
        self._remove(aws, want, seen)
        if touches(changes, "boundary"):
            iam.bound(aws, "User", want)
        self._add(aws, want, seen.spec)
        iam.unbound(aws, "User", want, seen.spec)
        if touches(changes, "tags"):
            tags.put(aws, "iam", want.tags, seen.spec.tags, of="User", UserName=want.name)

    def delete(self, aws: Aws, seen: Observed[UserSpec]) -> None:
        """A user goes only without policies, groups and credentials; the stored secret goes with it."""
        name = seen.spec.name
        if seen.spec.allow:  # what the file let be has to go too
            seen = self.read(aws, seen.spec.model_copy(update={"allow": ()})) or seen
        reads: list[Any] = aws.together(
            lambda: self._credentials(aws, UserSpec(name=name)),  # all that it has by now, whoever made it
            lambda: aws.find_all("iam", "ListMFADevices", "MFADevices", UserName=name),
            lambda: self._forget(aws, seen),
        )
        credentials, devices, _ = reads
        if credentials:
            update = {"console_password": credentials.password, "attached": credentials.attached}
            seen = replace(seen, spec=seen.spec.model_copy(update=update))
        self._remove(aws, UserSpec(name=name), seen)
        deleted_keys = {*seen.spec.access_keys, seen.attributes.get("current_key")}
        for key in (key for key in (credentials.ids if credentials else ()) if key not in deleted_keys):
            aws.find("iam", "DeleteAccessKey", UserName=name, AccessKeyId=key)
        for device in devices or ():
            aws.find("iam", "DeactivateMFADevice", UserName=name, SerialNumber=device["SerialNumber"])
        aws.find("iam", "DeleteUser", UserName=name)

    @staticmethod
    def _forget(aws: Aws, seen: Observed[UserSpec]) -> None:
        """Delete the stored secret of a key that is gone already, or of a user that left the file, of which only its
        tag says where the secret is.
        """
        if seen.owner is not None and CURRENT not in seen.spec.access_keys:
            aws.find("ssm", "DeleteParameter", Name=key_parameter(seen.owner, seen.spec.name))

    def _add(self, aws: Aws, want: UserSpec, old: UserSpec) -> None:
        iam.add(aws, "User", want, old)
        for group in sorted(set(want.groups) - set(old.groups)):
            aws.call("iam", "AddUserToGroup", UserName=want.name, GroupName=group)
        if _needs_key(want, old):
            key = aws.call("iam", "CreateAccessKey", UserName=want.name)["AccessKey"]
            secret = {"AccessKeyId": key["AccessKeyId"], "SecretAccessKey": key["SecretAccessKey"]}
            try:
                self._store(aws, want, json.dumps(secret), key["AccessKeyId"])
            except ReconcilerError:  # nobody would ever know its secret
                with contextlib.suppress(ReconcilerError):
                    aws.find("iam", "DeleteAccessKey", UserName=want.name, AccessKeyId=key["AccessKeyId"])
                raise

    def _reserve(self, aws: Aws, want: UserSpec, old: UserSpec) -> None:
        """Write the parameter of a key before the key is made: a secret is told once, and what can be refused then
        (its name, the permission, the key that encrypts it) would lose it.
        """
        if _needs_key(want, old):
            self._store(aws, want, RESERVED, RESERVED)

    @staticmethod
    def _store(aws: Aws, want: UserSpec, value: str, key_id: str) -> None:
        params = {"Name": want.key_parameter, "Type": "SecureString", "Description": key_id}
        aws.call("ssm", "PutParameter", **params, Value=value, Overwrite=True)

    def _remove(self, aws: Aws, want: UserSpec, seen: Observed[UserSpec]) -> None:
        old, name = seen.spec, seen.spec.name
        for text in to_detach(want, old):
            operation, parameter = CREDENTIALS[text.split(" ")[0]]
            aws.find("iam", operation, UserName=name, **{parameter: where(text)})
        off = {CURRENT} if old.inactive_key else set()
        for key in sorted((set(old.access_keys) - set(want.access_keys)) | off):
            real = seen.attributes["current_key"] if key == CURRENT else key
            # First: a secret without its key would be found by nobody, a key without its secret is.
            if key == CURRENT and not _needs_key(want, old):
                aws.find("ssm", "DeleteParameter", Name=old.key_parameter)
            aws.find("iam", "DeleteAccessKey", UserName=name, AccessKeyId=real)
        if old.console_password:
            aws.find("iam", "DeleteLoginProfile", UserName=name)
        for group in sorted(set(old.groups) - set(want.groups)):
            aws.find("iam", "RemoveUserFromGroup", UserName=name, GroupName=group)
        iam.remove(aws, "User", want, old)

    def is_there(self, aws: Aws, seen: Observed[UserSpec]) -> bool:
        """Whether the user still exists, in one read."""
        return aws.find("iam", "GetUser", UserName=seen.spec.name) is not None

    def listed(self, aws: Aws) -> Iterable[str]:
        """The names of all users, in one read."""
        return [user["UserName"] for user in aws.pages("iam", "ListUsers", "Users")]

    def tags_of(self, aws: Aws, name: str) -> Mapping[str, str]:
        """The tags of one user, in one read."""
        return tags.mapping((aws.find("iam", "ListUserTags", UserName=name) or {}).get("Tags"))


def _needs_key(want: UserSpec, old: UserSpec) -> bool:
    return CURRENT in want.access_keys and (CURRENT not in old.access_keys or old.inactive_key)


class _Credentials(NamedTuple):
    """A user's credentials. ids: of the keys that the file doesn't know.

    stored: the id of the key that is stored, which may be switched off.
    password: whether one is set. attached: other credentials.
    """

    ids: list[str]
    stored: str
    off: bool
    password: bool
    attached: tuple[str, ...]


def _credentials(ssh: Any, certificates: Any, services: Any) -> Iterator[str]:
    """A text for each, as `CREDENTIALS` takes them."""
    for key in ssh or ():
        yield f"ssh-key {key['SSHPublicKeyId']}"
    for certificate in certificates or ():
        yield f"signing-certificate {certificate['CertificateId']}"
    for credential in services or ():
        yield f"service-credential {credential['ServiceSpecificCredentialId']} {credential['ServiceName']}"


def _spec(
    want: UserSpec, fields: dict[str, Any], groups: Sequence[str], credentials: _Credentials
) -> Observed[UserSpec]:
    live = fields["live"]
    spec = UserSpec(
        name=live["UserName"],
        groups=tuple(groups),
        access_keys=tuple(CURRENT if key == credentials.stored else key for key in credentials.ids),
        inactive_key=credentials.off,
        attached=credentials.attached,
        console_password=credentials.password,
        keep_keys=want.keep_keys,
        key_parameter=want.key_parameter,
        tags=tags.mapping(live.get("Tags")),
        **iam.shared(want, fields),
    )
    return Observed(
        spec,
        {"arn": live["Arn"]} | ({"current_key": credentials.stored} if credentials.stored in credentials.ids else {}),
        note(spec),
    )
