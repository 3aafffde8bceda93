"""A function under faults: a role that Lambda doesn't know yet, an update at a time, lost answers, a stop anywhere."""

from __future__ import annotations

import json
import re
import threading
from typing import Any

import pytest

from reconciler.core.errors import Denied, Interrupted
from reconciler.core.graph import Node
from reconciler.core.spec import OWNER_TAG, Address
from reconciler.kinds import FunctionSpec, QueueSpec, RoleSpec
from reconciler.kinds import lambda_function as bundle
from tests.faults.case import EVER, Case, Rule, error, lose, reset
from tests.faults.small import Small
from tests.faults.world import differs
from tests.kinds.sample import document, trust
from tests.kinds.samples_events import a_zip
from tests.lab_client import ACCOUNT, REGION, LabHandle

NAME, ROLE, QUEUE = "demo-watcher", "demo-watcher-role", "demo-dead"
TAGS = {OWNER_TAG: "demo", "team": "one"}
DEAD = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUE}"
RULES = [f"events.amazonaws.com arn:aws:events:{REGION}:{ACCOUNT}:rule/demo-{name}" for name in ("a", "b")]
ASSUMED = "The role defined for the function cannot be assumed by Lambda."
SENDS = "The provided execution role does not have permissions to call SendMessage on SQS"
NOW = "The operation cannot be performed at this time. "
UPDATING = f"{NOW}An update is in progress for resource: arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}"
PENDING = f"{NOW}The function is currently in the following state: Pending"


def small(lab: LabHandle) -> Small:
    role = RoleSpec(
        name=ROLE, tags=TAGS, trust=trust("lambda.amazonaws.com"),
        inline_policies={"dead-letters": document("sqs:SendMessage", DEAD)},
    )  # fmt: skip
    function = FunctionSpec(
        name=NAME, tags=TAGS, code=bundle.code_sha256(), runtime=bundle.RUNTIME, handler=bundle.HANDLER, timeout=60,
        role=f"arn:aws:iam::{ACCOUNT}:role/{ROLE}", dead_letters=DEAD, invokers=RULES, environment={"DEPLOY": "demo"},
    )  # fmt: skip
    queue = QueueSpec(name=QUEUE, tags=TAGS)
    return Small(lab, [Node(role), Node(queue), Node(function, (role.address, queue.address))])


def change(lab: LabHandle) -> None:
    """What a careless person does: other code, another timeout, a tag more, everybody may call it."""
    api, named = lab.client("lambda"), {"FunctionName": NAME}
    api.update_function_code(**named, ZipFile=a_zip())
    api.update_function_configuration(**named, Timeout=900, TracingConfig={"Mode": "Active"})
    api.put_function_concurrency(**named, ReservedConcurrentExecutions=1)
    api.add_permission(**named, StatementId="all", Action="lambda:InvokeFunction", Principal="*")
    arn = api.get_function(**named)["Configuration"]["FunctionArn"]
    api.tag_resource(Resource=arn, Tags={"team": "two", "more": "x"})


def conflict(op: str, message: str, times: int = 4) -> Rule:
    return error("lambda", op, "ResourceConflictException", message, times, 409)


def invalid(message: str, times: int) -> Rule:
    return error("lambda", "CreateFunction", "InvalidParameterValueException", message, times)


