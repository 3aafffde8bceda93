"""`verify` on an account in which one thing after another is spoiled: each is seen, and its fix puts it right."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.checks.verify.network import endpoints_needed
from reconciler.checks.verify.resources import vcpus
from reconciler.config import Deploy, load
from reconciler.config.resource_names import Facts, Names
from tests.cli.test_json import holds
from tests.engine.project import Project, use
from tests.faults.case import error
from tests.golden import golden
from tests.lab_client import ACCOUNT, LabHandle

GOLDEN = Path(__file__).with_name("golden")
HOOK = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/tiny/token"
FILE = {
    "name": "tiny",
    "data": "prices.csv",
    "image": ".",
    "task": {"cpu": 256, "memory": 512, "secrets": {"TOKEN": HOOK}},
    "run": {"when": "never"},
}
BUCKET, ROLES = f"tiny-data-{ACCOUNT}", ("tiny-task-execution-role", "tiny-task-role")
Break = Callable[[LabHandle], object]


def tidy(text: str) -> str:
    """Without what is another each time."""
    for pattern, put in (
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"), (r"subnet-[0-9a-f]+", "subnet-N"), (r"igw-[0-9a-f]+", "igw-N"),
        (r"sha256:[0-9a-f]+", "sha256:DIGEST"),
    ):  # fmt: skip
        text = re.sub(pattern, put, text)
    subnet = r"  (?:OK|NG)    subnet-N .*\n(?:        fix: .*\n)?"  # the first stands for all of them
    return re.sub(rf"({subnet})(?:{subnet})*", lambda match: re.sub(r"us-east-1\w", "us-east-1…", match[1]), text)


def same(name: str, text: str) -> None:
    """The text is that of a golden file."""
    golden(GOLDEN / f"{name}.txt", text)


def no_images(lab: LabHandle) -> None:
    ecr = lab.client("ecr")
    ids = ecr.list_images(repositoryName="tiny")["imageIds"]
    ecr.batch_delete_image(repositoryName="tiny", imageIds=[{"imageDigest": image["imageDigest"]} for image in ids])


def no_secrets_policy(lab: LabHandle) -> None:
    lab.client("iam").delete_role_policy(RoleName=ROLES[0], PolicyName="secrets")


def other_trust(lab: LabHandle) -> None:
    trust = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},'
    lab.client("iam").update_assume_role_policy(
        RoleName=ROLES[1], PolicyDocument=trust + '"Action":"sts:AssumeRole"}]}'
    )


def smaller_task(lab: LabHandle) -> None:
    ecs = lab.client("ecs")
    known = ecs.describe_task_definition(taskDefinition="tiny")["taskDefinition"]
    keys = ("family", "networkMode", "requiresCompatibilities", "containerDefinitions", "taskRoleArn")
    more = {"cpu": "512", "memory": "1024", "executionRoleArn": known["taskRoleArn"]}
    ecs.register_task_definition(**{key: known[key] for key in keys}, **more)


def no_revision(lab: LabHandle) -> None:
    ecs = lab.client("ecs")
    for arn in ecs.list_task_definitions(familyPrefix="tiny", status="ACTIVE")["taskDefinitionArns"]:
        ecs.deregister_task_definition(taskDefinition=arn)


def no_egress(lab: LabHandle) -> None:
    ec2 = lab.client("ec2")
    group = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["tiny"]}])["SecurityGroups"][0]
    ec2.revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=group["IpPermissionsEgress"])


# What somebody does, which `apply` puts right.
OURS: dict[str, Break] = {
    "the images are deleted": no_images,
    "the execution role loses its policy": lambda lab: lab.client("iam").delete_role_policy(
        RoleName=ROLES[0], PolicyName="start"
    ),
    "the execution role may not read the secret": no_secrets_policy,
    "the task role trusts EC2": other_trust,
    "the task role loses its policy": lambda lab: lab.client("iam").detach_role_policy(
        RoleName=ROLES[1], PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/tiny-task-policy"
    ),
    "the data is deleted": lambda lab: lab.client("s3").delete_object(Bucket=BUCKET, Key="data/prices.csv"),
    "the data is replaced": lambda lab: lab.client("s3").put_object(Bucket=BUCKET, Key="data/prices.csv", Body=b"x"),
    "the log group is deleted": lambda lab: lab.client("logs").delete_log_group(logGroupName="/ecs/tiny"),
    "another revision is registered": smaller_task,
    "the task definition is deregistered": no_revision,
    "the cluster is deleted": lambda lab: lab.client("ecs").delete_cluster(cluster="tiny"),
    "the security group lets nothing out": no_egress,
}


# At once, so that it doesn't take long: those that don't hide each other.
HIDES = "the task definition is deregistered"
REST = [name for name in OURS if name != HIDES]
ROUNDS = [REST[::2], REST[1::2], [HIDES]]


def quota(value: float) -> dict[str, object]:
    """Service Quotas' answer."""
    body = f'{{"Quota": {{"Value": {value}}}}}'
    rule = {"service": "servicequotas", "op": "GetServiceQuota", "do": "answer", "body": body, "times": -1}
    return {**rule, "type": "application/x-amz-json-1.1"}


