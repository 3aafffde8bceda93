"""What there is of a deployment that was set up by hand: found by a part of its names, and by what refers to what.

The task definition leads: it names its roles, its log group, its bucket (S3_BUCKET) and its image's repository. What
it doesn't name is looked for by name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.config.names import DEPLOY
from reconciler.config.service import provider_name
from reconciler.core.canonical import policy
from reconciler.core.container import Container
from reconciler.core.errors import Denied, UserError
from reconciler.core.given_data import Place
from reconciler.core.managed_instances import COMPATIBILITY, MANAGED, MANAGED_SPOT
from reconciler.core.run_paths import RUNS
from reconciler.core.spec import OWNER_TAG, Address, Spec, continued
from reconciler.kinds import (
    KINDS,
    AnyKind,
    Bucket,
    BucketSpec,
    CapacityProviderSpec,
    Cluster,
    ClusterSpec,
    LogGroup,
    LogGroupSpec,
    OidcProviderSpec,
    PolicySpec,
    Repository,
    RepositorySpec,
    Role,
    RoleSpec,
    SecurityGroup,
    SecurityGroupSpec,
    TaskDefinition,
    TaskDefinitionSpec,
    User,
    UserSpec,
)
from reconciler.lower import EXECUTION_POLICY
from reconciler.lower.ci import GITHUB
from reconciler.permissions.judge import decide

LISTED: tuple[AnyKind, ...] = (
    Role(), User(), Bucket(), Repository(), LogGroup(), SecurityGroup(), Cluster(), TaskDefinition(),
)  # fmt: skip
SUBJECT = f"{GITHUB}:sub"
PULLS = re.compile(r":pull_request$")
OURS = "/reconciler/"  # parameters of our own: records and locks
LOGIN = "ecr:GetAuthorizationToken"
_KINDS = {kind.spec.kind: kind for kind in KINDS}


@dataclass
class Inventory:
    """The parts of one deployment; None for what isn't there. other_objects: keys in the bucket beside `key`'s."""

    account: str
    region: str
    vpc: str = "default"
    subnets: tuple[str, ...] = ()
    task: TaskDefinitionSpec | None = None
    execution_role: RoleSpec | None = None
    task_role: RoleSpec | None = None
    task_policy: PolicySpec | None = None
    ci_role: RoleSpec | None = None
    plan_role: RoleSpec | None = None
    plan_policy: PolicySpec | None = None
    user: UserSpec | None = None
    ci_policy: PolicySpec | None = None
    provider: OidcProviderSpec | None = None
    gitlab_role: RoleSpec | None = None
    gitlab_provider: OidcProviderSpec | None = None
    bucket: BucketSpec | None = None
    key: str = ""
    data_uri: str = ""  # the URI of data in a bucket that isn't the deploy's
    other_objects: int = 0
    repository: RepositorySpec | None = None
    log_group: LogGroupSpec | None = None
    security_group: SecurityGroupSpec | None = None
    cluster: ClusterSpec | None = None
    managed: CapacityProviderSpec | None = None  # managed instances
    managed_spot: CapacityProviderSpec | None = None
    other_addresses: tuple[Address, ...] = ()  # that have the prefix in their names too
    unread: tuple[str, ...] = ()  # kinds that may not be listed

    @property
    def specs(self) -> list[Spec]:
        """All that was found."""
        return [part for part in vars(self).values() if isinstance(part, Spec)]

    @property
    def container(self) -> Container | None:
        """The container that trains: the essential one."""
        containers = self.task.containers if self.task else ()
        return next((container for container in containers if container.essential), None)


def deploy_name(inventory: Inventory, prefix: str) -> str:
    """The deploy that the resources say they belong to, or a name made of the prefix."""
    owners = {spec.tags.get(OWNER_TAG) for spec in inventory.specs} - {None}
    name = str(owners.pop()) if len(owners) == 1 else prefix.strip("-_./ ")
    return name if DEPLOY.problem(name) is None else str(DEPLOY.better(name) or "imported")


def belongs(name: str, prefix: str) -> bool:
    """Whether a name has the prefix at its beginning or after a separator: `/ecs/p2-x` and `ci-p2` have `p2`."""
    return re.search(rf"(^|[^A-Za-z0-9]){re.escape(prefix)}($|[^A-Za-z0-9])", name) is not None


class Finder:
    """Finds one deployment. take: which to take of a kind where there are several."""

    def __init__(self, aws: Aws, prefix: str, take: Collection[Address] = ()) -> None:
        self.aws, self.prefix = aws, prefix
        self.take = {address.kind: address.name for address in take}
        self.candidates: dict[str, list[str]] = {}
        self.inventory = Inventory(aws.account, aws.region)

    def find(self) -> Inventory:
        """The deployment. Raises UserError when there is nothing, or when several could be meant; AwsError."""
        listed_names = self.aws.each(lambda kind: sorted({*kind.listed(self.aws)}), LISTED)
        names_by_kind = {kind.spec.kind: names for kind, names in zip(LISTED, listed_names, strict=True)}
        self.candidates = {
            kind: [name for name in names if belongs(name, self.prefix)] for kind, names in names_by_kind.items()
        }
        for kind, name in self.take.items():
            if name not in names_by_kind.get(kind, ()):
                raise UserError(f"--take {kind}.{name}: there is no such resource in account {self.inventory.account}")
        if not any(self.candidates.values()) and not self.take:
            raise UserError(
                f"account {self.inventory.account} has nothing in {self.aws.region} with {self.prefix!r} in its name",
                hint="check --prefix and --region, and whose credentials these are (AWS_PROFILE)",
            )
        self._task()
        self._storage()
        self._network()
        self._ci()
        self._capacity()
        self._others(names_by_kind)
        return self.inventory

    def _others(self, names_by_kind: Mapping[str, Collection[str]]) -> None:
        """What has such a name, or is in the cluster, and belongs to none of the parts."""
        more_kinds = [kind for kind in KINDS if kind.spec.kind not in names_by_kind and not kind.spec.part_of]
        names = self.aws.each(lambda kind: _unless_denied(kind, self.aws), more_kinds)
        self.inventory.unread = tuple(
            kind.spec.kind for kind, kind_names in zip(more_kinds, names, strict=True) if kind_names is None
        )
        all_names = {
            **names_by_kind,
            **{kind.spec.kind: kind_names or () for kind, kind_names in zip(more_kinds, names, strict=True)},
        }
        parts = {spec.address for spec in self.inventory.specs}
        cluster = f"{self.inventory.cluster.name}/" if self.inventory.cluster else None
        self.inventory.other_addresses = tuple(
            Address(kind, name)
            for kind, kind_names in sorted(all_names.items())
            for name in sorted(kind_names)
            if Address(kind, name) not in parts
            and not name.startswith(OURS)
            and not any(address in parts for address in continued(_KINDS[kind].spec(name=name)))
            and (belongs(name, self.prefix) or (cluster is not None and kind == "service" and name.startswith(cluster)))
        )

    def _task(self) -> None:
        inventory = self.inventory
        inventory.task = self._single(TaskDefinitionSpec)
        roles = {name: self._observe(RoleSpec(name=name)) for name in self._task_roles()}
        inventory.execution_role = roles.get(_last(inventory.task.execution_role)) if inventory.task else None
        inventory.task_role = roles.get(_last(inventory.task.task_role)) if inventory.task else None
        if inventory.task is None:
            for role in filter(None, roles.values()):
                if "ecs-tasks.amazonaws.com" not in role.trust.text():
                    continue
                executes = any(arn.endswith(EXECUTION_POLICY) for arn in role.managed_policies)
                executes = executes or any(LOGIN in document.text() for document in role.inline_policies.values())
                inventory.execution_role, inventory.task_role = (
                    (role, inventory.task_role) if executes else (inventory.execution_role, role)
                )
        inventory.task_policy = self._policy(inventory.task_role)
        container = inventory.container
        group = container.log_options.get("awslogs-group", "") if container else ""
        inventory.log_group = self._observe(LogGroupSpec(name=group)) if group else self._single(LogGroupSpec)
        inventory.cluster = self._single(ClusterSpec)

    def _task_roles(self) -> Iterable[str]:
        task = self.inventory.task
        if task is None:
            return self.candidates[RoleSpec.kind]
        return {_last(arn) for arn in (task.execution_role, task.task_role) if arn}

    def _storage(self) -> None:
        inventory, container = self.inventory, self.inventory.container
        environment = container.environment if container else {}
        bucket = str(environment.get("S3_BUCKET", ""))
        if bucket and self._only_reads(bucket):
            place = Place(bucket, str(environment.get("S3_PREFIX", environment.get("S3_KEY", ""))))
            inventory.data_uri, bucket = place.uri, ""
        inventory.bucket = (self._observe(BucketSpec(name=bucket)) if bucket else None) or self._single(BucketSpec)
        if inventory.bucket:
            pages = self.aws.call("s3", "ListObjectsV2", Bucket=inventory.bucket.name)
            keys = [entry["Key"] for entry in pages.get("Contents", ())]
            data_key = "" if inventory.data_uri else str(environment.get("S3_KEY", ""))
            response = data_key and self.aws.find("s3", "HeadObject", Bucket=inventory.bucket.name, Key=data_key)
            inventory.key = data_key if response else ""
            inventory.other_objects = len([key for key in keys if key != inventory.key])
        registry = f"{inventory.account}.dkr.ecr.{inventory.region}."
        image = str(container.image) if container else ""
        if image.startswith(registry):
            name = re.split(r"[@:]", image.partition("/")[2])[0]
            inventory.repository = self._observe(RepositorySpec(name=name))
        inventory.repository = inventory.repository or self._single(RepositorySpec)

    def _only_reads(self, bucket: str) -> bool:
        """Whether it isn't the deploy's bucket but another, whose data its program reads and may not write."""
        task, policy = self.inventory.task, self.inventory.task_policy
        if not task or OWNER_TAG not in task.tags or not policy:
            return False
        results = f"arn:{self.aws.partition}:s3:::{bucket}/{RUNS}/ID/output/report.html"
        if decide([policy.document.document()], "s3:PutObject", results) == "allowed":
            return False
        try:  # a role whose policy the file writes itself may write nowhere
            owner = Bucket().tags_of(self.aws, bucket).get(OWNER_TAG)
        except Denied:
            return True
        return owner != task.tags[OWNER_TAG]

    def _network(self) -> None:
        inventory, aws = self.inventory, self.aws
        group = inventory.security_group = self._single(SecurityGroupSpec)
        default = aws.call("ec2", "DescribeVpcs", Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        if group and group.vpc and group.vpc not in [vpc["VpcId"] for vpc in default]:
            inventory.vpc = group.vpc
            vpc_filter = [{"Name": "vpc-id", "Values": [group.vpc]}]
            subnets = aws.pages("ec2", "DescribeSubnets", "Subnets", Filters=vpc_filter)
            inventory.subnets = tuple(sorted(str(subnet["SubnetId"]) for subnet in subnets))

    def _ci(self) -> None:
        inventory = self.inventory
        inventory.user = self._single(UserSpec)
        task_roles = {role.name for role in (inventory.execution_role, inventory.task_role) if role}
        roles = [
            self._observe(RoleSpec(name=name)) for name in self.candidates[RoleSpec.kind] if name not in task_roles
        ]
        github = [role for role in roles if role and f"/{GITHUB}" in role.trust.text()]
        plans = [role for role in github if any(map(PULLS.search, subjects_of(role)))]
        inventory.plan_role = self._pick(RoleSpec.kind, plans)
        inventory.plan_policy = self._policy(inventory.plan_role)
        inventory.ci_role = self._pick(RoleSpec.kind, [role for role in github if role not in plans])
        inventory.gitlab_role = self._pick(RoleSpec.kind, [role for role in roles if role and gitlab_of(role)])
        inventory.ci_policy = next(
            filter(None, map(self._policy, (inventory.ci_role, inventory.gitlab_role, inventory.user))), None
        )
        if inventory.ci_role:
            inventory.provider = self._observe(OidcProviderSpec(name=GITHUB))
        if inventory.gitlab_role and (gitlab := gitlab_of(inventory.gitlab_role)):
            inventory.gitlab_provider = self._observe(OidcProviderSpec(name=gitlab[0]))

    def _capacity(self) -> None:
        inventory = self.inventory
        if inventory.task is None or inventory.cluster is None or COMPATIBILITY not in inventory.task.compatibilities:
            return
        deploy = deploy_name(inventory, self.prefix)
        names = [f"{inventory.cluster.name}/{provider_name(deploy, capacity)}" for capacity in (MANAGED, MANAGED_SPOT)]
        inventory.managed, inventory.managed_spot = (self._observe(CapacityProviderSpec(name=name)) for name in names)

    def _policy(self, holder: RoleSpec | UserSpec | None) -> PolicySpec | None:
        """The policy of the account that is attached to a role or user; of several, one of our name."""
        account_part = f":{self.inventory.account}:policy/"
        attached = [arn for arn in holder.managed_policies if account_part in arn] if holder else []
        attached.sort(key=lambda arn: not belongs(_last(arn), self.prefix))
        first = self._observe(PolicySpec(name=_last(attached[0]), arn=attached[0])) if attached else None
        further = [arn for arn in attached[1:] if first and re.fullmatch(r"\.\d+", _last(arn).removeprefix(first.name))]
        parts = [self._observe(PolicySpec(name=_last(arn), arn=arn)) for arn in further]
        return _together(first, [part for part in parts if part is not None])

    def _single(self, spec: type[Spec]) -> Any:
        """The only resource of a kind with such a name, or None. Raises UserError for several."""
        kind = spec.kind
        name = self.take.get(kind)
        candidates = [self._observe(spec(name=candidate)) for candidate in ([name] if name else self.candidates[kind])]
        return self._pick(kind, [candidate for candidate in candidates if candidate is not None])

    def _pick(self, kind: str, candidates: list[Any]) -> Any:
        choices = [candidate for candidate in candidates if candidate.name == self.take.get(kind)]
        if len(choices or candidates) <= 1:
            return next(iter(choices or candidates), None)
        name_list = ", ".join(candidate.name for candidate in candidates)
        raise UserError(
            f"several resources of the kind {kind} have {self.prefix!r} in their name: {name_list}",
            hint=f"say which one: --take {kind}.{candidates[0].name}",
        )

    def _observe(self, want: Any) -> Any:
        observed = _KINDS[want.kind].observe(self.aws, [want]).get(want.name)
        return observed.spec if observed else None


def subjects_of(role: RoleSpec) -> list[str]:
    """The subjects of GitHub's tokens that a role's trust names."""
    tests = [test for statement in role.trust.statements for test in statement.conditions.values()]
    return [subject for test in tests for key, values in test.items() if key == SUBJECT for subject in values]


def gitlab_of(role: RoleSpec) -> tuple[str, list[str]] | None:
    """The GitLab that a role trusts, as IAM's provider is named, and the subjects of its tokens; None for others."""
    for statement in role.trust.statements:
        for provider in statement.principals.get("Federated", ()):
            host = provider.partition(":oidc-provider/")[2]
            keys = [(key, values) for test in statement.conditions.values() for key, values in test.items()]
            subjects = [subject for key, values in keys if key == f"{host}:sub".lower() for subject in values]
            if any(subject.startswith("project_path:") for subject in subjects):
                return host, subjects
    return None


def _unless_denied(kind: AnyKind, aws: Aws) -> set[str] | None:
    try:
        return {*kind.listed(aws)}
    except Denied:
        return None


def _last(arn: str) -> str:
    return arn.rpartition("/")[2]


def _together(first: PolicySpec | None, parts: Sequence[PolicySpec]) -> PolicySpec | None:
    """A policy with what was too large for it and stands in its further parts."""
    if first is None or not parts:
        return first
    statements = [statement for part in (first, *parts) for statement in part.document.document()["Statement"]]
    document = policy({"Version": first.document.version, "Statement": statements})
    return first.model_copy(update={"document": document})
