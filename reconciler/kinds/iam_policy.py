"""Customer managed IAM policies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.canonical import Policy as Document
from reconciler.core.canonical import PolicyDocument, policy
from reconciler.core.errors import AlreadyThere, Denied, Gone, UserError
from reconciler.core.needs import Needs, On
from reconciler.core.spec import OWNER_TAG, Changes, Grants, Immutable, Local, Observed, Spec, touches
from reconciler.kinds import iam
from reconciler.kinds.base import Kind
from reconciler.kinds.iam import read_account

VERSIONS = 5  # that a policy may have
ITSELF = {"ArnEquals": {"iam:PolicyARN": lambda spec: spec.arn}}


class PolicySpec(Spec):
    """A managed policy: its default version."""

    kind: ClassVar[str] = "policy"
    continues: ClassVar[tuple[str, ...]] = ("policy", "role")

    document: Annotated[PolicyDocument, Grants()] = Document()
    description: Annotated[str, Immutable()] = ""
    path: iam.Path = "/"
    arn: Annotated[str, Local()] = ""


class Policy(Kind[PolicySpec]):
    """Reads and writes managed policies."""

    spec: ClassVar[type[Spec]] = PolicySpec
    needs: ClassVar[Needs] = Needs(
        create=("iam:CreatePolicy", "iam:TagPolicy"),
        delete=("iam:DeletePolicy", "iam:DeletePolicyVersion", "iam:ListPolicyVersions", "iam:ListEntitiesForPolicy",
                "iam:DetachRolePolicy", "iam:DetachUserPolicy", "iam:DetachGroupPolicy"),
        fields={"document": ("iam:CreatePolicyVersion", "iam:DeletePolicyVersion", "iam:ListPolicyVersions"),
                "tags": ("iam:TagPolicy", "iam:UntagPolicy")},
        read=("iam:GetPolicy", "iam:GetPolicyVersion"), on=("iam:policy/{name}",),
        elsewhere={"iam:DetachRolePolicy": (On("iam:role/*", ITSELF),),
                   "iam:DetachUserPolicy": (On("iam:user/*", ITSELF),),
                   "iam:DetachGroupPolicy": (On("iam:group/*", ITSELF),)},
        listing=("iam:ListPolicies", "iam:ListPolicyTags"),
        wide={"iam:Detach": "whoever has the policy attached when it is deleted; only this policy"},
    )  # fmt: skip
    pattern: ClassVar[str] = iam.NAME

    def read(self, aws: Aws, want: PolicySpec) -> Observed[PolicySpec] | None:
        """Two reads; one where the account's details have the version, which never changes.

        One that isn't there may be under another path, where it keeps ours from being made: once in a look at
        everything that is one read, and none where the account's details say it.
        """
        arn = want.arn or aws.arn("iam", f"policy{want.path}{want.name}")
        answer = aws.find("iam", "GetPolicy", PolicyArn=arn)
        if answer is None and (listed := aws.shared.once("iam policies", lambda: self._all(aws))):
            arn = listed.get(want.name, arn)
            answer = aws.find("iam", "GetPolicy", PolicyArn=arn) if want.name in listed else None
        if answer is None:
            return None
        live = answer["Policy"]
        document = read_account(aws).documents.get((arn, live["DefaultVersionId"]))
        if document is None:
            version = aws.find("iam", "GetPolicyVersion", PolicyArn=arn, VersionId=live["DefaultVersionId"])
            if version is None:
                return None
            document = version["PolicyVersion"]["Document"]
        spec = PolicySpec(
            name=live["PolicyName"],
            document=policy(document),
            description=live.get("Description", ""),
            path=live.get("Path", "/"),
            arn=arn,
            tags=tags.mapping(live.get("Tags")),
        )
        return Observed(spec, {"arn": arn})

    def create(self, aws: Aws, want: PolicySpec) -> None:
        """One call makes all of it."""
        optional = {"Description": want.description} if want.description else {}
        optional |= {"Path": want.path} if want.path != "/" else {}
        text = want.document.text()
        try:
            aws.call(
                "iam", "CreatePolicy", PolicyName=want.name, PolicyDocument=text, Tags=tags.pairs(want.tags), **optional
            )
        except AlreadyThere:
            # A name is unique in the account, whatever the path; perhaps nobody could look for it under any other.
            arn = self._all(aws).get(want.name, "")
            if arn and not arn.endswith(f":policy{want.path}{want.name}"):
                raise UserError(
                    f"a policy {want.name!r} is there under another path, and a name is unique in the account: {arn}",
                    hint="delete that one, or give this one another name",
                ) from None
            raise

    def update(self, aws: Aws, want: PolicySpec, seen: Observed[PolicySpec], changes: Changes) -> None:
        """A new default version; the oldest other one goes when there are too many."""
        arn = seen.attributes["arn"]
        if touches(changes, "document"):
            versions = list(aws.pages("iam", "ListPolicyVersions", "Versions", PolicyArn=arn))
            spare = sorted((v for v in versions if not v["IsDefaultVersion"]), key=lambda v: int(v["VersionId"][1:]))
            if len(versions) >= VERSIONS:
                aws.find("iam", "DeletePolicyVersion", PolicyArn=arn, VersionId=spare[0]["VersionId"])
            text = want.document.text()
            aws.call("iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)
        if touches(changes, "tags"):
            tags.put(aws, "iam", want.tags, seen.spec.tags, of="Policy", PolicyArn=arn)

    def delete(self, aws: Aws, seen: Observed[PolicySpec]) -> None:
        """A policy goes only when nobody has it and it has one version."""
        arn = seen.attributes["arn"]
        try:
            entities, versions = aws.together(
                lambda: list(aws.answers("iam", "ListEntitiesForPolicy", PolicyArn=arn)),
                lambda: list(aws.pages("iam", "ListPolicyVersions", "Versions", PolicyArn=arn)),
            )
        except Gone:
            return
        for kind in ("Role", "User", "Group"):
            for entity in (holder for answer in entities for holder in answer.get(f"Policy{kind}s", ())):
                aws.find("iam", f"Detach{kind}Policy", **{f"{kind}Name": entity[f"{kind}Name"]}, PolicyArn=arn)
        for version in versions:
            if not version["IsDefaultVersion"]:
                aws.find("iam", "DeletePolicyVersion", PolicyArn=arn, VersionId=version["VersionId"])
        aws.find("iam", "DeletePolicy", PolicyArn=arn)

    def listed(self, aws: Aws) -> Iterable[str]:
        """The names of all policies that the account has made, in one read."""
        return self._arns(aws)

    def owned(self, aws: Aws, deploy: str) -> list[str]:
        """One read, and one for each, by the ARN that the listing gives, since a policy may have a path."""
        arns = self._arns(aws)
        answers = aws.each(lambda arn: aws.find("iam", "ListPolicyTags", PolicyArn=arn) or {}, arns.values())
        owners = [tags.mapping(answer.get("Tags")).get(OWNER_TAG) for answer in answers]
        return sorted(name for name, owner in zip(arns, owners, strict=True) if owner == deploy)

    def _all(self, aws: Aws) -> dict[str, str]:
        """The ARNs by name, from the account's details if it has them; none for whoever may not list them."""
        if (account := read_account(aws)).whole:
            return {arn.rpartition("/")[2]: arn for arn, _ in account.documents}
        try:
            return self._arns(aws)
        except Denied:
            return {}

    def _arns(self, aws: Aws) -> dict[str, str]:
        return {live["PolicyName"]: live["Arn"] for live in aws.pages("iam", "ListPolicies", "Policies", Scope="Local")}
