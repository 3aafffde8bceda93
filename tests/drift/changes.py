"""What others do to the guide's deployment, each through the AWS API. `cases` says what the plan has to show of it."""

from __future__ import annotations

import json
from typing import Any

from tests.lab_client import ACCOUNT, REGION, LabHandle

P = "aig130-p2"
TASK_ROLE, EXECUTION_ROLE, CI_ROLE = f"{P}-ecs-task-role", f"{P}-ecs-task-execution-role", f"{P}-github-actions"
POLICY, CI_POLICY, USER = f"{P}-s3-access-policy", f"{P}-github-actions-policy", f"{P}-ci"
BUCKET, KEY = f"{P}-ml-data-bucket", "data/btc_1h_data_2018_to_2025.csv"
REPOSITORY, GROUP, CLUSTER = f"{P}-ml-pipeline-ecr", f"{P}-ml-sg", f"{P}-ml-cluster"
FAMILY, LOGS = f"{P}-ml-task", f"/ecs/{P}-ml-task"
ETA, SERVICE = f"/{P}/ETA", f"{P}-ml-service"
SECTIONS = {"parameters": {"ETA": 0.1}, "service": {"name": SERVICE, "desired_count": 0}}
OIDC = "token.actions.githubusercontent.com"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
OWNER = "reconciler:deploy"
THEM = "210987654321"  # another account
THEIR_ID = "a" * 64  # as S3 knows it


def arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:{name}"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]}
    )


def everything() -> str:
    return document({"Action": "*", "Resource": "*"})


def trust(principal: dict[str, Any], action: str = "sts:AssumeRole", **more: Any) -> str:
    return document({"Principal": principal, "Action": action, **more})


def github(**conditions: Any) -> str:
    federated = {"Federated": arn(f"oidc-provider/{OIDC}")}
    return trust(federated, "sts:AssumeRoleWithWebIdentity", Condition=conditions)


def default_version(lab: LabHandle, text: str) -> None:
    iam, policy = lab.client("iam"), arn(f"policy/{POLICY}")
    versions = iam.list_policy_versions(PolicyArn=policy)["Versions"]
    if len(versions) == 5:
        spare = next(version for version in versions if not version["IsDefaultVersion"])
        iam.delete_policy_version(PolicyArn=policy, VersionId=spare["VersionId"])
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=text, SetAsDefault=True)


def version_of(lab: LabHandle) -> dict[str, Any]:
    iam, policy = lab.client("iam"), arn(f"policy/{POLICY}")
    version = iam.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"]
    policy_document = iam.get_policy_version(PolicyArn=policy, VersionId=version)["PolicyVersion"]["Document"]
    return dict(policy_document)


def change_statement(lab: LabHandle, sid: str, **parts: Any) -> None:
    policy_document = version_of(lab)
    for statement in policy_document["Statement"]:
        if statement["Sid"] == sid:
            statement.update(parts)
    default_version(lab, json.dumps(policy_document))


def drop_condition(lab: LabHandle) -> None:
    policy_document = version_of(lab)
    for statement in policy_document["Statement"]:
        statement.pop("Condition", None)
    default_version(lab, json.dumps(policy_document))


def delete_role(lab: LabHandle, name: str) -> None:
    iam = lab.client("iam")
    for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=name, PolicyArn=attached["PolicyArn"])
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def delete_policy(lab: LabHandle) -> None:
    iam, policy = lab.client("iam"), arn(f"policy/{POLICY}")
    iam.detach_role_policy(RoleName=TASK_ROLE, PolicyArn=policy)
    for version in iam.list_policy_versions(PolicyArn=policy)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=policy, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=policy)


def other_path_of_policy(lab: LabHandle) -> None:
    """Deleted, and made again with all that it had, but elsewhere, and given to the role again."""
    iam, text = lab.client("iam"), json.dumps(version_of(lab))
    tags = iam.list_policy_tags(PolicyArn=arn(f"policy/{POLICY}"))["Tags"]
    delete_policy(lab)
    made = iam.create_policy(PolicyName=POLICY, Path="/theirs/", PolicyDocument=text, Tags=tags)["Policy"]
    iam.attach_role_policy(RoleName=TASK_ROLE, PolicyArn=made["Arn"])


