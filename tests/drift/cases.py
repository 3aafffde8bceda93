"""What others may do to a deployment behind the tool's back: each through the AWS API, as a person or a script would."""

# ruff: noqa: E501  (tables of cases read best in whole lines)
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.drift.changes import (
    ADMIN,
    BUCKET,
    CI_ROLE,
    CLUSTER,
    ETA,
    EXECUTION_ROLE,
    FAMILY,
    GROUP,
    KEY,
    LOGS,
    OIDC,
    OWNER,
    POLICY,
    REPOSITORY,
    SERVICE,
    TASK_ROLE,
    THEM,
    USER,
    arn,
    change_statement,
    container,
    default_version,
    delete_cluster,
    delete_images,
    delete_policy,
    delete_role,
    delete_service,
    delete_user,
    deregister,
    drop_condition,
    encrypt,
    everything,
    github,
    group_id,
    group_with_admin,
    group_with_inline_policy,
    keys,
    lifecycle,
    move_latest,
    no_egress,
    notify,
    objects_with_acls,
    other_network,
    other_path_of_policy,
    other_path_of_role,
    other_path_of_user,
    providers,
    public_acl,
    public_bucket,
    public_repository,
    register,
    replicate,
    revision,
    rule,
    service,
    ship_lines,
    told,
    trust,
    unblock,
)  # fmt: skip
from tests.kinds.samples_iam import certificate
from tests.lab_client import ACCOUNT, REGION, LabHandle


@dataclass(frozen=True)
class Drift:
    """do: makes it. path: of the change that the plan has to show; empty for what has to be made again.

    also: other resources that are to be touched to repair it. overwrites: a field that the same call sets.
    """

    name: str
    address: str
    path: str
    do: Callable[[LabHandle], Any]
    widens: bool = False
    replaces: bool = False
    also: tuple[str, ...] = ()
    overwrites: str = ""

    @property
    def fields(self) -> set[str]:
        """The fields of the resource that are changed."""
        return {self.path.split(".")[0].split("[")[0], self.overwrites} - {""}


TASK, DEFINITION, KEPT = f"role.{TASK_ROLE}", f"task-definition.{FAMILY}", f"service.{CLUSTER}/{SERVICE}"


def drifts() -> Iterator[Drift]:
    """Every drift of the guide's resources."""
    for subject in (roles, policies, identities, storage, images, log_groups, network, ecs, services):
        yield from subject()


def iam(name: str, **params: Any) -> Callable[[LabHandle], Any]:
    return lambda lab: getattr(lab.client("iam"), name)(**params)


def s3(name: str, **params: Any) -> Callable[[LabHandle], Any]:
    return lambda lab: getattr(lab.client("s3"), name)(Bucket=BUCKET, **params)


def ecr(name: str, **params: Any) -> Callable[[LabHandle], Any]:
    return lambda lab: getattr(lab.client("ecr"), name)(repositoryName=REPOSITORY, **params)


def logs(name: str, **params: Any) -> Callable[[LabHandle], Any]:
    return lambda lab: getattr(lab.client("logs"), name)(**params)


# fmt: off
def roles() -> Iterator[Drift]:
    ci, execution = f"role.{CI_ROLE}", f"role.{EXECUTION_ROLE}"
    yield Drift("inline policy", TASK, "inline_policies.more",
                iam("put_role_policy", RoleName=TASK_ROLE, PolicyName="more", PolicyDocument=everything()), widens=True)
    yield Drift("attached policy", TASK, "managed_policies",
                iam("attach_role_policy", RoleName=TASK_ROLE, PolicyArn=ADMIN), widens=True)
    yield Drift("detached policy", execution, "managed_policies", iam(
        "detach_role_policy", RoleName=EXECUTION_ROLE,
        PolicyArn="arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"))
    yield Drift("trusts everybody", TASK, "trust.statements", iam(
        "update_assume_role_policy", RoleName=TASK_ROLE,
        PolicyDocument=trust({"Service": "ecs-tasks.amazonaws.com", "AWS": "*"})), widens=True)
    yield Drift("trusts another service", execution, "trust.statements", iam(
        "update_assume_role_policy", RoleName=EXECUTION_ROLE, PolicyDocument=trust({"Service": "ec2.amazonaws.com"})),
        widens=True)
    yield Drift("every branch may assume it", ci, "trust.statements", iam(
        "update_assume_role_policy", RoleName=CI_ROLE, PolicyDocument=github(
            StringEquals={f"{OIDC}:aud": "sts.amazonaws.com"}, StringLike={f"{OIDC}:sub": "repo:owner/aig130project2:*"})),
        widens=True)
    yield Drift("every repository may assume it", ci, "trust.statements", iam(
        "update_assume_role_policy", RoleName=CI_ROLE,
        PolicyDocument=github(StringEquals={f"{OIDC}:aud": "sts.amazonaws.com"})), widens=True)
    yield Drift("description", TASK, "description", iam("update_role", RoleName=TASK_ROLE, Description="mine now"))
    yield Drift("longer sessions", ci, "max_session_duration",
                iam("update_role", RoleName=CI_ROLE, MaxSessionDuration=43200))
    yield Drift("boundary", execution, "boundary", iam(
        "put_role_permissions_boundary", RoleName=EXECUTION_ROLE, PermissionsBoundary=arn(f"policy/{POLICY}")))
    yield Drift("ownership tag of a role", TASK, f"tags.{OWNER}", iam("untag_role", RoleName=TASK_ROLE, TagKeys=[OWNER]))
    yield Drift("a tag more", ci, "tags.owner",
                iam("tag_role", RoleName=CI_ROLE, Tags=[{"Key": "owner", "Value": "somebody"}]))
    yield Drift("role under another path", ci, "path", other_path_of_role, widens=True, replaces=True)
    yield Drift("role deleted", execution, "", lambda lab: delete_role(lab, EXECUTION_ROLE))


