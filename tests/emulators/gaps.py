"""What the emulators do otherwise than AWS, and what is left out for it."""

# ruff: noqa: E501  (a table reads best in whole lines)
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from reconciler.kinds.lambda_function import HANDLER, RUNTIME, archive
from tests.emulators.deploys import Client
from tests.emulators.server import ACCOUNT, REGION
from tests.waiting import until


@dataclass(frozen=True)
class Gap:
    """emulator, operation: which. does, aws: what it does, and what AWS does. left_out: what for it isn't tried.

    sections: of a file, left out, such as `ci.user`. drifts: addresses of whose drifts, by the beginning. commands: that
    can't be tried. closed: asks the emulator whether it is as AWS now.
    """

    emulator: str
    operation: str
    does: str
    aws: str
    left_out: str
    closed: Callable[[Client], bool]
    sections: tuple[str, ...] = ()
    drifts: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


def _answers(client: Client, service: str, operation: str, *errors: str, **arguments: Any) -> bool:
    """Whether a call ends with one of these errors."""
    try:
        getattr(client(service), operation)(**arguments)
    except ClientError as answer:
        return answer.response["Error"]["Code"] in errors
    return False


def _topic_is_missing(client: Client) -> bool:
    arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:nobodys"
    return not _answers(client, "sns", "list_tags_for_resource", "ResourceNotFoundException", ResourceArn=arn)


def _takes_an_audience(client: Client) -> bool:
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/nobodys.example.com"
    return not _answers(
        client, "iam", "add_client_id_to_open_id_connect_provider", "InvalidAction", "InternalFailure",
        OpenIDConnectProviderArn=arn, ClientID="theirs",
    )  # fmt: skip


def _lists_ssh_keys(client: Client) -> bool:
    return not _answers(client, "iam", "list_ssh_public_keys", "InvalidAction", UserName="nobody")


def _a_function_gets_ready(client: Client) -> bool:
    role = f"arn:aws:iam::{ACCOUNT}:role/a-function"
    trust = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'
    client("iam").create_role(RoleName="a-function", AssumeRolePolicyDocument=trust)
    client("lambda").create_function(
        FunctionName="a-function", Role=role, Code={"ZipFile": archive()}, Runtime=RUNTIME, Handler=HANDLER
    )

    def state() -> str:
        found = str(client("lambda").get_function(FunctionName="a-function")["Configuration"]["State"])
        return "" if found == "Pending" else found

    return until(state, "an end of Pending") == "Active"


def _a_service_keeps_its_strategy(client: Client) -> bool:
    ecs = client("ecs")
    ecs.create_cluster(clusterName="a-service", capacityProviders=["FARGATE"])
    container = {"name": "main", "image": "busybox"}
    ecs.register_task_definition(
        family="a-service", cpu="256", memory="512", networkMode="awsvpc", requiresCompatibilities=["FARGATE"],
        containerDefinitions=[container],
    )  # fmt: skip
    ec2 = client("ec2")
    network = {
        "subnets": [ec2.describe_subnets()["Subnets"][0]["SubnetId"]],
        "securityGroups": [ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]],
    }
    made = ecs.create_service(
        cluster="a-service", serviceName="a-service", taskDefinition="a-service", desiredCount=0,
        capacityProviderStrategy=[{"capacityProvider": "FARGATE", "weight": 1}],
        networkConfiguration={"awsvpcConfiguration": network},
    )  # fmt: skip
    return "capacityProviderStrategy" in made["service"]


def _lists_capacity_providers(client: Client) -> bool:
    return not _answers(client, "ecs", "describe_capacity_providers", "InternalError")


GAPS = (
    Gap(
        "ministack", "sns:ListTagsForResource",
        does="for a missing topic it answers ResourceNotFoundException, the name of the shape",
        aws="it answers ResourceNotFound, the code that the service's model gives this shape",
        left_out="nothing: both are treated alike (aws/errors.py)",
        closed=_topic_is_missing,
    ),
    Gap(
        "ministack", "iam:AddClientIDToOpenIDConnectProvider",
        does="it lacks this operation, and the one that removes an audience",
        aws="an audience is added to an existing provider",
        left_out="a change of the OIDC provider's audiences",
        closed=_takes_an_audience, drifts=("oidc-provider.",),
    ),
    Gap(
        "ministack", "iam:ListSSHPublicKeys",
        does="it lacks this operation, and those that list a user's certificates and other credentials",
        aws="they are listed; a user with a key of somebody else's has more access than the file says",
        left_out="`ci.user`",
        closed=_lists_ssh_keys, sections=("ci.user",), drifts=("user.",),
    ),
    Gap(
        "localemu", "iam:AddClientIDToOpenIDConnectProvider",
        does="it answers InternalFailure: not implemented",
        aws="an audience is added to an existing provider",
        left_out="a change of the OIDC provider's audiences",
        closed=_takes_an_audience, drifts=("oidc-provider.",),
    ),
    Gap(
        "localemu", "lambda:CreateFunction",
        does="without a container engine, and the runtime's image from a registry, each function ends as Failed",
        aws="a function becomes Active",
        left_out="`schedule` with its function, rule, queue and roles",
        closed=_a_function_gets_ready, sections=("schedule",),
        drifts=("schedule.", "rule.", "function.", "queue."),
    ),
    Gap(
        "localemu", "ecs:CreateService",
        does="it drops capacityProviderStrategy and deploymentConfiguration; UpdateService keeps them",
        aws="a service has them from its creation",
        left_out="nothing: `apply` sets again what isn't shown, here after half a second instead of ten",
        closed=_a_service_keeps_its_strategy,
    ),
    Gap(
        "localemu", "ecs:DescribeCapacityProviders",
        does="without names it answers InternalError",
        aws="all providers are listed",
        left_out="`import`",
        closed=_lists_capacity_providers, commands=("import",),
    ),
)  # fmt: skip
