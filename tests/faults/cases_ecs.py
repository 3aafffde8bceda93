"""Fault cases: ECS. Data only."""

from tests.faults.case import EVER, Case, error, lose

PASSROLE = (
    "User: arn:aws:iam::123456789012:user/me is not authorized to perform: iam:PassRole on resource: "
    "arn:aws:iam::123456789012:role/demo-task-role"
)
NOT_ASSUMABLE = "Unable to assume the service linked role. Please verify that the ECS service linked role exists."
NOT_VALID = "Role is not valid"
CONCURRENT = "Too many concurrent attempts to create a new revision of the specified family."
PROVISIONING = (
    '{"clusters": [{"clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/demo", "clusterName": "demo",'
    ' "status": "PROVISIONING"}], "failures": []}'
)

ECS = (
    Case(
        "the account's first cluster",
        ("cluster",),
        (error("ecs", "CreateCluster", "InvalidParameterException", NOT_ASSUMABLE),),
        wait=(1, 30),
    ),
    Case(
        "a cluster is made slowly",
        ("cluster",),
        (
            {
                "service": "ecs",
                "op": "DescribeClusters",
                "do": "answer",
                "body": PROVISIONING,
                "skip": 2,
                "times": 4,
                "type": "application/x-amz-json-1.1",
            },
        ),
        calls={"CreateCluster": 1},
    ),
    Case(
        "a created cluster's answer is lost", ("cluster",), (lose("ecs", "CreateCluster"),), calls={"CreateCluster": 1}
    ),
    Case(
        "a cluster isn't active yet",
        ("cluster",),
        act="change",
        rules=(error("ecs", "PutClusterCapacityProviders", "ClientException", "Cluster was not ACTIVE", 6),),
    ),
    Case(
        "a cluster is in use",
        ("cluster",),
        act="change",
        rules=(error("ecs", "PutClusterCapacityProviders", "ResourceInUseException"),),
    ),
    Case(
        "a cluster is being updated",
        ("cluster",),
        act="change",
        rules=(error("ecs", "PutClusterCapacityProviders", "UpdateInProgressException"),),
    ),
    Case(
        "a cluster has tasks for a while",
        ("cluster",),
        act="destroy",
        rules=(error("ecs", "DeleteCluster", "ClusterContainsTasksException", times=8),),
        wait=(10, 60),
    ),
    Case(
        "a cluster's update ends late",
        ("cluster",),
        act="destroy",
        rules=(error("ecs", "DeleteCluster", "UpdateInProgressException"),),
    ),
    Case(
        "a new role isn't valid yet",
        ("task-definition",),
        (error("ecs", "RegisterTaskDefinition", "ClientException", NOT_VALID, 4),),
        wait=(1, 60),
    ),
    Case(
        "an old role isn't valid",
        ("task-definition",),
        act="change",
        rules=(error("ecs", "RegisterTaskDefinition", "ClientException", NOT_VALID, EVER),),
        fails="Role is not valid",
        calls={"RegisterTaskDefinition": 1},
        wait=(0, 0),
    ),
    Case(
        "a new role can't be passed yet",
        ("task-definition",),
        (error("ecs", "RegisterTaskDefinition", "AccessDeniedException", PASSROLE),),
        wait=(1, 60),
    ),
    Case(
        "a role may not be passed",
        ("task-definition",),
        act="change",
        rules=(error("ecs", "RegisterTaskDefinition", "AccessDeniedException", PASSROLE, EVER),),
        fails="allow iam:PassRole on arn:aws:iam::123456789012:role/demo-task-role",
        wait=(0, 0),
    ),
    Case(
        "two register at once",
        ("task-definition",),
        (error("ecs", "RegisterTaskDefinition", "ClientException", CONCURRENT),),
        wait=(0.1, 30),
    ),
    Case(
        "a registration's answer is lost",
        ("task-definition",),
        (lose("ecs", "RegisterTaskDefinition"),),
        calls={"RegisterTaskDefinition": 1},
    ),
    Case(
        "a size that Fargate lacks",
        ("task-definition",),
        (
            error(
                "ecs",
                "RegisterTaskDefinition",
                "ClientException",
                "No Fargate configuration exists for given values.",
                EVER,
            ),
        ),
        fails="No Fargate configuration",
        calls={"RegisterTaskDefinition": 1},
        wait=(0, 0),
    ),
    Case("ECS throttles", ("cluster",), (error("ecs", "*", "ThrottlingException", "Rate exceeded", 8),)),
)
