"""The network: from each subnet there is a way to all that starts a task, and the security group lets it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reconciler.checks.findings import Finding, group, ng, ok, skip
from reconciler.checks.verify.live import APPLY, Live
from reconciler.config.resource_names import Names
from reconciler.kinds import SecurityGroup, SecurityGroupSpec
from reconciler.kinds.ec2_security_group import ANY, PortRule
from reconciler.lower.account import read_facts
from reconciler.lower.execution import image_repository
from reconciler.lower.parameters import secrets
from reconciler.lower.workers import certificates

HTTPS = 443
Route = Mapping[str, Any]


def check(live: Live) -> Finding:
    """Check each subnet's way out, and the security group. Raises UserError when there is no such network."""
    facts = read_facts(live.aws, live.deploy)
    reads: list[Any] = live.aws.together(
        lambda: list(live.aws.pages("ec2", "DescribeSubnets", "Subnets", SubnetIds=list(facts.subnets))),
        lambda: SecurityGroup().observe(
            live.aws, [SecurityGroupSpec(name=str(live.deploy.network.security_group.name), vpc=facts.vpc)]
        ),
    )
    subnets, groups = reads
    vpcs = sorted({str(subnet["VpcId"]) for subnet in subnets})
    vpc_filter = [{"Name": "vpc-id", "Values": vpcs}]
    tables = list(live.aws.pages("ec2", "DescribeRouteTables", "RouteTables", Filters=vpc_filter))
    endpoints = list(live.aws.pages("ec2", "DescribeVpcEndpoints", "VpcEndpoints", Filters=vpc_filter))
    inside = [
        _subnet(live, subnet, tables, endpoints)
        for subnet in sorted(subnets, key=lambda subnet: str(subnet["SubnetId"]))
    ]
    return group("network", *inside, _group(live, [observed.spec for observed in groups.values()]))


def table_of(subnet: Mapping[str, Any], tables: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The route table of a subnet: its own, or the main one of its VPC."""
    main = None
    for table in tables:
        for association in table.get("Associations", ()):
            if association.get("SubnetId") == subnet["SubnetId"]:
                return table
            if association.get("Main") and table.get("VpcId") == subnet["VpcId"]:
                main = table
    return main


def way_out(routes: Iterable[Route]) -> tuple[str, str]:
    """(target, state) of the route to everywhere; empty for none."""
    for route in routes:
        if route.get("DestinationCidrBlock") == "0.0.0.0/0":
            kinds = ("NatGatewayId", "TransitGatewayId", "NetworkInterfaceId", "InstanceId", "GatewayId")
            target = next((str(route[kind]) for kind in kinds if route.get(kind)), "somewhere")
            return target, str(route.get("State", "active"))
    return "", ""


def _subnet(live: Live, subnet: Any, tables: Sequence[Any], endpoints: Sequence[Any]) -> Finding:
    subject = f"{subnet['SubnetId']} ({subnet['AvailabilityZone']})"
    table = table_of(subnet, tables)
    if table is None:
        return skip(subject, "AWS shows no route table of it")
    target, state = way_out(table.get("Routes", ()))
    if target and state != "active":
        return ng(
            subject, f"its route to everywhere leads to {target}, which is {state}", "put the route right, or remove it"
        )
    elsewhere = (*live.deploy.managed_providers, *live.deploy.own_providers)  # instances give tasks no address
    is_public = target.startswith("igw-")
    if is_public and live.deploy.network.public_ip and not elsewhere:
        return ok(subject, f"through {target}, with a public address")
    if target and not is_public:
        return ok(subject, f"through {target}")
    lacking = _lacking(live, subnet, str(table["RouteTableId"]), endpoints)
    if not lacking:
        return ok(subject, "through VPC endpoints")
    if not target:
        fix = "add a route to a NAT or internet gateway, or these VPC endpoints, or name other subnets"
        return ng(subject, f"no route out, and no VPC endpoint for {', '.join(lacking)}", fix)
    why = f"a task on {elsewhere[0]} has none" if elsewhere else "network.public_ip is false"
    fix = "a subnet with a NAT gateway, or VPC endpoints"
    if not elsewhere:
        fix = f"network.public_ip: true in deploy.yaml; or {fix}"
    return ng(subject, f"{target} is for public addresses, and {why}", fix)


def _lacking(live: Live, subnet: Any, table: str, endpoints: Sequence[Any]) -> list[str]:
    """The services for which neither the VPC nor the route table has an endpoint."""
    covered = set()
    for endpoint in endpoints:
        if str(endpoint.get("State", "available")).lower() != "available" or endpoint.get("VpcId") != subnet["VpcId"]:
            continue
        service = str(endpoint["ServiceName"]).partition(f".{live.deploy.region}.")[2]
        if endpoint.get("VpcEndpointType") != "Gateway" or table in endpoint.get("RouteTableIds", ()):
            covered.add(service)
    return [service for service in endpoints_needed(live.names) if service not in covered]


def endpoints_needed(names: Names) -> list[str]:
    """The services that ECS or the task talks to, as their endpoints are named; a public image's registry has none.

    Sources: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html and
    https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
    """
    deploy, sources = names.deploy, [*secrets(names).values(), *certificates(names)]
    if deploy.own_providers and set(deploy.providers) == set(deploy.own_providers) and not deploy.run.workers:
        # An instance of yours pulls, logs and reads secrets by an interface of its own, wherever that is.
        return [*(["ssmmessages"] if deploy.run.exec else []), "s3"]
    on_instances = deploy.managed_providers or deploy.own_providers
    needed = {
        "ecr.api": bool(image_repository(names)),
        "ecr.dkr": bool(image_repository(names)),
        "logs": True,
        "ssm": any(":ssm:" in source for source in sources),
        "secretsmanager": any(":secretsmanager:" in source for source in sources),
        "ssmmessages": deploy.run.exec,
        **dict.fromkeys(("ecs", "ecs-agent", "ecs-telemetry"), bool(on_instances)),
        "s3": True,
        f"the registry of {deploy.image.uri}": not image_repository(names),
    }
    return [service for service, is_needed in needed.items() if is_needed]


def _group(live: Live, groups: Sequence[SecurityGroupSpec]) -> Finding:
    name = str(live.deploy.network.security_group.name)
    if not groups:
        return ng("security group", f"there is none named {name}", f"{APPLY} makes it")
    rules = groups[0].egress
    if any(lets_https_out(rule) for rule in rules):
        return ok("security group", f"{name} lets HTTPS out")
    if rules:
        return skip("security group", f"{name} lets out to {', '.join(rule.identity for rule in rules)} only")
    return ng("security group", f"{name} lets nothing out", f"{APPLY} puts its rules right")


def lets_https_out(rule: PortRule) -> bool:
    """Whether a rule lets HTTPS out to everywhere."""
    if rule.place != "0.0.0.0/0":
        return False
    if rule.protocol == ANY:
        return True
    low, high = rule.from_port, rule.to_port
    return rule.protocol in ("tcp", "6") and low is not None and high is not None and low <= HTTPS <= high
