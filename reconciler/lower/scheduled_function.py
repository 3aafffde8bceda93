"""The function that launches and watches scheduled and unattended runs, and what it may do. Pure.

What it does: reconciler/scheduled. Who tells of which run: docs/decisions/notify.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from reconciler.config import Deploy
from reconciler.config.checks_capacity import managed_price, margin
from reconciler.config.resource_names import Names
from reconciler.core.canonical import allow, policy_of
from reconciler.core.function_settings import GROUP, LAUNCHES, Cap, Retry, Tell, Watched
from reconciler.core.graph import Node
from reconciler.core.run_paths import (
    CHECKPOINTS,
    RUNS,
    SCHEDULED,
    again_family,
    fingerprint_key,
    index_key,
    metrics_key,
    record_key,
    schedule_prefix,
    size_key,
    told_key,
)
from reconciler.core.spec import Address, Ref
from reconciler.kinds import LogGroupSpec, RoleSpec, RuleSpec
from reconciler.kinds.events_rule import RuleTarget
from reconciler.kinds.lambda_function import HANDLER, RUNTIME, FunctionSpec, code_sha256
from reconciler.lower.capacity import addresses
from reconciler.lower.ci import service_trust
from reconciler.lower.workers import certificates
from reconciler.permissions import keys
from reconciler.permissions.parts import passed_to, webhook, webhook_key

LAMBDA, EVENTS = "lambda.amazonaws.com", "events.amazonaws.com"
LONGEST = 900  # seconds: what Lambda allows; a launch that is refused is tried again for most of it
MEMORY = 256  # MiB


def watcher(names: Names) -> Iterator[Node]:
    """The function, its role, its log, and the rule that calls it."""
    deploy = names.deploy
    rule = names.arn("events", f"rule/{names.watcher_rule}")
    log, role = Address("log-group", names.watcher_log), Address("role", names.watcher_role)
    function, dead = Address("function", names.watcher), Address("queue", names.dead_letters)
    group = Address("security-group", str(deploy.network.security_group.name))
    yield Node(LogGroupSpec(name=log.name, retention_in_days=deploy.logs.retention_days, tags=names.tags))
    yield Node(
        RoleSpec(
            name=role.name,
            trust=service_trust(names, LAMBDA),
            description="Watches the scheduled runs",
            inline_policies={"watch": policy_of(statements(names))},
            tags=names.tags,
        )
    )
    spec = FunctionSpec(
        name=function.name,
        code=code_sha256(),
        runtime=RUNTIME,
        handler=HANDLER,
        role=names.iam(f"role/{role.name}"),
        timeout=LONGEST,
        memory=MEMORY,
        description=f"Watches the scheduled runs of {deploy.name}",
        environment={**watched(names).variables(), GROUP: Ref(group, "id")},
        dead_letters=names.arn("sqs", dead.name),
        invokers=(f"{EVENTS} {rule}",),
        tags=names.tags,
    )
    parts = Address("cluster", str(deploy.cluster.name)), Address("task-definition", str(deploy.task.family))
    yield Node(spec, (log, role, dead, group, *parts, *addresses(names)))
    changes = RuleSpec(
        name=names.watcher_rule,
        pattern=json.dumps(pattern(names)),
        description=f"Tells {function.name} of the ends of the schedule's tasks",
        targets=(RuleTarget(id="watcher", arn=names.arn("lambda", f"function:{function.name}")),),
        tags=names.tags,
    )
    yield Node(changes, (function,))


def retry_of(deploy: Deploy) -> Retry:
    """How often again, and with how much memory at most."""
    managed = tuple(deploy.managed_providers)
    largest = deploy.requirements.largest_task if managed else 0
    rules = deploy.run.retry.model_dump()
    return Retry(**rules, max_memory=deploy.run.max_memory, largest=largest, managed=managed)


def cap_of(deploy: Deploy) -> Cap | None:
    """The deploy's limit in dollars."""
    run = deploy.run
    if not run.capped:
        return None
    managed = any(name in deploy.managed_providers for name in run.capacity)
    return Cap(run.max_cost, deploy.network.public_ip, margin(deploy), managed_price(deploy) if managed else None)