def policies() -> Iterator[Drift]:
    policy = f"policy.{POLICY}"
    yield Drift("policy allows everything", policy, "document.statements",
                lambda lab: default_version(lab, everything()), widens=True)
    yield Drift("a statement's further action", policy, "document.statements[Read].actions",
                lambda lab: change_statement(lab, "Read", Action=["s3:GetObject", "s3:DeleteObject"]), widens=True)
    yield Drift("a statement's other resource", policy, "document.statements[Write].resources",
                lambda lab: change_statement(lab, "Write", Resource=f"arn:aws:s3:::{BUCKET}/*"), widens=True)
    yield Drift("a condition gone", policy, "document.statements[List].conditions", drop_condition, widens=True)
    yield Drift("a statement now denies", policy, "document.statements[Read]",
                lambda lab: change_statement(lab, "Read", Effect="Deny"))
    yield Drift("ownership tag of a policy", policy, f"tags.{OWNER}",
                iam("untag_policy", PolicyArn=arn(f"policy/{POLICY}"), TagKeys=[OWNER]))
    yield Drift("policy under another path", policy, "path", other_path_of_policy, widens=True, replaces=True,
                also=(TASK,))
    yield Drift("policy deleted", policy, "", delete_policy, also=(TASK,))


def identities() -> Iterator[Drift]:
    user, oidc = f"user.{USER}", f"oidc-provider.{OIDC}"
    yield Drift("second access key", user, "access_keys", iam("create_access_key", UserName=USER), widens=True)
    yield Drift("the access key gone", user, "access_keys", lambda lab: lab.client("iam").delete_access_key(
        UserName=USER, AccessKeyId=keys(lab)[0]))
    yield Drift("user's inline policy", user, "inline_policies.more",
                iam("put_user_policy", UserName=USER, PolicyName="more", PolicyDocument=everything()), widens=True)
    yield Drift("user's attached policy", user, "managed_policies",
                iam("attach_user_policy", UserName=USER, PolicyArn=ADMIN), widens=True)
    yield Drift("user in a group", user, "groups", group_with_admin, widens=True)
    yield Drift("user's password", user, "console_password",
                iam("create_login_profile", UserName=USER, Password="S3cret-enough!"), widens=True)
    yield Drift("user's boundary", user, "boundary", iam(
        "put_user_permissions_boundary", UserName=USER, PermissionsBoundary=arn(f"policy/{POLICY}")))
    yield Drift("user's inline policy of a group", user, "groups", group_with_inline_policy, widens=True)
    yield Drift("user's SSH key", user, "attached", iam(
        "upload_ssh_public_key", UserName=USER, SSHPublicKeyBody="ssh-rsa AAAA theirs"), widens=True)
    yield Drift("user's signing certificate", user, "attached", lambda lab: lab.client(
        "iam").upload_signing_certificate(UserName=USER, CertificateBody=certificate()), widens=True)
    yield Drift("user's credential for a service", user, "attached", iam(
        "create_service_specific_credential", UserName=USER, ServiceName="codecommit.amazonaws.com"), widens=True)
    yield Drift("the access key is switched off", user, "inactive_key", lambda lab: lab.client(
        "iam").update_access_key(UserName=USER, AccessKeyId=keys(lab)[0], Status="Inactive"))
    yield Drift("user under another path", user, "path", other_path_of_user, widens=True,
                replaces=True)
    yield Drift("user deleted", user, "", delete_user)
    yield Drift("audience removed", oidc, "audiences", iam(
        "remove_client_id_from_open_id_connect_provider", OpenIDConnectProviderArn=arn(f"oidc-provider/{OIDC}"),
        ClientID="sts.amazonaws.com"))
    yield Drift("provider deleted", oidc, "",
                iam("delete_open_id_connect_provider", OpenIDConnectProviderArn=arn(f"oidc-provider/{OIDC}")))


