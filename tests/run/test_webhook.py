"""Where a webhook's URL is read from, what isn't taken for one, and that no word of it gets into a message."""

from __future__ import annotations

import json

import pytest

from reconciler.run.webhook import NotSent, read_url
from tests.lab_client import ACCOUNT, REGION, LabHandle

URL = "https://hooks.example.com/services/T0/hunter2"
PARAMETER, SECRET = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret"


def put(lab: LabHandle, source: str, value: str) -> str:
    """Keep the value where `source` says; the ARN to read it by."""
    if source.startswith(PARAMETER):
        path = source.removeprefix(f"{PARAMETER}/")
        name = f"/{path}" if "/" in path else path
        lab.client("ssm").put_parameter(Name=name, Type="SecureString", Value=value)
        return source
    name, *key = source.removeprefix(f"{SECRET}:").split(":", 1)
    made = lab.client("secretsmanager").create_secret(Name=name, SecretString=value)["ARN"]
    return ":".join([made, *key])


READ = [
    (f"{PARAMETER}/hook", URL),
    (f"{PARAMETER}/team/hook", f"{URL}\n"),
    (f"{SECRET}:hook", URL),
    (f"{SECRET}:hook:slack", json.dumps({"slack": URL, "other": "x"})),
    (f"{SECRET}:hook:slack:AWSCURRENT:", json.dumps({"slack": URL})),
    (f"{SECRET}:hook", "http://127.0.0.1:8080/here"),
]


@pytest.mark.parametrize(("source", "value"), READ)
def test_it_is_read(lab: LabHandle, source: str, value: str) -> None:
    url = read_url(lab.aws().find, put(lab, source, value))
    assert url in (URL, "http://127.0.0.1:8080/here")


REFUSED = [
    (f"{PARAMETER}/hook", "http://hooks.example.com/hunter2", "is no https:// URL"),
    (f"{PARAMETER}/hook", "hunter2", "is no https:// URL"),
    (f"{PARAMETER}/hook", "https://[hunter2", "is no https:// URL"),
    (f"{SECRET}:hook", "ftp://hooks.example.com/hunter2", "is no https:// URL"),
    (f"{SECRET}:hook:slack", json.dumps({"other": "hunter2"}), "there is nothing behind"),
    (f"{SECRET}:hook:slack", "hunter2", "there is nothing behind"),
]


@pytest.mark.parametrize(("source", "value", "says"), REFUSED)
def test_it_is_refused_without_being_told(lab: LabHandle, source: str, value: str, says: str) -> None:
    with pytest.raises(NotSent, match=says) as error:
        read_url(lab.aws().find, put(lab, source, value))
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("source", [f"{PARAMETER}/none", f"{SECRET}:none-AbCdEf"])
def test_nothing_is_there(lab: LabHandle, source: str) -> None:
    with pytest.raises(NotSent, match="there is nothing behind"):
        read_url(lab.aws().find, source)