def keys(lab: LabHandle) -> list[str]:
    return [key["AccessKeyId"] for key in lab.client("iam").list_access_keys(UserName=USER)["AccessKeyMetadata"]]


def group_with_admin(lab: LabHandle) -> None:
    iam = lab.client("iam")
    iam.create_group(GroupName="admins")
    iam.attach_group_policy(GroupName="admins", PolicyArn=ADMIN)
    iam.add_user_to_group(GroupName="admins", UserName=USER)


def group_with_inline_policy(lab: LabHandle) -> None:
    iam = lab.client("iam")
    iam.create_group(GroupName="writers")
    iam.put_group_policy(GroupName="writers", PolicyName="more", PolicyDocument=everything())
    iam.add_user_to_group(GroupName="writers", UserName=USER)


def other_path_of_role(lab: LabHandle) -> None:
    """Deleted, and made again with all that it had, but elsewhere."""
    iam = lab.client("iam")
    live = iam.get_role(RoleName=CI_ROLE)["Role"]
    attached = iam.list_attached_role_policies(RoleName=CI_ROLE)["AttachedPolicies"]
    delete_role(lab, CI_ROLE)
    trusted = json.dumps(live["AssumeRolePolicyDocument"])
    iam.create_role(RoleName=CI_ROLE, Path="/theirs/", AssumeRolePolicyDocument=trusted, Tags=live["Tags"])
    for attached_policy in attached:
        iam.attach_role_policy(RoleName=CI_ROLE, PolicyArn=attached_policy["PolicyArn"])


def other_path_of_user(lab: LabHandle) -> None:
    lab.client("iam").update_user(UserName=USER, NewPath="/theirs/")


def delete_user(lab: LabHandle) -> None:
    iam = lab.client("iam")
    for key in keys(lab):
        iam.delete_access_key(UserName=USER, AccessKeyId=key)
    for attached in iam.list_attached_user_policies(UserName=USER)["AttachedPolicies"]:
        iam.detach_user_policy(UserName=USER, PolicyArn=attached["PolicyArn"])
    iam.delete_user(UserName=USER)


def public_bucket(lab: LabHandle) -> None:
    s3 = lab.client("s3")
    s3.delete_public_access_block(Bucket=BUCKET)
    everybody = {"Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    s3.put_bucket_policy(Bucket=BUCKET, Policy=document(everybody))


def unblock(lab: LabHandle) -> None:
    client = lab.client("s3")
    there = client.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]
    there["Rules"][0]["BlockedEncryptionTypes"] = {"EncryptionType": ["NONE"]}
    client.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration=there)


def encrypt(lab: LabHandle) -> None:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    lab.client("s3").put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]})


