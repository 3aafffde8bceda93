"""Managed instances: made by the tool, through interruptions, loss and want of room, to the end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.core.managed_instances import INFRASTRUCTURE_POLICY, INSTANCE_POLICY
from reconciler.local.gpus import present
from reconciler.run.retry import Event, event_of
from tests.docs.pages import ROOT, blocks
from tests.run.conftest import Lane, golden, records
from tests.run.test_max_cost import at, fire
from tests.waiting import until

GPU = "  gpu: 1\n  gpu_type: [t4, l4]\n"
WAITS = "import os, time\nprint('begun', flush=True)\ntime.sleep(float(os.environ.get('WAIT', '0.3')))\n"
ONCE = "  retry: {no_capacity: 0, interruption: 0}\n"
PROVIDERS = ("tiny-managed-spot", "tiny-managed")


def described(lane: Lane) -> Any:
    """The deploy's providers."""
    return lane.client("ecs").describe_capacity_providers(cluster="tiny")["capacityProviders"]


def launched(lane: Lane) -> Any:
    """A task on managed instances, seen to its end by nobody of ours."""
    ecs, group = lane.client("ecs"), lane.client("ec2").describe_security_groups(GroupNames=["tiny"])
    subnets = [subnet["SubnetId"] for subnet in lane.client("ec2").describe_subnets()["Subnets"]]
    network = {"subnets": subnets[:1], "securityGroups": [group["SecurityGroups"][0]["GroupId"]]}
    task = ecs.run_task(
        cluster="tiny",
        taskDefinition="tiny",
        startedBy="somebody",
        capacityProviderStrategy=[{"capacityProvider": PROVIDERS[1], "weight": 1}],
        networkConfiguration={"awsvpcConfiguration": network},
    )["tasks"][0]
    assert (task["lastStatus"], task["launchType"]) == ("PROVISIONING", "MANAGED_INSTANCES")
    arn = task["taskArn"]

    def ended() -> Any:
        described = ecs.describe_tasks(cluster="tiny", tasks=[arn])["tasks"][0]
        return described if described["lastStatus"] == "STOPPED" else None

    return until(ended, "the end of the task")


def test_from_spot_to_on_demand(lane: Lane) -> None:
    lane.program(WAITS, deploy=f"{GPU}run:\n  capacity: [managed-spot, managed]\n  retry: {{interruption: 0}}\n")
    lane.behave({"do": "spot-interruption", "after_lines": 1, "capacityProvider": PROVIDERS[0]})
    ended = lane.run("apply", "--local")
    assert ended.code == 0, ended.out + ended.err
    golden("managed-spot-fallback", ended)
    if not present():
        assert "this machine has no NVIDIA GPU that the task asks for; it runs without" in ended.out
    (newest, *_) = records(lane)
    assert [(a["provider"], a["event"]) for a in newest["attempts"]] == [
        (PROVIDERS[0], "interruption"), (PROVIDERS[1], "success"),
    ]  # fmt: skip
    definition = lane.client("ecs").describe_task_definition(taskDefinition="tiny")["taskDefinition"]
    assert definition["requiresCompatibilities"] == ["MANAGED_INSTANCES"]
    assert definition["containerDefinitions"][0]["stopTimeout"] == 120
    assert "Nothing to change" in lane.run("plan", "--local").out


def test_what_gets_no_instance_in_time_goes_on_elsewhere_and_its_start_is_no_part_of_its_time(lane: Lane) -> None:
    """Scheduler stops what waits for an instance late; what then runs it stops by when that began."""
    run = f"{GPU}  environment: {{WAIT: '60'}}\nrun:\n  capacity: [managed-spot, managed]\n  max_duration: 10m\n{ONCE}"
    lane.program(f"{WAITS}# waits\n", deploy=run)
    waits = {"do": "state-delay", "state": "PROVISIONING", "seconds": 600}
    lane.behave(waits | {"capacityProvider": PROVIDERS[0]})
    scheduler = lane.client("scheduler")

    def schedule(number: int) -> Any:
        attempts = records(lane)[0]["attempts"] if records(lane) else []
        if len(attempts) < number or not (arn := attempts[-1]["task_arn"]):
            return None
        (name,) = [listed["Name"] for listed in scheduler.list_schedules()["Schedules"]]
        made = scheduler.get_schedule(Name=name)
        return (attempts[-1], made) if json.loads(made["Target"]["Input"])["Task"] == arn else None

    ours = lane.start("apply", "--local")
    first, made = until(lambda: schedule(1), "the deadline of what waits")
    assert at(made) == pytest.approx(first["launched"] + 1800 + 600, abs=1.0)
    fire(lane, made)
    until(lambda: lane.tasks("RUNNING"), "a task on demand")
    (task,) = lane.tasks("RUNNING")
    began = task["startedAt"].timestamp()
    until(lambda: (aimed := schedule(2)) and at(aimed[1]) < began + 700, "its deadline, by when it began")
    _, made = schedule(2)
    assert at(made) == pytest.approx(began + 60 + 600, abs=1.0)
    fire(lane, made)
    assert ours.wait() == 123
    assert [(a["provider"], a["event"]) for a in records(lane)[0]["attempts"]] == [
        (PROVIDERS[0], "no-capacity"), (PROVIDERS[1], "timeout"),
    ]  # fmt: skip