def watched(names: Names) -> Watched:
    """What the function is told."""
    deploy, run = names.deploy, names.deploy.run
    notify = deploy.notify
    tell = None
    if notify:
        hook = notify.webhook
        tell = Tell(
            on=notify.on,
            topic=names.topic if notify.subscriptions else "",
            webhook=hook.url_from if hook else "",
            form=hook.format if hook else "",
        )
    return Watched(
        deploy=deploy.name,
        partition=names.facts.partition,
        region=deploy.region,
        bucket=names.bucket,
        cluster=str(deploy.cluster.name),
        family=str(deploy.task.family),
        subnets=names.facts.subnets,
        public_ip=deploy.network.public_ip,
        cpu=deploy.task.cpu,
        memory=deploy.task.memory,
        container=deploy.task.container,
        log_group=str(deploy.logs.group),
        log_prefix=deploy.logs.stream_prefix,
        image=deploy.image.uri or names.repository,
        task_role=str(deploy.task.role.name),
        execution_role=str(deploy.task.execution_role.name),
        data=_first(deploy),
        schedule=names.schedule,
        architecture=deploy.task.platform,
        disk=deploy.task.ephemeral_storage,
        retries=deploy.schedule.retries if deploy.schedule else LAUNCHES,
        capacity=run.capacity,
        retry=retry_of(deploy),
        checkpoint=run.checkpoint,
        exec_enabled=run.exec,
        max_duration=run.max_duration,
        cap=cap_of(deploy),
        stop_role=names.iam(f"role/{names.stop_role}"),
        function=names.arn("lambda", f"function:{names.watcher}"),
        call_role=names.iam(f"role/{names.schedule_role}"),
        dead_letters=names.arn("sqs", names.dead_letters),
        tell=tell,
        workers=run.workers.capacity if run.workers else (),
    )


def pattern(names: Names) -> dict[str, Any]:
    """The ends of the tasks that it sees to: the schedule's, which are in its group, or all of the task definition's.

    A run of a client becomes unattended while its task runs, too, so that no mark of the task tells it.
    """
    deploy = names.deploy
    families = str(deploy.task.family), again_family(str(deploy.task.family))
    prefixes = [{"prefix": names.arn("ecs", f"task-definition/{family}:")} for family in families]
    selector = {"taskDefinitionArn": prefixes} if deploy.run.unattended else {"group": [names.schedule]}
    return {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Task State Change"],
        "detail": {
            "clusterArn": [names.arn("ecs", f"cluster/{deploy.cluster.name}")],
            # A run's workers are launched once its task runs.
            "lastStatus": ["RUNNING", "STOPPED"] if deploy.run.workers else ["STOPPED"],
            **selector,
        },
    }


def _first(deploy: Deploy) -> str:
    """The path of the deploy's first data."""
    return next((str(file.place.path if file.given else file.key) for file in deploy.data.files), "")