def lifecycle(lab: LabHandle) -> None:
    rule = {"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    lab.client("s3").put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})


def group_id(lab: LabHandle) -> str:
    filters = [{"Name": "group-name", "Values": [GROUP]}]
    return str(lab.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"][0]["GroupId"])


def rule(lab: LabHandle, operation: str, **places: Any) -> None:
    permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **places}
    getattr(lab.client("ec2"), operation)(GroupId=group_id(lab), IpPermissions=[permission])


def no_egress(lab: LabHandle) -> None:
    everywhere = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    lab.client("ec2").revoke_security_group_egress(GroupId=group_id(lab), IpPermissions=[everywhere])


def public_repository(lab: LabHandle) -> None:
    text = document({"Principal": "*", "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]})
    lab.client("ecr").set_repository_policy(repositoryName=REPOSITORY, policyText=text)


def delete_images(lab: LabHandle) -> None:
    ecr = lab.client("ecr")
    images = ecr.describe_images(repositoryName=REPOSITORY)["imageDetails"]
    ecr.batch_delete_image(
        repositoryName=REPOSITORY, imageIds=[{"imageDigest": image["imageDigest"]} for image in images]
    )


def move_latest(lab: LabHandle) -> None:
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": {"size": 1}}
    lab.client("ecr").put_image(repositoryName=REPOSITORY, imageManifest=json.dumps(manifest), imageTag="latest")


def register(lab: LabHandle, **parts: Any) -> None:
    """The next revision, made from the last one as one does by hand: without its tags."""
    ecs = lab.client("ecs")
    definition = ecs.describe_task_definition(taskDefinition=FAMILY)["taskDefinition"]
    keep = (
        "family", "cpu", "memory", "networkMode", "requiresCompatibilities", "executionRoleArn", "taskRoleArn",
        "containerDefinitions",
    )  # fmt: skip
    ecs.register_task_definition(**{key: definition[key] for key in keep if key in definition} | parts)


def container(lab: LabHandle, **parts: Any) -> list[dict[str, Any]]:
    containers = lab.client("ecs").describe_task_definition(taskDefinition=FAMILY)["taskDefinition"][
        "containerDefinitions"
    ]
    return [{**containers[0], **parts}]


def deregister(lab: LabHandle) -> None:
    ecs = lab.client("ecs")
    for definition_arn in ecs.list_task_definitions(familyPrefix=FAMILY)["taskDefinitionArns"]:
        ecs.deregister_task_definition(taskDefinition=definition_arn)


def revision(lab: LabHandle) -> str:
    return str(lab.client("ecs").describe_task_definition(taskDefinition=FAMILY)["taskDefinition"]["taskDefinitionArn"])


def providers(lab: LabHandle, names: list[str], **strategy: Any) -> None:
    lab.client("ecs").put_cluster_capacity_providers(
        cluster=CLUSTER, capacityProviders=names, defaultCapacityProviderStrategy=[strategy]
    )


def service(lab: LabHandle, **parts: Any) -> None:
    lab.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, **parts)


def delete_service(lab: LabHandle) -> None:
    lab.client("ecs").delete_service(cluster=CLUSTER, service=SERVICE, force=True)


def delete_cluster(lab: LabHandle) -> None:
    delete_service(lab)
    lab.client("ecs").delete_cluster(cluster=CLUSTER)


def other_network(lab: LabHandle) -> None:
    group = lab.client("ec2").describe_security_groups(Filters=[{"Name": "group-name", "Values": ["default"]}])
    subnet = lab.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    there = {
        "subnets": [subnet],
        "securityGroups": [group["SecurityGroups"][0]["GroupId"]],
        "assignPublicIp": "ENABLED",
    }
    service(lab, networkConfiguration={"awsvpcConfiguration": there})


def objects_with_acls(lab: LabHandle, ownership: str = "ObjectWriter") -> None:
    """ACLs count again, and another account has one on the data."""
    s3 = lab.client("s3")
    s3.put_bucket_ownership_controls(Bucket=BUCKET, OwnershipControls={"Rules": [{"ObjectOwnership": ownership}]})
    s3.put_object_acl(Bucket=BUCKET, Key=KEY, GrantRead=f'id="{THEIR_ID}"')


def public_acl(lab: LabHandle) -> None:
    objects_with_acls(lab, "BucketOwnerPreferred")
    lab.client("s3").put_bucket_acl(Bucket=BUCKET, ACL="public-read")


def replicate(lab: LabHandle) -> None:
    rule = {
        "Status": "Enabled", "Priority": 1, "Filter": {}, "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": "arn:aws:s3:::theirs", "Account": THEM},
    }  # fmt: skip
    configuration = {"Role": arn("role/copies"), "Rules": [rule]}
    lab.client("s3").put_bucket_replication(Bucket=BUCKET, ReplicationConfiguration=configuration)


def notify(lab: LabHandle, **places: Any) -> None:
    lab.client("s3").put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=places)


def told(key: str, there: str) -> list[dict[str, Any]]:
    return [{key: there, "Events": ["s3:ObjectRemoved:*"]}]


def ship_lines(lab: LabHandle) -> None:
    lab.client("kinesis").create_stream(StreamName="theirs", ShardCount=1)
    lab.client("logs").put_subscription_filter(
        logGroupName=LOGS, filterName="every line", filterPattern="",
        destinationArn=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/theirs",
    )  # fmt: skip