THIS = ("function",)
NO_TAGS = {
    "service": "lambda", "op": "GetFunction", "do": "answer", "status": 200, "type": "application/json", "times": 1,
    "body": json.dumps({
        "Configuration": {"FunctionArn": "arn:f"},
        "TagsError": {"ErrorCode": "AccessDeniedException", "Message": "you may not"},
    }),
}  # fmt: skip
CASES = (
    Case("its new role can't be assumed yet", THIS, (invalid(ASSUMED, 4),), wait=(1, 60)),
    Case("its role may not send to the queue yet", THIS, (invalid(SENDS, 4),), wait=(1, 60)),
    Case("its role may never send to the queue", THIS, (invalid(SENDS, EVER),),
         fails="does not have permissions to call SendMessage.*does the role allow", wait=(100, 140)),
    Case("its settings are wrong", THIS, (invalid("1 validation error detected", EVER),),
         fails="InvalidParameterValueException", calls={"CreateFunction": 1}, wait=(0, 0)),
    Case("a created function's answer is lost", THIS, (lose("lambda", "CreateFunction"),),
         calls={"CreateFunction": 1, "AddPermission": 2}),
    Case("the connection breaks as it is created", THIS, (reset("lambda", "CreateFunction"),)),
    Case("a statement's answer is lost", THIS, (lose("lambda", "AddPermission"),), calls={"AddPermission": 3}),
    Case("a function that is still being made can't be changed", THIS, (conflict("AddPermission", PENDING),)),
    Case("Lambda throttles", THIS, (error("lambda", "*", "TooManyRequestsException", "Rate exceeded", 6, 429),)),
    Case("Lambda breaks for a while", THIS, (error("lambda", "GetFunction", "ServiceException", "", 2, 500),)),
    Case("the room for code is used up", THIS,
         (error("lambda", "CreateFunction", "CodeStorageExceededException", times=EVER),),
         fails="CodeStorageExceededException.*quota", calls={"CreateFunction": 1}, wait=(0, 0)),
    Case("an update is in progress", THIS, (conflict("UpdateFunctionConfiguration", UPDATING),), act="change",
         wait=(1, 60)),
    Case("an update of the code is in progress", THIS, (conflict("UpdateFunctionCode", UPDATING),), act="change"),
    Case("the answer to each change is lost", THIS, tuple(lose("lambda", op) for op in (
        "RemovePermission", "UpdateFunctionCode", "UpdateFunctionConfiguration", "DeleteFunctionConcurrency",
        "UntagResource", "TagResource")), act="change"),
    Case("the answer to a deletion is lost", THIS, (lose("lambda", "DeleteFunction"),), act="destroy"),
    Case("its tags can't be read", THIS, (NO_TAGS,), act="plan", fails="lambda:ListTags.*may not"),
)  # fmt: skip


@pytest.mark.share(4)
@pytest.mark.parametrize("case", CASES, ids=[case.name.replace(" ", "-") for case in CASES])
def test_case(case: Case, lab: LabHandle) -> None:
    world = small(lab)
    if case.act != "apply":
        assert world.apply().ok
    if case.act == "change":
        change(lab)
        assert differs(world.plan()) == [f"update function.{NAME}"]
    lab.zero()
    lab.rules(*case.rules)
    before = world.clock.skipped
    if case.act == "plan":
        with pytest.raises(Denied, match=case.fails) as caught:
            world.plan()
        assert caught.value.hint == "allow lambda:ListTags on arn:f to whoever runs this"
        return
    outcome = world.destroy() if case.act == "destroy" else world.apply()
    waited, calls = world.clock.skipped - before, [row["op"] for row in lab.log("lambda")]
    lab.rules()
    assert case.wait[0] <= waited <= case.wait[1], f"waited {waited:.1f} s"
    assert {op: calls.count(op) for op in case.calls} == case.calls
    if case.fails:
        (failure,) = [raised for _, raised in outcome.failed]
        assert re.search(case.fails, f"{failure}: {failure.hint}", re.DOTALL)
    else:
        assert outcome.ok, outcome.failed
        assert {rule["op"] for rule in case.rules} <= {*calls, "*"}
        assert differs(world.plan()) == ([] if case.act != "destroy" else [f"create {a}" for a in world.graph.nodes])


class Stop:
    """Ends a command before its n-th write, as a kill would."""

    def __init__(self, n: int) -> None:
        self.left = n

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Interrupted("killed")


