"""Fault cases: IAM. Data only."""

from tests.faults.case import EVER, Case, error, lose, reset

ROLE, POLICY, USER = "demo-task-role", "demo-task-policy", "demo-ci-user"
DENIED = (
    "User: arn:aws:iam::123456789012:user/me is not authorized to perform: iam:CreateRole on resource: "
    "arn:aws:iam::123456789012:role/demo-task-role because no identity-based policy allows it"
)

IAM = (
    Case(
        "a principal isn't there yet",
        (ROLE,),
        (error("iam", "CreateRole", "MalformedPolicyDocument", "Invalid principal in policy", 4),),
        wait=(1, 60),
    ),
    Case(
        "a principal never comes",
        (ROLE,),
        (error("iam", "CreateRole", "MalformedPolicyDocument", "Invalid principal in policy", EVER),),
        fails="MalformedPolicyDocument.*does the principal",
        wait=(110, 140),
    ),
    Case(
        "another malformed policy isn't repeated",
        (ROLE,),
        (error("iam", "CreateRole", "MalformedPolicyDocument", "Syntax errors in policy", EVER),),
        fails="Syntax errors",
        calls={"CreateRole": 1},
        wait=(0, 0),
    ),
    Case(
        "the trust policy's principal isn't there yet",
        (ROLE,),
        act="change",
        rules=(error("iam", "UpdateAssumeRolePolicy", "MalformedPolicyDocument", "Invalid principal in policy"),),
    ),
    Case(
        "a new role can't be read for a while",
        (ROLE,),
        (error("iam", "GetRole", "NoSuchEntity", times=5, skip=1),),
        calls={"CreateRole": 1},
    ),
    Case(
        "a new role can't be given a policy for a while", (ROLE,), (error("iam", "AttachRolePolicy", "NoSuchEntity"),)
    ),
    Case(
        "a role that somebody deleted isn't waited for",
        (ROLE,),
        act="change",
        rules=(error("iam", "AttachRolePolicy", "NoSuchEntity", times=EVER),),
        fails="NoSuchEntity",
        wait=(0, 0),
    ),
    Case("two change a role at once", (ROLE,), (error("iam", "AttachRolePolicy", "ConcurrentModification"),)),
    Case("a user can't be changed yet", (USER,), (error("iam", "AttachUserPolicy", "EntityTemporarilyUnmodifiable"),)),
    Case(
        "the quota of policy versions",
        (POLICY,),
        act="change",
        rules=(error("iam", "CreatePolicyVersion", "LimitExceeded", "Cannot exceed quota", EVER),),
        fails="LimitExceeded.*quota",
        calls={"CreatePolicyVersion": 1},
        wait=(0, 0),
    ),
    Case(
        "a role is still in use for a moment",
        (ROLE,),
        act="destroy",
        rules=(error("iam", "DeleteRole", "DeleteConflict", status=409),),
    ),
    Case(
        "a policy stays in use",
        (POLICY,),
        act="destroy",
        rules=(error("iam", "DeletePolicy", "DeleteConflict", times=EVER, status=409),),
        fails="DeleteConflict.*still uses it",
        wait=(25, 60),
    ),
    Case("a created role's answer is lost", (ROLE,), (lose("iam", "CreateRole"),), calls={"CreateRole": 1}),
    Case("a created policy's answer is lost", (POLICY,), (lose("iam", "CreatePolicy"),), calls={"CreatePolicy": 1}),
    Case(
        "a policy version's answer is lost",
        (POLICY,),
        act="change",
        rules=(lose("iam", "CreatePolicyVersion"),),
        calls={"CreatePolicyVersion": 1},
    ),
    Case("a created user's answer is lost", (USER,), (lose("iam", "CreateUser"),), calls={"CreateUser": 1}),
    Case(
        "a key's answer, and so its secret, is lost",
        (USER,),
        (lose("iam", "CreateAccessKey"),),
        calls={"CreateAccessKey": 2, "DeleteAccessKey": 1},
    ),
    Case(
        "a provider's answer is lost",
        ("oidc-provider",),
        (lose("iam", "CreateOpenIDConnectProvider"),),
        calls={"CreateOpenIDConnectProvider": 1},
    ),
    Case("IAM throttles", (ROLE,), (error("iam", "*", "Throttling", "Rate exceeded", 12),), wait=(0.1, 200)),
    Case(
        "IAM denies",
        (ROLE,),
        (error("iam", "CreateRole", "AccessDenied", DENIED, EVER, 403),),
        fails="AccessDenied.*allow iam:CreateRole on arn:aws:iam::123456789012:role/demo-task-role",
        calls={"CreateRole": 1},
        wait=(0, 0),
    ),
    Case("IAM hangs up for ever", (ROLE,), (reset("iam", "CreateRole", EVER),), fails="connection lost", wait=(25, 80)),
)
