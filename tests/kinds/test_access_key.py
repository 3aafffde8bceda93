"""A secret key is told once: whatever may be refused of storing it comes before it is made."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reconciler.core.diff import diff
from reconciler.core.errors import AwsError
from reconciler.core.limits import in_parameter_name, parameter_name_problem
from reconciler.kinds import User, UserSpec
from reconciler.kinds.iam_user import CURRENT, key_parameter
from tests.faults.case import error
from tests.lab_client import LabHandle

PUT = ("ssm", "PutParameter", "AccessDeniedException")


def wanted(name: str = "ci") -> UserSpec:
    parameter = key_parameter("tiny", name)
    return UserSpec(name=name, access_keys=(CURRENT,), key_parameter=parameter, tags={"reconciler:deploy": "tiny"})


def keys(lab: LabHandle, name: str = "ci") -> list[str]:
    iam = lab.client("iam")
    try:
        return [key["AccessKeyId"] for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]]
    except ClientError:
        return []


@pytest.mark.parametrize("skip", [0, 1], ids=["before the key is made", "after it"])
def test_no_key_is_left_whose_secret_is_not_stored(lab: LabHandle, skip: int) -> None:
    lab.rules(error(*PUT, times=1, skip=skip))
    with pytest.raises(AwsError):
        User().create(lab.aws(), wanted())
    assert keys(lab) == []
    made = lab.log(op="CreateAccessKey")
    assert len(made) == skip


def test_a_key_in_use_stays_where_another_can_not_be_stored(lab: LabHandle) -> None:
    """Somebody's own key would be taken away for one that can't be kept."""
    iam, want = lab.client("iam"), wanted()
    iam.create_user(UserName="ci", Tags=[{"Key": "reconciler:deploy", "Value": "tiny"}])
    own = iam.create_access_key(UserName="ci")["AccessKey"]["AccessKeyId"]
    aws = lab.aws()
    seen = User().observe(aws, [want])["ci"]
    lab.rules(error(*PUT, times=1))
    with pytest.raises(AwsError):
        User().update(aws, want, seen, diff(want, seen.spec))
    assert keys(lab) == [own]
    lab.rules()
    User().update(aws, want, seen, diff(want, seen.spec))
    assert diff(want, User().observe(aws, [want])["ci"].spec) == ()


@pytest.mark.parametrize("name", ["ci", "ci_1", "c+i=d,e@example.com", "@", "+" * 64])
def test_the_key_of_any_user_can_be_stored(lab: LabHandle, name: str) -> None:
    aws, want = lab.aws(), wanted(name)
    User().create(aws, want)
    stored: Any = lab.client("ssm").get_parameter(Name=want.key_parameter, WithDecryption=True)["Parameter"]
    assert [json.loads(stored["Value"])["AccessKeyId"]] == keys(lab, name)
    seen = User().observe(aws, [want])[name]
    assert diff(want, seen.spec) == ()
    User().delete(aws, seen)
    assert lab.client("ssm").describe_parameters()["Parameters"] == []


def test_users_names_in_parameters() -> None:
    """A name that SSM takes is as it is; others are told apart."""
    assert in_parameter_name("ci-user_1.x") == "ci-user_1.x"
    names = ["a+b", "a=b", "a,b", "a@b", "a-b", "a--b", "a@@b"]
    made = [in_parameter_name(name) for name in names]
    assert len({*made}) == len(names)
    assert not [name for name in made if parameter_name_problem(f"/reconciler/tiny/users/{name}/access-key")]
