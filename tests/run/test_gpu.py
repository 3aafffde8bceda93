"""GPUs: a capacity provider that has to be there, what the task definition asks for, and ECS's answer without one."""

from __future__ import annotations

from tests.run.conftest import Lane, golden

DEPLOY = "  gpu: 1\nrun: {capacity: my-gpu-provider, retry: {no_capacity: 0}}\n"


def provider(lane: Lane) -> None:
    """An ECS capacity provider of an Auto Scaling group without instances."""
    scaling = lane.client("autoscaling")
    scaling.create_launch_configuration(
        LaunchConfigurationName="gpu", ImageId="ami-12c6146b", InstanceType="g4dn.xlarge"
    )
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="gpu",
        LaunchConfigurationName="gpu",
        MinSize=0,
        MaxSize=0,
        AvailabilityZones=["us-east-1a"],
    )
    arn = scaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]["AutoScalingGroupARN"]
    lane.client("ecs").create_capacity_provider(
        name="my-gpu-provider", autoScalingGroupProvider={"autoScalingGroupArn": arn}
    )


def test_a_gpu(lane: Lane) -> None:
    lane.program("print('never')\n", deploy=DEPLOY)
    refused = lane.run("apply", "--local")
    assert refused.code == 2
    assert "there is no ECS capacity provider my-gpu-provider in this account and region" in refused.err

    provider(lane)
    ended = lane.run("apply", "--local")
    assert ended.code == 122, ended.out + ended.err
    assert "no capacity on my-gpu-provider" in ended.out
    assert "  found    RESOURCE:GPU\n" in ended.out
    golden("gpu", ended)
    definition = lane.client("ecs").describe_task_definition(taskDefinition="tiny")["taskDefinition"]
    assert definition["requiresCompatibilities"] == ["EC2"]
    assert definition["networkMode"] == "awsvpc"
    assert definition["containerDefinitions"][0]["resourceRequirements"] == [{"type": "GPU", "value": "1"}]
    cluster = lane.client("ecs").describe_clusters(clusters=["tiny"])["clusters"][0]
    assert "my-gpu-provider" in cluster["capacityProviders"]
    plan = lane.run("plan", "--local").out
    assert "Nothing to change" in plan