def account(lab: LabHandle) -> Any:
    """What there is of it: its configuration, its tags, who may call it."""
    api = lab.client("lambda")
    answer = api.get_function(FunctionName=NAME)
    live = {key: value for key, value in answer["Configuration"].items() if key not in ("LastModified", "RevisionId")}
    statements = {
        statement["Sid"]: statement
        for statement in json.loads(api.get_policy(FunctionName=NAME)["Policy"])["Statement"]
    }
    return live, answer["Tags"], statements


@pytest.mark.long
@pytest.mark.parametrize("spoiled", [False, True], ids=["made", "changed"])
def test_stopped_anywhere_the_next_apply_finishes_it(spoiled: bool, lab: LabHandle) -> None:
    world = small(lab)
    assert world.apply().ok
    expected = account(lab)
    n, stopped = 0, 0
    while True:
        if spoiled:
            change(lab)
        else:
            lab.client("lambda").delete_function(FunctionName=NAME)
        stop = Stop(n)
        done = world.apply(stop).ok
        there = world.seen().get(Address("function", NAME))
        assert there is None or there.owner == "demo", f"after {n} writes nobody knows whose it is"
        assert world.apply().ok
        assert (account(lab), differs(world.plan())) == (expected, []), f"after {n} writes"
        stopped += not done
        if done:
            break
        n += 1
    assert stopped == (6 if spoiled else 3)


def test_who_else_made_it_meanwhile_is_left_alone(lab: LabHandle) -> None:
    world = small(lab)
    assert f"create function.{NAME}" in differs(world.plan())
    iam = lab.client("iam")
    other = iam.create_role(RoleName="other", AssumeRolePolicyDocument=trust("lambda.amazonaws.com").text())["Role"]

    once, left = threading.Lock(), [True]

    def meanwhile() -> None:
        with once:
            if not left:
                return
            left.pop()
            lab.client("lambda").create_function(
                FunctionName=NAME, Role=other["Arn"], Code={"ZipFile": a_zip()}, Runtime="python3.12", Handler="o.h"
            )

    world.recorded = frozenset()
    outcome = world.apply(meanwhile)
    (failure,) = [raised for _, raised in outcome.failed]
    assert "made by someone else" in str(failure)
    assert lab.client("lambda").get_function(FunctionName=NAME)["Configuration"]["Role"] == other["Arn"]


@pytest.mark.parametrize("state", ["State", "LastUpdateStatus"])
def test_one_that_failed_is_a_difference_and_told_at_once(lab: LabHandle, state: str) -> None:
    """On the next apply too, and nothing is built on it: it isn't as wanted, whatever its fields say."""
    world = small(lab)
    assert world.apply().ok
    configuration = lab.client("lambda").get_function(FunctionName=NAME)
    why = {state: "Failed", f"{state}Reason": "SubnetOutOfIPAddresses", "LastModified": "2026-11-01T00:00:00.000+0000"}

    def failing(**more: str) -> dict[str, Any]:
        body = {**configuration, "Configuration": {**configuration["Configuration"], **why, **more}}
        answer = {"service": "lambda", "op": "GetFunction", "do": "answer", "type": "application/json", "times": -1}
        return answer | {"body": json.dumps(body, default=str)}

    lab.rules(failing())
    (step,) = [step for step in world.plan().steps if step.address.kind == "function"]
    assert [(difference.path, difference.before) for difference in step.changes] == [
        ("code", f"{bundle.code_sha256()}{bundle.FAILED}")
    ]
    before = world.clock.skipped
    # Each attempt has a time of its own, and this one fails like the one before.
    lab.rules({**failing(), "times": 4}, failing(LastModified="2026-11-01T00:00:09.000+0000"))
    outcome = world.apply()
    assert "it has failed: SubnetOutOfIPAddresses" in str(outcome.failed[0][1])
    assert world.clock.skipped - before < 30
    lab.rules()
    assert world.apply().ok
    assert differs(world.plan()) == []
