"""Containers: what AWS fills in isn't a difference, everything else is."""

# ruff: noqa: E501  (tables of cases read best in whole lines)
from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.container import Container, container, definition, empty
from reconciler.core.spec import Address, Ref


def made(**parts: Any) -> Container:
    return container({"name": "main", "image": "repo:tag", **parts})


def logs(**parts: Any) -> dict[str, Any]:
    return {"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g"}, **parts}}


PORT = {"containerPort": 80}
CHECK = {"command": ["CMD", "true"]}
# What ECS answers for what was registered: terraform-provider-aws 3401, 11526, 38153 and 46132 are perpetual
# differences that came of these.
SAME: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("essential", {}, {"essential": True}),
    ("cpu 0", {}, {"cpu": 0}),
    ("empty lists", {}, {
        "mountPoints": [], "volumesFrom": [], "systemControls": [], "portMappings": [], "environment": [], "secrets": [],
        "environmentFiles": [], "links": [], "ulimits": [], "dnsServers": [], "entryPoint": [], "command": [],
    }),
    ("nothing said", {}, {
        "memory": None, "healthCheck": None, "logConfiguration": None, "entryPoint": None, "command": None,
        "environment": None, "secrets": None, "portMappings": None, "hostname": "", "privileged": False,
        "readonlyRootFilesystem": False, "interactive": False, "dockerLabels": {},
    }),
    ("empty lists further down", {"linuxParameters": {"initProcessEnabled": True}}, {
        "linuxParameters": {"initProcessEnabled": True, "devices": [], "capabilities": {"add": [], "drop": []}},
    }),
    ("nothing but empty further down", {}, {"linuxParameters": {"capabilities": {"add": [], "drop": []}}}),
    ("version consistency", {}, {"versionConsistency": "enabled"}),
    ("order of the environment", {"environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
     {"environment": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]}),
    ("a variable without a value", {"environment": [{"name": "A"}]}, {"environment": [{"name": "A", "value": ""}]}),
    ("order of secrets", {"secrets": [{"name": "A", "valueFrom": "1"}, {"name": "B", "valueFrom": "2"}]},
     {"secrets": [{"name": "B", "valueFrom": "2"}, {"name": "A", "valueFrom": "1"}]}),
    ("protocol tcp", {"portMappings": [PORT]}, {"portMappings": [{**PORT, "protocol": "tcp"}]}),
    ("host port 0", {"portMappings": [PORT]}, {"portMappings": [{**PORT, "hostPort": 0}]}),
    ("host port as the container's", {"portMappings": [PORT]}, {"portMappings": [{"hostPort": 80, **PORT}]}),
    ("order of ports", {"portMappings": [PORT, {"containerPort": 443}]}, {"portMappings": [{"containerPort": 443}, PORT]}),
    ("order within a port", {"portMappings": [{"name": "a", "containerPort": 1}, PORT]},
     {"portMappings": [PORT, {"containerPort": 1, "name": "a"}]}),
    ("health check's defaults", {"healthCheck": CHECK},
     {"healthCheck": {**CHECK, "interval": 30, "timeout": 5, "retries": 3, "startPeriod": 0}}),
    ("order of log options", logs(options={"a": "1", "b": "2"}), logs(options={"b": "2", "a": "1"})),
    ("no secret log options", logs(), logs(secretOptions=[])),
    ("no log options", logs(options={}), logs(options=None)),
]  # fmt: skip
OTHER: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("not essential", {}, {"essential": False}),
    ("cpu", {}, {"cpu": 1}),
    ("order of the command", {"command": ["a", "b"]}, {"command": ["b", "a"]}),
    ("an empty word", {"command": [""]}, {}),
    ("order of the entry point", {"entryPoint": ["a", "b"]}, {"entryPoint": ["b", "a"]}),
    ("a variable", {"environment": [{"name": "A", "value": "1"}]}, {}),
    ("a variable's value", {"environment": [{"name": "A", "value": "1"}]}, {"environment": [{"name": "A", "value": "2"}]}),
    ("a secret", {"secrets": [{"name": "A", "valueFrom": "1"}]}, {}),
    ("protocol udp", {"portMappings": [PORT]}, {"portMappings": [{**PORT, "protocol": "udp"}]}),
    ("another host port", {"portMappings": [PORT]}, {"portMappings": [{**PORT, "hostPort": 8080}]}),
    ("health check's interval", {"healthCheck": CHECK}, {"healthCheck": {**CHECK, "interval": 10}}),
    ("log driver", logs(), logs(logDriver="splunk")),
    ("log option", logs(), logs(options={"awslogs-group": "other"})),
    ("secret log option", logs(), logs(secretOptions=[{"name": "a", "valueFrom": "b"}])),
    ("stop timeout", {"stopTimeout": 30}, {}),
    ("privileged", {"privileged": True}, {}),
    ("version consistency off", {"versionConsistency": "disabled"}, {}),
    ("labels", {"dockerLabels": {"a": "b"}}, {}),
    ("a setting further down", {"linuxParameters": {"initProcessEnabled": True}}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "other"), [case[1:] for case in SAME], ids=[case[0] for case in SAME])
