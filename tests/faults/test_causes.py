"""The cause that AWS names, or that can be looked up, is said: while it is waited for, and in the end."""

from __future__ import annotations

import pytest

from reconciler.aws.errors import Fault
from reconciler.aws.failures import answered
from reconciler.core.errors import UserError
from reconciler.core.graph import Graph, Node
from reconciler.core.plan import make_plan
from reconciler.core.spec import OWNER_TAG
from reconciler.kinds import PolicySpec, SecurityGroupSpec
from reconciler.kinds.iam_policy import Policy
from tests.faults.case import error
from tests.faults.small import Small
from tests.kinds.sample import document
from tests.lab_client import LabHandle

NOBODY = "arn:aws:iam::123456789012:role/nobody"
IN_POLICY = "Invalid principal in policy"
# service, operation, error, headers, what the rule says, what the hint begins with
NAMED = [
    ("iam", "CreateRole", {"Code": "MalformedPolicyDocument", "Message": f'{IN_POLICY}: "AWS":"{NOBODY}"'}, {},
     Fault.NOT_YET, f"AWS knows no principal {NOBODY}: is it there, and spelt right?; does the principal"),
    ("iam", "UpdateAssumeRolePolicy", {"Code": "MalformedPolicyDocument", "Message": f'{IN_POLICY}: "AWS":"AIDAX"'}, {},
     Fault.NOT_YET, "AWS knows no principal AIDAX:"),
    # A service that AWS doesn't have never comes.
    ("iam", "CreateRole", {"Code": "MalformedPolicyDocument", "Message": f'{IN_POLICY}: "SERVICE":"x.amazonaws.com"'},
     {}, Fault.OTHER, "AWS knows no principal x.amazonaws.com:"),
    ("iam", "CreateRole", {"Code": "MalformedPolicyDocument", "Message": IN_POLICY}, {},
     Fault.NOT_YET, "does the principal that the policy names exist?"),
    ("iam", "CreateRole", {"Code": "MalformedPolicyDocument", "Message": 'Syntax error at "AWS":"x"'}, {},
     Fault.OTHER, "AWS's message says why"),
    ("s3", "PutBucketPolicy", {"Code": "MalformedPolicy", "Message": IN_POLICY, "Detail": f'"AWS" : "{NOBODY}"'}, {},
     Fault.NOT_YET, f"AWS knows no principal {NOBODY}:"),
    ("s3", "HeadBucket", {"Code": "301", "Message": "Moved Permanently"}, {"x-amz-bucket-region": "eu-west-1"},
     Fault.OTHER, "S3 says that the bucket is in eu-west-1; the bucket is in another region"),
    ("s3", "CreateBucket", {"Code": "IllegalLocationConstraintException", "Message": "incompatible"},
     {"x-amz-bucket-region": "eu-west-1"}, Fault.OTHER, "S3 says that the bucket is in eu-west-1"),
    ("s3", "GetObject", {"Code": "NoSuchKey", "Message": ""}, {"x-amz-bucket-region": "eu-west-1"},
     Fault.GONE, "AWS's message says why"),
    ("s3", "CreateBucket", {"Code": "OperationAborted", "Message": "conflict"}, {},
     Fault.NOT_YET, "a bucket of this name is still being deleted"),
]  # fmt: skip


@pytest.mark.parametrize(("service", "operation", "problem", "headers", "fault", "begins"), NAMED)
def test_what_aws_names_is_in_the_hint(
    service: str, operation: str, problem: dict[str, str], headers: dict[str, str], fault: Fault, begins: str
) -> None:
    response = {"Error": problem, "ResponseMetadata": {"HTTPHeaders": headers, "HTTPStatusCode": 400}}
    failure = answered(service, operation, response, fresh=False)
    assert failure.rule.fault is fault
    assert failure.error.hint.startswith(begins)


def group(lab: LabHandle) -> Small:
    vpc = lab.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    return Small(lab, [Node(SecurityGroupSpec(name="demo", description="d", vpc=vpc, tags={OWNER_TAG: "demo"}))])


def test_the_interface_that_holds_a_group_is_named(lab: LabHandle) -> None:
    world, ec2 = group(lab), lab.client("ec2")
    assert world.apply().ok
    (security_group,) = ec2.describe_security_groups(GroupNames=["demo"])["SecurityGroups"]
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    made = ec2.create_network_interface(
        SubnetId=subnet, Groups=[security_group["GroupId"]], Description="their machine"
    )
    other = ec2.create_security_group(GroupName="theirs", Description="d", VpcId=security_group["VpcId"])["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[
        {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": security_group["GroupId"]}]}])  # fmt: skip
    outcome = world.destroy()
    ((_, failed),) = outcome.failed
    interface = made["NetworkInterface"]["NetworkInterfaceId"]
    assert failed.hint.startswith(f"network interface {interface} (their machine")
    assert f"a rule of group {other} (theirs) names it: end that, then run the command again" in failed.hint
    # And while it is waited for it is said what for.
    assert "a task or network interface still has the group" in str(world.waits[0])
    ec2.delete_network_interface(NetworkInterfaceId=interface)
    assert world.destroy().ok


def test_a_policy_of_its_name_under_another_path_is_named(lab: LabHandle) -> None:
    text = document().text()
    arn = lab.client("iam").create_policy(PolicyName="demo", Path="/theirs/", PolicyDocument=text)["Policy"]["Arn"]
    with pytest.raises(UserError, match=f"under another path.*{arn}"):
        Policy().create(lab.aws(), PolicySpec(name="demo", document=document()))


@pytest.mark.parametrize(
    ("denied", "asked"), [((), 0), (("GetAccountAuthorizationDetails",), 1), (("ListPolicies", "ListRoles"), 0)]
)
def test_it_is_seen_before_anything_is_made(denied: tuple[str, ...], asked: int, lab: LabHandle) -> None:
    """By the account's details, or by one list for all policies."""
    iam, want = lab.client("iam"), PolicySpec(name="demo", document=document())
    arn = iam.create_policy(PolicyName="demo", Path="/theirs/", PolicyDocument=document().text())["Policy"]["Arn"]
    lab.rules(*(error("iam", op, "AccessDenied", times=-1, status=403) for op in denied))
    aws = lab.aws()
    lab.zero()
    with aws.shared:
        seen = Policy().observe(aws, [want, PolicySpec(name="other")])
    assert len(lab.log(op="ListPolicies")) == asked
    assert {name: (observed.spec.path, observed.attributes["arn"]) for name, observed in seen.items()} == {
        "demo": ("/theirs/", arn)
    }
    (step,) = make_plan("demo", Graph((Node(want),)), {want.address: seen["demo"]}).steps
    assert step.held == "path can't change, and what isn't ours isn't replaced: use another name"


def test_it_is_said_while_it_is_waited_for(lab: LabHandle) -> None:
    world = group(lab)
    lab.rules(error("ec2", "CreateSecurityGroup", "RequestLimitExceeded", times=1, status=503))
    assert world.apply().ok
    assert "RequestLimitExceeded)" in str(world.waits[0])  # nothing is made up where nothing is known
