"""moto's IAM put right: what users lack, what must stay, and what moto makes too often."""

from __future__ import annotations

import functools
import secrets
import threading
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow
from moto.iam import models
from moto.iam.exceptions import DeleteConflictException, EntityAlreadyExists, NotFoundException
from moto.iam.models import AWSManagedPolicy, IAMBackend, User, iam_backends
from moto.iam.responses import IamResponse

from reconciler.local.correction import Correction

API = "https://docs.aws.amazon.com/IAM/latest/APIReference/API_"


def _users_have_boundaries() -> None:
    """Shown by GetUser and GetAccountAuthorizationDetails. What is within one isn't judged here."""

    def boundary(self: Any) -> dict[str, str] | None:
        arn = getattr(self, "boundary_arn", "")
        return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn} if arn else None

    def put(self: Any) -> EmptyResult:
        user = self.backend.get_user(self._get_param("UserName"))
        user.boundary_arn = self._get_param("PermissionsBoundary")
        return EmptyResult()

    def delete(self: Any) -> EmptyResult:
        self.backend.get_user(self._get_param("UserName")).boundary_arn = ""
        return EmptyResult()

    create: Any = IamResponse.create_user

    def create_user(self: Any) -> Any:
        answer = create(self)
        self.backend.get_user(self._get_param("UserName")).boundary_arn = self._get_param("PermissionsBoundary") or ""
        return answer

    User.permissions_boundary = property(boundary)  # type: ignore[attr-defined]
    IamResponse.put_user_permissions_boundary = put  # type: ignore[attr-defined]
    IamResponse.delete_user_permissions_boundary = delete  # type: ignore[attr-defined]
    IamResponse.create_user = create_user  # type: ignore[method-assign]


def _users_have_credentials_for_services() -> None:
    """Users have credentials for CodeCommit, Keyspaces and Bedrock; what they open is not here."""

    def of(self: Any) -> dict[str, dict[str, Any]]:
        user = self.backend.get_user(self._get_param("UserName"))
        credentials: dict[str, dict[str, Any]] = user.__dict__.setdefault("service_credentials", {})
        return credentials

    def create(self: Any) -> ActionResult:
        credentials, name, key = of(self), self._get_param("UserName"), f"ACCA{secrets.token_hex(8).upper()}"
        credentials[key] = {
            "UserName": name,
            "Status": "Active",
            "ServiceUserName": f"{name}-at-{self.current_account}",
            "CreateDate": utcnow(),
            "ServiceSpecificCredentialId": key,
            "ServiceName": self._get_param("ServiceName"),
        }
        return ActionResult(
            {"ServiceSpecificCredential": {**credentials[key], "ServicePassword": secrets.token_urlsafe(24)}}
        )

    def listed(self: Any) -> ActionResult:
        service = self._get_param("ServiceName")
        credentials = [credential for credential in of(self).values() if service in (None, credential["ServiceName"])]
        return ActionResult({"ServiceSpecificCredentials": credentials})

    def delete(self: Any) -> EmptyResult:
        key = self._get_param("ServiceSpecificCredentialId")
        if of(self).pop(key, None) is None:
            raise NotFoundException(f"No such credential {key} exists")
        return EmptyResult()

    IamResponse.create_service_specific_credential = create  # type: ignore[attr-defined]
    IamResponse.list_service_specific_credentials = listed  # type: ignore[attr-defined]
    IamResponse.delete_service_specific_credential = delete  # type: ignore[attr-defined]


def _users_stay_while_they_have_credentials() -> None:
    """IAM deletes a user only without any; moto looks at the policies alone."""
    original: Any = IAMBackend.delete_user
    attributes = {
        "access keys": "access_keys", "SSH keys": "ssh_public_keys", "certificates": "signing_certificates",
        "MFA devices": "mfa_devices", "service specific credentials": "service_credentials",
        "login profile": "password",
    }  # fmt: skip

    def delete(self: Any, user_name: str) -> None:
        user = self.get_user(user_name)
        for noun, name in attributes.items():
            if getattr(user, name, None):
                raise DeleteConflictException(f"Cannot delete entity, must delete {noun} first.")
        if self.get_groups_for_user(user_name):
            raise DeleteConflictException("Cannot delete entity, must remove users from group first.")
        original(self, user_name)

    IAMBackend.delete_user = delete  # type: ignore[method-assign]