def statements(names: Names) -> list[dict[str, Any]]:
    """What the function may do, and nothing else."""
    deploy, task = names.deploy, names.deploy.task
    cluster = names.arn("ecs", f"cluster/{deploy.cluster.name}")
    family = names.arn("ecs", f"task-definition/{task.family}")
    tasks = names.arn("ecs", f"task/{deploy.cluster.name}/*")
    roles = [names.iam(f"role/{role.name}") for role in (task.execution_role, task.role)]
    runs = [f"{RUNS}/{SCHEDULED}*"]
    # Of an unattended run what `apply` and `watch` write of theirs, and nothing that the program writes.
    keys_of = [record_key("*"), told_key("*"), fingerprint_key("*"), size_key("*", ""), index_key("*", scheduled=False)]
    unattended = deploy.run.unattended
    repeat_families = [names.arn("ecs", f"task-definition/{again_family(str(task.family))}:*")] if unattended else []
    objects = [names.s3(path) for path in (*runs, *(keys_of if unattended else ()))]
    metrics = [names.s3(metrics_key("*"))] if unattended else []
    own_log, task_log = (
        names.arn("logs", f"log-group:{group}:log-stream:*") for group in (names.watcher_log, deploy.logs.group)
    )
    in_cluster = {"ArnEquals": {"ecs:cluster": cluster}}
    base = [
        allow("Log", ["logs:CreateLogStream", "logs:PutLogEvents"], own_log),
        allow("Explain", ["logs:DescribeLogStreams", "logs:GetLogEvents"], task_log),
        allow("Record", ["s3:GetObject", "s3:PutObject"], objects),
        *([allow("Metrics", "s3:GetObject", metrics)] if metrics else []),
        # So that S3 tells a record that isn't there from one that it may not read.
        allow(
            "List",
            ["s3:ListBucket", *(["s3:ListBucketVersions"] if deploy.run.checkpoint else [])],
            names.s3(),
            {"StringLike": {"s3:prefix": f"{RUNS}/*" if unattended else runs}},
        ),
        allow("See", ["ecs:DescribeTasks", "ecs:StopTask"], tasks, in_cluster),
        allow("Find", "ecs:ListTasks", "*", in_cluster),
        allow("Launch", "ecs:RunTask", [family, f"{family}:*", *repeat_families], in_cluster),
        allow("PassRole", "iam:PassRole", roles, passed_to("ecs-tasks")),
        allow("Tag", "ecs:TagResource", tasks, {"StringEquals": {"ecs:CreateAction": "RunTask"}}),
        allow("DeadLetters", "sqs:SendMessage", names.arn("sqs", names.dead_letters)),
    ]
    return [*base, *_checkpoints(names), *_workers(names), *_schedules(names), *_tell(names), *_key(names)]


def _checkpoints(names: Names) -> Iterator[dict[str, Any]]:
    if names.deploy.run.checkpoint:
        ids = "*" if names.deploy.run.unattended else f"{SCHEDULED}*"
        of_schedule = [names.s3(path.replace("*", ids, 1)) for path in CHECKPOINTS]
        yield allow("Checkpoints", ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectTagging"], of_schedule)


def _workers(names: Names) -> Iterator[dict[str, Any]]:
    if names.deploy.run.workers:
        yield allow("Workers", "ecs:DescribeTaskDefinition", "*")
        yield allow("Certificates", "ssm:DeleteParameter", certificates(names))


def _schedules(names: Names) -> Iterator[dict[str, Any]]:
    """Those with which it is called after a pause and now and then, and those that stop tasks at their deadline."""
    ids = "" if names.deploy.run.unattended else SCHEDULED
    schedules = names.arn("scheduler", f"schedule/default/{schedule_prefix(names.deploy.name)}{ids}*")
    roles, verbs = [names.schedule_role], ["Create", "Delete"]
    if names.deploy.run.limited:
        roles, verbs = [*roles, names.stop_role], ["Create", "Update", "Delete"]
    yield allow("Schedules", [f"scheduler:{verb}Schedule" for verb in verbs], schedules)
    passed = [names.iam(f"role/{role}") for role in roles]
    yield allow("PassToScheduler", "iam:PassRole", passed, passed_to("scheduler"))


def _tell(names: Names) -> Iterator[dict[str, Any]]:
    notify = names.deploy.notify
    if notify and notify.subscriptions:
        yield allow("Tell", "sns:Publish", names.topic)
    if source := webhook(names.deploy):
        action = "ssm:GetParameter" if ":ssm:" in source else "secretsmanager:GetSecretValue"
        yield allow("Webhook", action, source)


def _key(names: Names) -> Iterator[dict[str, Any]]:
    region, key = names.deploy.region, names.deploy.data.bucket.kms_key
    if key:
        yield keys.use(key, keys.WRITE, keys.through("s3", region))
    if key := webhook_key(names.deploy):
        service = "ssm" if ":ssm:" in webhook(names.deploy) else "secretsmanager"
        yield keys.use(key, [keys.DECRYPT], keys.through(service, region), "WebhookKey")
