"""What is asked of AWS besides the kinds of resources: the lock, the record, the network, the launch and its watch.

Declared once, as the kinds declare theirs (`core.needs`); who reads it is said there. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.config import Deploy
from reconciler.core.aws_names import USAGE_GROUP, principal, secret_resources
from reconciler.core.given_data import Place
from reconciler.core.managed_instances import MANAGED_SPOT
from reconciler.core.needs import ANYWHERE, Condition, On
from reconciler.core.run_paths import CHECKPOINTS
from reconciler.permissions.keys import DECRYPT, WRITE, through

PLAN, APPLY, RUN, DESTROY = COMMANDS = ("plan", "apply", "run", "destroy")
VERIFY = "verify"
LAUNCHES = (APPLY, RUN)
NAMED = 10  # files of which a policy names each

LOCK = "ssm:parameter/reconciler/{deploy}/lock*"
RECORD = "ssm:parameter/reconciler/{deploy}/record*"
REVISIONS, TASKS = "ecs:task-definition/{family}:*", "ecs:task/{cluster}/*"
AGAIN = "ecs:task-definition/{again}:*"  # of runs that repeat others, or have workers
CERTIFICATES = "ssm:parameter/reconciler/{deploy}/workers*"
ROLES = ("iam:role/{execution_role}", "iam:role/{task_role}")
IN_CLUSTER = {"ArnEquals": {"ecs:cluster": "{cluster_arn}"}}


def passed_to(service: str, partition: str = "aws") -> Condition:
    """That a role is handed to this service and no other."""
    return {"StringEquals": {"iam:PassedToService": principal(service, partition)}}


@dataclass(frozen=True)
class Part:
    """What some modules ask of AWS for these commands.

    when: for which files; on: as in `core.needs.Needs`, or from the file.
    """

    modules: tuple[str, ...]
    commands: tuple[str, ...]
    actions: tuple[str, ...]
    on: tuple[str, ...] | Callable[[Deploy], tuple[str | On, ...]] = (ANYWHERE,)
    condition: Condition | Callable[[Deploy], Condition] = field(default_factory=dict)
    when: Callable[[Deploy], bool] = lambda deploy: True


def _service_role(service: str, role: str, when: Callable[[Deploy], bool] = lambda deploy: True) -> Part:
    """That AWS makes a service's own role, which an account has from its first use on."""
    on = f"iam:role/aws-service-role/{service}.amazonaws.com/{role}"
    by = {"StringEquals": {"iam:AWSServiceName": f"{service}.amazonaws.com"}}
    return Part((), (APPLY,), ("iam:CreateServiceLinkedRole",), (on,), by, when)


WATCHERS = (
    "run.launch", "run.task_of_token", "run.watch", "run.fleet", "run.stopping", "run.unwatched_ends", "run.log_place",
    "run.crew",
)  # fmt: skip
STARTERS = ("run.launch", "run.crew")
RECORDS = ("run.stored", "run.index_store", "run.results")


def _through_s3(deploy: Deploy) -> Condition:
    return through("s3", deploy.region)


def _through_webhook(deploy: Deploy) -> Condition:
    return through("ssm" if ":ssm:" in webhook(deploy) else "secretsmanager", deploy.region)


def _workers(deploy: Deploy) -> bool:
    return deploy.run.workers is not None


def _data_paths(deploy: Deploy) -> tuple[str, ...]:
    """What the files are, or the bucket where they are so many that a policy can't name them beside all else."""
    files = deploy.data.uploads
    if len(files) > NAMED:
        return ("s3:{bucket}/*",)
    return tuple(f"s3:{{bucket}}/{_literal(file.readable)}" for file in files)


def _literal(path: str) -> str:
    """A path of which nothing is filled in."""
    return path.replace("{", "{{").replace("}", "}}")


def _given(deploy: Deploy) -> bool:
    return bool(deploy.data.given)


def _given_paths(deploy: Deploy) -> tuple[On, ...]:
    return tuple(On(f"s3:{file.place.bucket}/{path}") for file in deploy.data.given for path in file.place.paths)


def _given_buckets(deploy: Deploy) -> tuple[On, ...]:
    """The buckets of what is in S3 already, each of which may be listed there alone."""
    places = [Place(file.place.bucket, _literal(file.place.path)) for file in deploy.data.given]
    return tuple(On(f"s3:{place.bucket}", place.prefixes) for place in places)