def _tags_move_with_a_user() -> None:
    """A user under another path has another ARN, under which moto then finds no tags."""
    original: Any = IAMBackend.update_user

    def update(self: Any, user_name: str, *args: Any, **kwargs: Any) -> None:
        user = self.get_user(user_name)
        old_arn, tags = user.arn, self.tagger.get_tag_dict_for_resource(user.arn)
        original(self, user_name, *args, **kwargs)
        if user.arn != old_arn:
            self.tagger.delete_all_tags_for_resource(old_arn)
            self.tagger.tag_resource(user.arn, [{"Key": key, "Value": value} for key, value in tags.items()])

    IAMBackend.update_user = update  # type: ignore[method-assign]


def _a_role_leaves_a_profile_once() -> None:
    """moto fails where the role isn't in the profile."""
    original: Any = IAMBackend.remove_role_from_instance_profile

    def remove(self: Any, profile_name: str, role_name: str) -> None:
        if role_name not in [role.name for role in self.get_instance_profile(profile_name).roles]:
            raise NotFoundException(f"The role with name {role_name} cannot be found in {profile_name}.")
        original(self, profile_name, role_name)

    IAMBackend.remove_role_from_instance_profile = remove  # type: ignore[method-assign]


def _names_of_policies_are_used_once() -> None:
    """A name is unique in an account whatever the path; to moto two paths make two names."""
    original: Any = IamResponse.create_policy

    def create(self: Any) -> Any:
        name = self._get_param("PolicyName")
        part_of_arn = f":{self.current_account}:policy/"
        if any(
            policy.name == name and part_of_arn in policy.arn for policy in list(self.backend.managed_policies.values())
        ):
            raise EntityAlreadyExists(f"A policy called {name} already exists. Duplicate names are not allowed.")
        return original(self)

    IamResponse.create_policy = create  # type: ignore[method-assign]


def keys_are_looked_for_where_there_are_any() -> None:
    """To find whose a key is, moto makes an IAM for each partition of AWS (of China, of governments, …).
    The first request waits half a second for it.
    """

    def account_of(access_key: str) -> str:
        for account_id, partitions in list(iam_backends.items()):
            if any(access_key in backend.access_keys for backend in list(partitions.values())):
                return account_id
        return DEFAULT_ACCOUNT_ID

    models.get_account_id_from = account_of


def policies_of_aws_are_made_once() -> None:
    """moto reads AWS's 1,500 policies anew for each account and after each reset, which takes a tenth of a second, and
    computes all of their ARNs at each attachment. Each IAM has copies of its own, since requests can change them.
    """
    load: Any = IAMBackend._init_aws_policies
    by_partition: dict[str, list[AWSManagedPolicy]] = {}
    lock = threading.Lock()

    def policies(backend: Any) -> list[Any]:
        with lock:
            if backend.partition not in by_partition:
                by_partition[backend.partition] = load(backend)
        return [_copied(policy, backend.account_id) for policy in by_partition[backend.partition]]

    IAMBackend._init_aws_policies = policies  # type: ignore[assignment, method-assign]
    arn: Any = functools.cached_property(AWSManagedPolicy.arn.fget)  # type: ignore[attr-defined]
    arn.__set_name__(AWSManagedPolicy, "arn")
    AWSManagedPolicy.arn = arn  # type: ignore[method-assign]


def _copied(policy: Any, account_id: str) -> Any:
    versions = [_like(version) for version in policy.versions]
    return _like(policy, account_id=account_id, versions=versions, tags=dict(policy.tags))


def _like(policy: Any, **changed: Any) -> Any:
    """A copy, but not by copy.copy, which also enters it into the list of models of moto's dashboard."""
    duplicate = object.__new__(type(policy))
    duplicate.__dict__.update(policy.__dict__, **changed)
    return duplicate


MODELS = "https://github.com/getmoto/moto/blob/master/moto/iam/models.py"
CORRECTIONS = (
    Correction("keys are looked for where there are any", MODELS, keys_are_looked_for_where_there_are_any),
    Correction("policies of AWS are made once", MODELS, policies_of_aws_are_made_once),
    Correction("users have permissions boundaries", f"{API}PutUserPermissionsBoundary.html", _users_have_boundaries),
    Correction(
        "users have credentials for single services",
        f"{API}CreateServiceSpecificCredential.html",
        _users_have_credentials_for_services,
    ),
    Correction(
        "users stay while they have credentials", f"{API}DeleteUser.html", _users_stay_while_they_have_credentials
    ),
    Correction("tags move with a user", f"{API}UpdateUser.html", _tags_move_with_a_user),
    Correction("names of policies are used once", f"{API}CreatePolicy.html", _names_of_policies_are_used_once),
    Correction(
        "a role leaves a profile once", f"{API}RemoveRoleFromInstanceProfile.html", _a_role_leaves_a_profile_once
    ),
)