def test_the_file_of_the_guide_to_gpus_runs(lane: Lane) -> None:
    """With another program than PyTorch's, which takes gigabytes."""
    (file,) = [block.text for block in blocks((ROOT / "docs" / "gpu.md").read_text()) if block.title == "deploy.yaml"]
    lane.program("print('as in the guide')\n")
    lane.write("deploy.yaml", file)
    ended = lane.run("apply", "--local")
    assert ended.code == 0, ended.out + ended.err
    assert "| as in the guide\n" in ended.out
    gone = lane.run("destroy", "--local", "--yes", "--delete-data")
    assert gone.code == 0, gone.out + gone.err


def test_no_room_anywhere_is_explained(lane: Lane) -> None:
    lane.program("print('never')\n", deploy=f"{GPU}run:\n  capacity: [managed-spot, managed]\n{ONCE}")
    lane.behave({"do": "no-capacity", "times": -1})
    ended = lane.run("apply", "--local")
    assert ended.code == 122, ended.out + ended.err
    golden("managed-no-room", ended)


def test_a_lost_instance_is_gone_on_from_its_checkpoint(lane: Lane) -> None:
    source = (
        "import boto3, os, time\nbucket, _, key = os.environ['CHECKPOINT_URI'].removeprefix('s3://').partition('/')\n"
        "s3 = boto3.client('s3')\nfound = s3.list_objects_v2(Bucket=bucket, Prefix=key).get('KeyCount')\n"
        "s3.put_object(Bucket=bucket, Key=key.rstrip('/') + '/step', Body=b'1')\n"
        "print('goes on' if found else 'begins', os.environ['RUN_ATTEMPT'], flush=True)\n"
        "time.sleep(0 if found else 30)\n"
    )
    lane.program(source, deploy="run:\n  capacity: managed\n  checkpoint: true\n  retry: {backoff: 0}\n")
    lane.behave({"do": "instance-loss", "after_lines": 1})
    ended = lane.run("apply", "--local")
    assert ended.code == 0, ended.out + ended.err
    assert "instance lost: launching again on tiny-managed" in ended.out
    assert "attempt 2 continued from the checkpoint" in ended.out
    assert "| goes on 2" in ended.out
    first = records(lane)[0]["attempts"][0]
    assert first["event"] == "interruption"
    assert first["exit_code"] is None
    assert first["reason"].startswith("Host EC2 (instance i-")


def test_roles_that_do_not_do_are_told_and_put_right(lane: Lane) -> None:
    lane.program("print('now')\n", deploy=f"{GPU}run:\n  capacity: managed\n  when: always\n{ONCE}")
    made = lane.run("apply", "--local", "--skip-run")
    assert made.code == 0, made.out + made.err
    iam = lane.client("iam")
    for role, policy, refusal in (
        ("tiny-infrastructure-role", INFRASTRUCTURE_POLICY, "is not authorized to perform: ec2:CreateFleet"),
        ("ecsInstanceRole-tiny", INSTANCE_POLICY, "didn't register with the cluster"),
    ):
        iam.detach_role_policy(RoleName=role, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
        task = launched(lane)
        assert task["stopCode"] == "TaskFailedToStart"
        assert refusal in task["stoppedReason"]
        assert event_of(task, None) is Event.NOT_STARTED
        shown = lane.run("apply", "--local", "--skip-run")
        assert shown.code == 0, shown.out + shown.err
        assert policy in shown.out
    assert launched(lane)["stopCode"] == "EssentialContainerExited"
    # As EC2 refuses to launch an instance in a network that is gone.
    ecs, (made_one, *_) = lane.client("ecs"), described(lane)
    settings = made_one["managedInstancesProvider"]
    template = settings["instanceLaunchTemplate"]
    network = template.pop("networkConfiguration")
    template.pop("capacityOptionType", None)
    for part, name, refusal in (
        ("subnets", "subnet-0123456789abcdef0", "InvalidSubnetID.NotFound: The subnet ID"),
        ("securityGroups", "sg-0123456789abcdef0", "InvalidGroup.NotFound: The security group"),
    ):
        gone = settings | {"instanceLaunchTemplate": template | {"networkConfiguration": network | {part: [name]}}}
        ecs.update_capacity_provider(name=PROVIDERS[1], cluster="tiny", managedInstancesProvider=gone)
        assert f"{refusal} '{name}' does not exist" in launched(lane)["stoppedReason"]


def test_what_is_made_goes_in_order(lane: Lane) -> None:
    lane.program("print('here')\n", deploy=f"{GPU}run: {{capacity: [managed-spot, managed]}}\n")
    made = lane.run("apply", "--local")
    assert made.code == 0, made.out + made.err
    gone = lane.run("destroy", "--local", "--yes", "--delete-data")
    assert gone.code == 0, gone.out + gone.err
    iam, ecs = lane.client("iam"), lane.client("ecs")
    assert not [r for r in iam.list_roles()["Roles"] if "tiny" in r["RoleName"]]
    assert not iam.list_instance_profiles()["InstanceProfiles"]
    assert [c["status"] for c in ecs.describe_clusters(clusters=["tiny"])["clusters"]] in ([], ["INACTIVE"])
    lane.bare()