@pytest.mark.parametrize(
    ("run", "needs"),
    [
        ("{}", {"FARGATE": 0.25}),
        ("{sweep: {grid: {A: [1, 2, 3]}, max_parallel: 2}, capacity: FARGATE_SPOT}", {"FARGATE_SPOT": 0.5}),
        ("{workers: {count: 4}}", {"FARGATE": 1.25}),
        ("{workers: {count: 4, cpu: 4 vCPU, memory: 16GB}}", {"FARGATE": 16.25}),
        ("{workers: {count: 4, capacity: [FARGATE_SPOT, FARGATE]}}", {"FARGATE": 1.25, "FARGATE_SPOT": 1.0}),
        ("{capacity: my-gpus, workers: {count: 4}}", {"my-gpus": 0.25, "FARGATE": 1.0}),
    ],
)
def test_how_many_vcpus_a_run_needs(run: str, needs: dict[str, float], tmp_path: Path) -> None:
    text = f"name: tiny\nimage: {{uri: x}}\ntask: {{cpu: 256, memory: 512}}\nrun: {run}\n"
    (tmp_path / "deploy.yaml").write_text(text)
    assert vcpus(load(tmp_path / "deploy.yaml", environ={}, files=False)) == needs


SIMULATED = {"service": "iam", "op": "SimulatePrincipalPolicy", "do": "deny", "actions": ["s3:GetObject"], "times": -1}
# What AWS answers; the second is whether it is a fault.
ANSWERS: dict[str, tuple[dict[str, Any], ...]] = {
    "the quota is too small": (quota(0.125),),
    "IAM's simulator says no": (SIMULATED,),
    "what may not be read is skipped": (
        error("ec2", "DescribeRouteTables", "UnauthorizedOperation", times=-1, status=403),
        error("ssm", "DescribeParameters", "AccessDeniedException", times=-1),
        error("servicequotas", "GetServiceQuota", "AccessDeniedException", times=-1),
    ),
}