def storage() -> Iterator[Drift]:
    bucket, data = f"bucket.{BUCKET}", f"object.{BUCKET}/{KEY}"
    yield Drift("public bucket policy", bucket, "policy.statements", public_bucket, widens=True)
    yield Drift("public ACL", bucket, "grants", public_acl, widens=True, overwrites="ownership")
    yield Drift("another account's ACL on the data", bucket, "ownership", objects_with_acls, widens=True)
    yield Drift("ownership controls gone", bucket, "ownership", s3("delete_bucket_ownership_controls"), widens=True)
    yield Drift("objects are copied to another account", bucket, "attached", replicate, widens=True)
    yield Drift("another account's topic is told of objects", bucket, "attached", lambda lab: notify(
        lab, TopicConfigurations=told("TopicArn", f"arn:aws:sns:{REGION}:{THEM}:theirs")), widens=True)
    yield Drift("a queue is told of objects", bucket, "attached", lambda lab: notify(
        lab, QueueConfigurations=told("QueueArn", f"arn:aws:sqs:{REGION}:{THEM}:theirs")), widens=True)
    yield Drift("a function is told of objects", bucket, "attached", lambda lab: notify(
        lab, LambdaFunctionConfigurations=told(
            "LambdaFunctionArn", f"arn:aws:lambda:{REGION}:{THEM}:function:theirs")), widens=True)
    yield Drift("EventBridge is told of objects", bucket, "attached",
                lambda lab: notify(lab, EventBridgeConfiguration={}), widens=True)
    yield Drift("public access block gone", bucket, "public_access_block", s3("delete_public_access_block"), widens=True)
    yield Drift("versioning suspended", bucket, "versioning",
                s3("put_bucket_versioning", VersioningConfiguration={"Status": "Suspended"}))
    yield Drift("other encryption", bucket, "encryption", encrypt)
    yield Drift("keys that S3 never keeps", bucket, "blocked_encryption", unblock, widens=True)
    yield Drift("lifecycle that deletes all", bucket, "lifecycle", lifecycle)
    yield Drift("lifecycle gone", bucket, "lifecycle", s3("delete_bucket_lifecycle"))
    yield Drift("bucket's tags gone", bucket, f"tags.{OWNER}", s3("delete_bucket_tagging"))
    yield Drift("object overwritten", data, "sha256", s3("put_object", Key=KEY, Body=b"a,b\n"))
    yield Drift("object deleted", data, "", s3("delete_object", Key=KEY))


def images() -> Iterator[Drift]:
    repository, image = f"repository.{REPOSITORY}", f"image.{REPOSITORY}"
    yield Drift("latest is another image", image, "tags_wanted", move_latest)
    yield Drift("public repository", repository, "policy.statements", public_repository, widens=True)
    yield Drift("scan on push off", repository, "scan_on_push",
                ecr("put_image_scanning_configuration", imageScanningConfiguration={"scanOnPush": False}))
    yield Drift("tags can't move", repository, "tag_mutability",
                ecr("put_image_tag_mutability", imageTagMutability="IMMUTABLE"))
    yield Drift("images kept for ever", repository, "keep_images", ecr("delete_lifecycle_policy"))
    yield Drift("image deleted", image, "", delete_images, also=(DEFINITION, KEPT))


def log_groups() -> Iterator[Drift]:
    log = f"log-group.{LOGS}"
    yield Drift("log kept longer", log, "retention_in_days",
                logs("put_retention_policy", logGroupName=LOGS, retentionInDays=365))
    yield Drift("log kept for ever", log, "retention_in_days", logs("delete_retention_policy", logGroupName=LOGS))
    yield Drift("log lines are sent elsewhere", log, "attached", ship_lines, widens=True)
    yield Drift("ownership tag of a log group", log, f"tags.{OWNER}",
                logs("untag_log_group", logGroupName=LOGS, tags=[OWNER]))
    yield Drift("log group deleted", log, "", logs("delete_log_group", logGroupName=LOGS))