def _given_keys(deploy: Deploy) -> tuple[str, ...]:
    return tuple(file.kms_key for file in deploy.data.given if file.kms_key)


def _secrets(deploy: Deploy) -> str:
    markers = [":ssm:" for parameter in deploy.parameters.values() if parameter.give_as == "secret"]
    return " ".join((*deploy.task.secrets.values(), *markers))


def webhook(deploy: Deploy) -> str:
    """The ARN of what holds the URL that is told of runs, as policies name it; empty without one. Where a secret's own
    end can't be told from its name's, with any end: the URL's secret alone begins so.
    """
    hook = deploy.notify.webhook if deploy.notify else None
    return secret_resources(hook.url_from)[-1] if hook else ""


def webhook_key(deploy: Deploy) -> str:
    """The ARN of the key that encrypts it; empty for AWS's own."""
    hook = deploy.notify.webhook if deploy.notify else None
    return (hook.kms_key or "") if hook else ""


WRITE_RECORD = Part(
    ("engine.ownership_record",), (APPLY, DESTROY), ("ssm:PutParameter", "ssm:DeleteParameter"), (RECORD,)
)
LOCK_PART = Part(
    ("engine.lock",), (APPLY, RUN, DESTROY), ("ssm:GetParametersByPath", "ssm:PutParameter", "ssm:DeleteParameter"),
    (LOCK,),
)  # fmt: skip
PARTS: tuple[Part, ...] = (
    Part(("lower.account",), COMMANDS, ("ec2:DescribeVpcs",), when=lambda deploy: deploy.network.vpc == "default"),
    Part(("lower.account",), COMMANDS, ("ec2:DescribeSubnets",), when=lambda d: isinstance(d.network.subnets, str)),
    Part(("kinds.ssm_parameter",), COMMANDS, ("ssm:GetParameters",), lambda deploy: tuple(
         f"ssm:parameter{parameter.name}" for parameter in deploy.parameters.values() if not parameter.secure)),
    Part(("kinds.ssm_parameter",), COMMANDS, ("ssm:DescribeParameters",),
         when=lambda deploy: any(parameter.secure for parameter in deploy.parameters.values())),
    Part(("lower.existing",), COMMANDS, ("ecs:DescribeCapacityProviders",),
         lambda deploy: tuple(f"ecs:capacity-provider/{name}" for name in deploy.own_providers)),
    Part(("lower.given_data",), (PLAN, *LAUNCHES), ("s3:ListBucket",), _given_buckets, when=_given),
    Part(("engine.ownership_record",), COMMANDS, ("ssm:GetParametersByPath",), (RECORD,)),
    WRITE_RECORD,
    LOCK_PART,
    # The first cluster of an account: ECS has IAM make the role with which it attaches network interfaces.
    _service_role("ecs", "AWSServiceRoleForECS"),
    # The first managed instances of an account, and the first Spot instances.
    _service_role("ecs-compute", "AWSServiceRoleForECSCompute", lambda deploy: bool(deploy.managed_providers)),
    _service_role("spot", "AWSServiceRoleForEC2Spot", lambda d: MANAGED_SPOT in d.managed_providers.values()),
    Part(("image.scan",), LAUNCHES, ("ecr:DescribeImageScanFindings",), ("ecr:repository/{repository}",),
         when=lambda deploy: deploy.image.uri is None and deploy.image.fail_on is not None),
    Part(("run.launch",), LAUNCHES, ("ecs:RunTask",), (REVISIONS,), IN_CLUSTER),
    Part((*STARTERS, "run.own_definition"), LAUNCHES, ("iam:PassRole",), ROLES, passed_to("ecs-tasks")),
    Part(STARTERS, LAUNCHES, ("ecs:TagResource",), (TASKS,), {"StringEquals": {"ecs:CreateAction": "RunTask"}}),
    # A run that repeats another, or has workers, has a definition of its own.
    Part(("run.like", "run.crew"), LAUNCHES, ("ecs:RunTask",), (AGAIN,), IN_CLUSTER),
    Part(("run.own_definition",), LAUNCHES, ("ecs:RegisterTaskDefinition", "ecs:TagResource"), (AGAIN,)),
    # The certificate of a run with workers.
    Part(("run.crew", "run.worker_definitions"), LAUNCHES, ("ssm:PutParameter", "ssm:DeleteParameter"), (CERTIFICATES,),
         when=_workers),
    # Those that are left. A file that has run.workers no more may have had it.
    Part(("run.left_certificates",), LAUNCHES, ("ssm:GetParametersByPath", "ssm:DeleteParameter"), (CERTIFICATES,),
         when=_workers),
    Part(("engine.destroy",), (DESTROY,), ("ssm:GetParametersByPath", "ssm:DeleteParameter"), (CERTIFICATES,)),
    # What calls the function about runs that weren't over.
    Part(("engine.destroy",), (DESTROY,), ("scheduler:ListSchedules",), when=lambda deploy: deploy.has_function),
    Part(("engine.destroy",), (DESTROY,), ("scheduler:DeleteSchedule",), ("scheduler:schedule/default/{prefix}*",),
         when=lambda deploy: deploy.has_function),
    # A run that repeats another has its data in the versions of then.
    Part(("run.data_versions",), LAUNCHES, ("s3:GetObject", "s3:GetObjectVersion"), _data_paths),
    Part(("run.data_versions",), LAUNCHES, ("s3:ListBucketVersions",), ("s3:{bucket}",),
         when=lambda deploy: bool(deploy.data.uploads)),
    Part(("run.data_versions",), LAUNCHES, ("s3:PutObject", "s3:AbortMultipartUpload"), ("s3:{bucket}/{runs}/*",),
         when=lambda deploy: bool(deploy.data.files)),
    Part(("run.data_versions",), LAUNCHES, ("s3:GetObject", "s3:GetObjectVersion"), _given_paths, when=_given),
    Part(("run.data_versions",), LAUNCHES, ("s3:ListBucketVersions",), _given_buckets, when=_given),
    Part(WATCHERS, LAUNCHES, ("ecs:ListTasks",), condition=IN_CLUSTER),
    Part(WATCHERS, LAUNCHES, ("ecs:DescribeTasks", "ecs:StopTask"), (TASKS,)),
    Part(WATCHERS, LAUNCHES, ("ecs:DescribeTaskDefinition",)),
    Part(("cli.exec_",), LAUNCHES, ("ecs:ExecuteCommand",), (TASKS, "ecs:cluster/{cluster}"),
         when=lambda deploy: deploy.run.exec),
    Part(("run.logs", "run.log_end"), LAUNCHES, ("logs:DescribeLogStreams", "logs:GetLogEvents"),
         ("logs:log-group:{group}:log-stream:*",)),
    Part(("run.insights",), LAUNCHES, ("logs:FilterLogEvents",),
         (f"logs:log-group:{USAGE_GROUP}:log-stream:*",),
         when=lambda deploy: deploy.cluster.container_insights),
    Part(RECORDS, LAUNCHES, ("s3:GetObject", "s3:PutObject"), ("s3:{bucket}/{runs}/*",)),
    Part((*RECORDS, "run.run_record"), LAUNCHES, ("s3:ListBucket",), ("s3:{bucket}",)),
    # What the attempts of a run hand on is removed with all its versions, or marked for the bucket's rule.
    Part(("run.checkpoint",), LAUNCHES, ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectTagging"),
         tuple(f"s3:{{bucket}}/{path}" for path in CHECKPOINTS), when=lambda deploy: deploy.run.checkpoint),
    Part(("run.checkpoint",), LAUNCHES, ("s3:ListBucket", "s3:ListBucketVersions"), ("s3:{bucket}",),
         when=lambda deploy: deploy.run.checkpoint),
    Part(
        ("run.deadline",), LAUNCHES,
        ("scheduler:CreateSchedule", "scheduler:UpdateSchedule", "scheduler:DeleteSchedule"),
        ("scheduler:schedule/default/{prefix}*",), when=lambda deploy: deploy.run.limited,
    ),
    Part(("run.deadline",), LAUNCHES, ("iam:PassRole",), ("iam:role/{stop_role}",), passed_to("scheduler"),
         when=lambda deploy: deploy.run.limited),
    Part(("run.hand_over",), LAUNCHES, ("lambda:InvokeFunction",), ("lambda:function:{watcher}",),
         when=lambda deploy: deploy.run.unattended),
    Part(("run.notify",), LAUNCHES, ("s3:PutObject",), ("s3:{bucket}/{runs}/*",),
         when=lambda deploy: deploy.notify is not None),
    Part(("run.notify",), LAUNCHES, ("sns:Publish",), ("{topic}",),
         when=lambda deploy: bool(deploy.notify and deploy.notify.subscriptions)),
    Part(("run.webhook",), LAUNCHES, ("ssm:GetParameter",), ("{webhook}",), when=lambda d: ":ssm:" in webhook(d)),
    Part(("run.webhook",), LAUNCHES, ("secretsmanager:GetSecretValue",), ("{webhook}",),
         when=lambda deploy: ":secretsmanager:" in webhook(deploy)),
    Part(("checks.verify.network",), (VERIFY,),
         ("ec2:DescribeSubnets", "ec2:DescribeRouteTables", "ec2:DescribeVpcEndpoints")),
    Part(("kinds.iam_policy",), (VERIFY,), ("iam:GetPolicy", "iam:GetPolicyVersion"), ("{execution_policy}",)),
    Part(("checks.verify.image",), (VERIFY,), ("ecr:DescribeImages",), ("ecr:repository/{repository}",)),
    Part(("checks.verify.resources",), (VERIFY,), ("s3:GetObject",), _given_paths, when=_given),
    Part(("checks.verify.resources",), (VERIFY,), ("servicequotas:GetServiceQuota",), ("servicequotas:fargate/*",)),
    Part(("checks.verify.resources",), (VERIFY,), ("ssm:DescribeParameters",), when=lambda d: ":ssm:" in _secrets(d)),
    Part(("checks.verify.resources",), (VERIFY,), ("secretsmanager:DescribeSecret",), lambda deploy: tuple(
        form for arn in deploy.task.secrets.values() if ":secretsmanager:" in arn for form in secret_resources(arn))),
    # S3 uses the bucket's key on behalf of whoever writes and reads; a checksum of what is there is read so too.
    Part((), LAUNCHES, WRITE, ("{kms_key}",), _through_s3, when=lambda deploy: deploy.data.bucket.kms_key is not None),
    Part((), (PLAN, DESTROY), (DECRYPT,), ("{kms_key}",), _through_s3,
         when=lambda deploy: deploy.data.bucket.kms_key is not None and bool(deploy.data.uploads)),
    # What a run that repeats another copies, and what `verify` reads.
    Part((), (*LAUNCHES, VERIFY), (DECRYPT,), _given_keys, _through_s3,
         when=lambda deploy: bool(_given_keys(deploy))),
    Part((), LAUNCHES, (DECRYPT,), ("{webhook_key}",), _through_webhook,
         when=lambda deploy: bool(webhook_key(deploy))),
)  # fmt: skip