@pytest.fixture
def project(lab: LabHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    new_project = use(lab, tmp_path, monkeypatch)
    monkeypatch.setenv("RECONCILER_LOCAL_ENGINE", "process")
    new_project.write("deploy.yaml", yaml.safe_dump(FILE))
    new_project.write("prices.csv", "a,b\n1,2\n")
    new_project.write("Dockerfile", 'FROM scratch\nCOPY main.py .\nCMD ["python", "main.py"]\n')
    new_project.write("main.py", "print('hello')\n")
    monkeypatch.setenv("RECONCILER_LOCAL_HOME", str(lab.home))
    lab.client("ssm").put_parameter(Name="/tiny/token", Value="hush", Type="SecureString")
    return new_project


def wrong(text: str, *states: str) -> str:
    """The lines that aren't OK, with their fixes."""
    lines = text.splitlines(keepends=True)
    kept = [i for i, line in enumerate(lines) if re.match(rf" +({'|'.join(states)}) ", line)]
    return "".join(lines[i] + (lines[i + 1] if " fix: " in "".join(lines[i + 1 : i + 2]) else "") for i in kept)


def test_verify(project: Project, lab: LabHandle) -> None:
    nothing = project.run("verify", "--local")
    assert nothing.code == 1
    same("nothing", tidy(nothing.out))
    project.ok("apply", "--local", "--skip-run")
    before = lab.log()
    good = project.ok("verify", "--local")
    same("good", tidy(good.out))
    reads = ("Get", "List", "Describe", "Head", "BatchGet", "Simulate")
    assert all(row["op"].startswith(reads) for row in lab.log()[len(before) :])
    assert "hush" not in good.out
    holds("verify", project.ok("verify", "--local", "--json").out)
    assert project.ok("verify", "--local", "--quiet").out == ""

    seen = []
    for names in ROUNDS:
        for name in names:
            OURS[name](lab)
        ended = project.run("verify", "--local")
        assert ended.code == 1, names
        seen.append(f"# {'; '.join(names)}\n{wrong(tidy(ended.out), 'NG')}")
        project.ok("apply", "--local", "--skip-run")
        assert project.run("verify", "--local").code == 0, names
    for name, rules in ANSWERS.items():
        lab.rules(*rules)
        ended = project.run("verify", "--local")
        seen.append(f"# {name}\n{wrong(tidy(ended.out), 'NG', 'SKIP')}")
        assert ended.code == ("skipped" not in name)
        lab.rules()
    lab.client("ssm").delete_parameter(Name="/tiny/token")
    seen.append(f"# the secret is deleted\n{wrong(tidy(project.run('verify', '--local').out), 'NG')}")
    same("faults", "\n".join(seen))


class Place:
    """A VPC of its own with one subnet, and what `verify` says of that."""

    def __init__(self, project: Project, lab: LabHandle, block: int) -> None:
        self.project, self.ec2 = project, lab.client("ec2")
        self.vpc = self.ec2.create_vpc(CidrBlock=f"10.{block}.0.0/16")["Vpc"]["VpcId"]
        self.subnet = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.{block}.0.0/24")["Subnet"]["SubnetId"]
        self.table = self.ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        self.ec2.associate_route_table(RouteTableId=self.table, SubnetId=self.subnet)

    def lead(self, **target: str) -> None:
        """Make the route to everywhere."""
        self.ec2.create_route(RouteTableId=self.table, DestinationCidrBlock="0.0.0.0/0", **target)

    def look(self, public_ip: bool = False, **more: Any) -> str:
        """What is said. more: sections of the file."""
        network = {"vpc": self.vpc, "subnets": [self.subnet], "public_ip": public_ip}
        self.project.write("deploy.yaml", yaml.safe_dump({**FILE, "network": network, **more}))
        shown = self.project.run("verify", "--local").out
        return next(line for line in shown.splitlines() if self.subnet in line).partition("): ")[2]


def test_the_ways_out_of_a_subnet(project: Project, lab: LabHandle) -> None:
    place = Place(project, lab, 1)
    assert place.look() == "no route out, and no VPC endpoint for ecr.api, ecr.dkr, logs, ssm, s3"
    name = "com.amazonaws.us-east-1"
    place.ec2.create_vpc_endpoint(VpcId=place.vpc, ServiceName=f"{name}.s3", RouteTableIds=[place.table])
    assert place.look() == "no route out, and no VPC endpoint for ecr.api, ecr.dkr, logs, ssm"
    for service in ("ecr.api", "ecr.dkr", "logs", "ssm"):
        place.ec2.create_vpc_endpoint(
            VpcId=place.vpc, ServiceName=f"{name}.{service}", VpcEndpointType="Interface", SubnetIds=[place.subnet]
        )
    assert place.look() == "through VPC endpoints"

    place = Place(project, lab, 2)
    address = place.ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = place.ec2.create_nat_gateway(SubnetId=place.subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
    place.lead(NatGatewayId=nat)
    assert place.look() == f"through {nat}"

    place = Place(project, lab, 3)
    gateway = place.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    place.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=place.vpc)
    place.lead(GatewayId=gateway)
    assert place.look() == f"{gateway} is for public addresses, and network.public_ip is false"
    assert place.look(public_ip=True) == f"through {gateway}, with a public address"
    on_instances = place.look(public_ip=True, run={"when": "never", "capacity": "own"})
    assert on_instances == f"{gateway} is for public addresses, and a task on own has none"


def test_a_secret_of_secrets_manager(project: Project, lab: LabHandle) -> None:
    arn = lab.client("secretsmanager").create_secret(Name="tiny/key", SecretString="hush")["ARN"]
    project.write("deploy.yaml", yaml.safe_dump({**FILE, "task": {"secrets": {"KEY": arn}}}))
    assert "  OK    KEY: there\n" in project.run("verify", "--local").out
    for short in (arn[:-7], f"{arn[:-7]}:user::"):
        project.write("deploy.yaml", yaml.safe_dump({**FILE, "task": {"secrets": {"KEY": short}}}))
        assert "  OK    KEY: there\n" in project.run("verify", "--local").out
    project.write("deploy.yaml", yaml.safe_dump({**FILE, "task": {"secrets": {"KEY": arn}}}))
    lab.client("secretsmanager").delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    assert f"  NG    KEY: nothing is at {arn}\n" in project.run("verify", "--local").out


COMMON = ["ecr.api", "ecr.dkr", "logs"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, [*COMMON, "s3"]),
        ({"parameters": {"ETA": "0.1"}}, [*COMMON, "ssm", "s3"]),
        ({"parameters": {"ETA": {"value": "0.1", "give_as": "environment"}}}, [*COMMON, "s3"]),
        ({"task": {"secrets": {"A": f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:a-AbCdEf"}}},
         [*COMMON, "secretsmanager", "s3"]),
        ({"run": {"exec": True}}, [*COMMON, "ssmmessages", "s3"]),
        ({"run": {"workers": {"count": 2}}}, [*COMMON, "ssm", "s3"]),
        ({"run": {"capacity": "managed"}}, [*COMMON, "ecs", "ecs-agent", "ecs-telemetry", "s3"]),
        ({"run": {"capacity": "own"}}, ["s3"]),  # the rest is reached from the instance, wherever that is
        ({"run": {"capacity": ["own", "FARGATE"]}}, [*COMMON, "ecs", "ecs-agent", "ecs-telemetry", "s3"]),
        ({"image": {"uri": "python:3.13-slim"}}, ["logs", "s3", "the registry of python:3.13-slim"]),
    ],
    ids=str,
)  # fmt: skip
def test_which_endpoints_a_task_without_a_way_out_needs(more: dict[str, Any], expected: list[str]) -> None:
    deploy = Deploy.model_validate({"name": "tiny", "image": ".", **more}).filled()
    assert endpoints_needed(Names(deploy, Facts(ACCOUNT, "aws", "vpc-1", ()))) == expected