def test_no_difference(fields: dict[str, Any], other: dict[str, Any]) -> None:
    assert made(**fields) == made(**other)


@pytest.mark.parametrize(("fields", "other"), [case[1:] for case in OTHER], ids=[case[0] for case in OTHER])
def test_a_difference(fields: dict[str, Any], other: dict[str, Any]) -> None:
    assert made(**fields) != made(**other)


@pytest.mark.parametrize(
    "parts",
    [part for case in SAME + OTHER for part in case[1:]],
    ids=[f"{case[0]} {n}" for case in SAME + OTHER for n in "12"],
)
def test_what_is_registered_reads_back_equal(parts: dict[str, Any]) -> None:
    canonical = made(**parts)
    assert container(definition(canonical)) == canonical


def test_the_definition_that_is_registered() -> None:
    full = Container(
        name="main", image="repo@sha256:1", essential=False, entrypoint=("a",), command=("b", "c"), environment={"B": "2", "A": "1"},
        secrets={"S": "arn:aws:ssm:x"}, log_driver="awslogs", log_options={"awslogs-group": "g"}, stop_timeout=30,
        extra={"cpu": 10, "logSecretOptions": [{"name": "t", "valueFrom": "arn"}]},
    )  # fmt: skip
    assert definition(full) == {
        "name": "main",
        "image": "repo@sha256:1",
        "essential": False,
        "entryPoint": ["a"],
        "command": ["b", "c"],
        "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        "secrets": [{"name": "S", "valueFrom": "arn:aws:ssm:x"}],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {"awslogs-group": "g"},
            "secretOptions": [{"name": "t", "valueFrom": "arn"}],
        },
        "stopTimeout": 30,
        "cpu": 10,
    }
    assert full.identity == "main"


def test_what_has_a_field_is_nothing_extra() -> None:
    canonical = container(
        {
            "name": "main", "image": "i", "essential": False, "entryPoint": ["a"], "command": ["b"], "stopTimeout": 30,
            "environment": [{"name": "A", "value": "1"}], "secrets": [{"name": "S", "valueFrom": "arn"}], **logs(),
        }
    )  # fmt: skip
    assert canonical.extra == {}
    assert container({"name": "main", "image": "i", "cpu": 5, "links": ["x"]}).extra == {"cpu": 5, "links": ["x"]}


def test_the_smallest_definition() -> None:
    assert definition(Container(name="main", image="i")) == {"name": "main", "image": "i", "essential": True}


def test_an_image_that_is_not_known_yet_is_text_in_json() -> None:
    ref = Ref(Address("image", "r"), "uri")
    assert Container(name="a", image=ref).model_dump(mode="json")["image"] == str(ref)


@pytest.mark.parametrize("value", [None, "", 0, False, [], (), {}, {"a": []}, {"a": {"b": None}}])
def test_empty(value: Any) -> None:
    assert empty(value)


@pytest.mark.parametrize("value", ["0", 1, True, [0], (None,), {"a": 1}, {"a": None, "b": "c"}])
def test_not_empty(value: Any) -> None:
    assert not empty(value)