# Other commands, which read more than one deploy has.
OTHERS: tuple[Part, ...] = (
    Part(("checks.github_token", "checks.gitlab_token"), (), ("iam:GetRole",)),
    Part(("cli.cost",), (), ("ecr:DescribeImages",)),
    # What reading the task definition and the service asks for.
    Part(("image.kind",), (), ("ecs:DescribeTaskDefinition", "ecs:DescribeServices")),
    # Whether a run's record may be read, and whose a bucket is of which nothing may be read.
    Part(("engine.missing_permissions",), (), ("s3:GetObject", "s3:GetBucketVersioning", "s3:ListAllMyBuckets")),
    Part(("importer.inventory",), (), ("s3:ListBucket", "s3:GetObject", "ec2:DescribeVpcs", "ec2:DescribeSubnets")),
)
# What is tried and done without where it is refused, so that no policy of ours has it; and what needs no permission.
OPTIONAL: dict[str, tuple[str, ...]] = {
    "kinds.ecs_cluster": ("ecs:DescribeCapacityProviders",),
    "kinds.iam": ("iam:GetAccountAuthorizationDetails", "iam:ListRoles"),
    "permissions.preflight": ("iam:SimulatePrincipalPolicy",),
}
FREE = frozenset({"sts:GetCallerIdentity"})
# What AWS asks for and no call of ours shows, each with when; what a kind needs so says the kind.
UNSEEN: dict[str, str] = {
    "iam:CreateServiceLinkedRole": "asked by ECS for the first cluster of an account, and its first managed instances",
    "kms:GenerateDataKey": "asked by S3 for a bucket with a key of its own",
    "kms:Decrypt": "asked by S3 for a bucket with a key of its own, and for a webhook's URL under such a key",
}