def network() -> Iterator[Drift]:
    group = f"security-group.{GROUP}"
    yield Drift("ssh from everywhere", group, "ingress[tcp 22 0.0.0.0/0]", lambda lab: rule(
        lab, "authorize_security_group_ingress", IpRanges=[{"CidrIp": "0.0.0.0/0"}]), widens=True)
    yield Drift("ssh from everywhere by IPv6", group, "ingress[tcp 22 ::/0]", lambda lab: rule(
        lab, "authorize_security_group_ingress", Ipv6Ranges=[{"CidrIpv6": "::/0"}]), widens=True)
    yield Drift("another way out", group, "egress[tcp 22 10.0.0.0/8]", lambda lab: rule(
        lab, "authorize_security_group_egress", IpRanges=[{"CidrIp": "10.0.0.0/8"}]), widens=True)
    yield Drift("no way out", group, "egress[0.0.0.0/0]", no_egress)
    yield Drift("security group deleted", group, "",
                lambda lab: lab.client("ec2").delete_security_group(GroupId=group_id(lab)), also=(KEPT,))


def ecs() -> Iterator[Drift]:
    cluster = f"cluster.{CLUSTER}"
    yield Drift("no Spot", cluster, "capacity_providers",
                lambda lab: providers(lab, ["FARGATE"], capacityProvider="FARGATE", weight=1))
    yield Drift("Spot by default", cluster, "default_strategy[FARGATE_SPOT]", lambda lab: providers(
        lab, ["FARGATE", "FARGATE_SPOT"], capacityProvider="FARGATE_SPOT", weight=1), overwrites="capacity_providers")
    yield Drift("dearer metrics", cluster, "container_insights", lambda lab: lab.client("ecs").update_cluster(
        cluster=CLUSTER, settings=[{"name": "containerInsights", "value": "enhanced"}]))
    yield Drift("shells are logged elsewhere", cluster, "attached", lambda lab: lab.client("ecs").update_cluster(
        cluster=CLUSTER, configuration={"executeCommandConfiguration": {
            "logging": "OVERRIDE", "logConfiguration": {"s3BucketName": "theirs"}}}), widens=True)
    yield Drift("cluster deleted", cluster, "", delete_cluster, also=(KEPT,))
    yield Drift("a revision with another image", DEFINITION, "containers[ml-pipeline-container].image",
                lambda lab: register(lab, containerDefinitions=container(lab, image="somebody/miner:latest")), also=(KEPT,))
    yield Drift("a revision with another role", DEFINITION, "task_role",
                lambda lab: register(lab, taskRoleArn=arn(f"role/{CI_ROLE}")), widens=True, also=(KEPT,))
    yield Drift("a revision with a secret variable", DEFINITION, "containers[ml-pipeline-container].environment.DB_PASSWORD",
                lambda lab: register(lab, containerDefinitions=container(
                    lab, environment=[{"name": "DB_PASSWORD", "value": "hunter2"}])), also=(KEPT,))
    yield Drift("a smaller revision", DEFINITION, "memory", lambda lab: register(lab, cpu="512", memory="1024"), also=(KEPT,))
    yield Drift("a revision's tag", DEFINITION, f"tags.{OWNER}", lambda lab: lab.client("ecs").untag_resource(
        resourceArn=revision(lab), tagKeys=[OWNER]))
    yield Drift("all revisions deregistered", DEFINITION, "", deregister, also=(KEPT,))


def services() -> Iterator[Drift]:
    parameter = f"parameter.{ETA}"
    yield Drift("more tasks", KEPT, "desired_count", lambda lab: service(lab, desiredCount=1))
    yield Drift("no circuit breaker", KEPT, "circuit_breaker", lambda lab: service(
        lab, deploymentConfiguration={"deploymentCircuitBreaker": {"enable": False, "rollback": False}}))
    yield Drift("an older revision is kept running", KEPT, "task_definition", lambda lab: service(
        lab, taskDefinition=f"{FAMILY}:1"))
    yield Drift("a shell in its tasks", KEPT, "execute_command", lambda lab: service(
        lab, enableExecuteCommand=True), widens=True)
    yield Drift("another security group", KEPT, "security_groups", other_network, overwrites="subnets")
    yield Drift("ownership tag of the service", KEPT, f"tags.{OWNER}", lambda lab: lab.client("ecs").untag_resource(
        resourceArn=f"arn:aws:ecs:us-east-1:{ACCOUNT}:service/{CLUSTER}/{SERVICE}", tagKeys=[OWNER]))
    yield Drift("service deleted", KEPT, "", delete_service)
    yield Drift("ownership tag of a parameter", parameter, f"tags.{OWNER}", lambda lab: lab.client(
        "ssm").remove_tags_from_resource(ResourceType="Parameter", ResourceId=ETA, TagKeys=[OWNER]))
    yield Drift("parameter deleted", parameter, "", lambda lab: lab.client("ssm").delete_parameter(Name=ETA))
