"""What left the file: shown as a deletion, deleted with --prune, and nothing of it stays."""

from __future__ import annotations

from tests.engine.project import Project


def test_a_users_secret_goes_with_it(project: Project) -> None:
    project.change("ci: {user: {}}", "ci: {user: {access_keys: 1}}")
    project.ok("apply")
    ssm = project.lab.client("ssm")
    secret = "/reconciler/tiny/users/tiny-ci/access-key"
    assert ssm.get_parameters(Names=[secret])["Parameters"]
    project.change("ci: {user: {access_keys: 1}}", "")
    project.ok("apply", "--prune")
    assert ssm.get_parameters(Names=[secret])["Parameters"] == []


def test_a_security_group_of_the_same_name_in_another_vpc_is_another_deploys(project: Project) -> None:
    """What left the file is looked up by its name alone, which another deploy's group has too."""
    ec2 = project.lab.client("ec2")
    project.ok("apply")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    theirs = [{"ResourceType": "security-group", "Tags": [{"Key": "reconciler:deploy", "Value": "another"}]}]
    other = ec2.create_security_group(GroupName="tiny", Description="-", VpcId=vpc, TagSpecifications=theirs)["GroupId"]
    ours = {
        group["GroupId"] for group in ec2.describe_security_groups()["SecurityGroups"] if group["GroupName"] == "tiny"
    }
    project.change("run:", "network: {security_group: {name: renamed}}\nrun:")
    assert project.todo("--prune")["security-group.tiny"] == "delete"
    project.ok("apply", "--prune")
    left = {group["GroupId"] for group in ec2.describe_security_groups()["SecurityGroups"]}
    assert left & ours == {other}
