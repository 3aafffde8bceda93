"""Why a task never started: its secrets, its log, its image, its command, room for it. Pure."""

from __future__ import annotations

import re

from reconciler.run.diagnosis import Case, Diagnosis, DiagnosisRule, InOrder, find, matching_reason, no_route
from reconciler.run.explain_missing import command, variable
from reconciler.run.retry import FARGATE_QUOTA, NOT_BEGUN, Event

NO_ANSWER = r"timeout|timed out|deadline exceeded|dial tcp|no route|connection refused"


def _secret(case: Case) -> Diagnosis | None:
    # Every failure of this step speaks of "secrets or registry auth".
    text = matching_reason(
        InOrder("ResourceInitializationError", r"secrets? from|retrieve secret|invalid ?parameters?|ssm|asm"), case
    )
    if not text:
        return None
    if re.search(r"AccessDenied|not authorized", text, re.IGNORECASE):
        return Diagnosis(
            "ECS may not read a secret of the task",
            (text,),
            f"{case.execution_role} needs ssm:GetParameters or secretsmanager:GetSecretValue on it (and kms:Decrypt "
            "for a key of your own); `apply` writes this policy for the ARNs under task.secrets",
        )
    if re.search(NO_ANSWER, text, re.IGNORECASE):
        return no_route(text)
    return Diagnosis("a secret of the task can't be read", (text,), "check the ARNs under task.secrets in deploy.yaml")


def _log_group(case: Case) -> Diagnosis | None:
    text = matching_reason(("log group|log stream|awslogs", InOrder("ResourceNotFoundException", "log")), case)
    if not text or "ResourceInitializationError" not in text:
        return None
    if re.search(r"AccessDenied|not authorized", text, re.IGNORECASE):
        return Diagnosis(
            "ECS may not write the log",
            (text,),
            f"{case.execution_role} needs logs:CreateLogStream and logs:PutLogEvents: `apply` attaches the policy",
        )
    if re.search(NO_ANSWER, text, re.IGNORECASE):
        return no_route(text)
    if not re.search(r"does not exist|ResourceNotFound", text, re.IGNORECASE):
        return Diagnosis("ECS can't write the log", (text,), "check the section logs in deploy.yaml", sure=False)
    return Diagnosis(f"the log group {case.log_group} isn't there", (text,), "run `apply`: it makes the log group")


def _image_missing(case: Case) -> Diagnosis | None:
    text = matching_reason(InOrder("CannotPull", "not found|manifest unknown|does not exist|no such"), case)
    if not text:
        return None
    fix = "run `apply` without --skip-image: it builds and pushes the image"
    if "may require" in text:
        fix += f"; if it is there, {case.execution_role} may not pull it"
        return Diagnosis(f"the image isn't there, or ECS may not pull it: {case.image}", (text,), fix, sure=False)
    return Diagnosis(f"the image isn't there: {case.image}", (text,), fix)


def _image_denied(case: Case) -> Diagnosis | None:
    text = matching_reason(
        InOrder("CannotPull|registry auth", "403|denied|not authorized|forbidden|no basic auth"), case
    )
    if not text:
        return None
    return Diagnosis(
        "ECS may not pull the image",
        (text,),
        f"{case.execution_role} must be allowed to pull from the image's repository (`apply` puts its policy right), "
        "and a repository of another account must allow this one",
    )


def _image_platform(case: Case) -> Diagnosis | None:
    hit = find(
        r"exec format error|does not match the (specified|host) platform|no matching manifest"
        r"|descriptor matching platform",
        [*case.log, case.reason],
    )
    if not hit:
        return None
    other_platform = "ARM64" if case.architecture == "X86_64" else "X86_64"
    return Diagnosis(
        f"the image isn't built for {case.architecture}",
        (hit[1],),
        f"build it for {case.architecture} (`apply` does), or run it on {other_platform}",
        f"task:\n  platform: {other_platform}",
    )


def _image_unreachable(case: Case) -> Diagnosis | None:
    text = matching_reason(InOrder("CannotPull|ResourceInitializationError", NO_ANSWER), case)
    return no_route(text) if text else None


def _image_limited(case: Case) -> Diagnosis | None:
    text = matching_reason(r"toomanyrequests|pull rate limit", case)
    fix = "wait and run `apply` again, or take the base image from public.ecr.aws, which has a higher limit"
    return Diagnosis("the registry allows no more pulls for now", (text,), fix) if text else None


def _image_large(case: Case) -> Diagnosis | None:
    text = matching_reason(InOrder("CannotPull", "no space left on device"), case)
    change = "task:\n  ephemeral_storage: 50"
    return Diagnosis("the image is larger than the task's disk", (text,), "give it more", change) if text else None


def _interface(case: Case) -> Diagnosis | None:
    text = matching_reason(r"network interface provisioning", case)
    fix = "run `apply` again; if it stays so, the subnet may have no free addresses"
    return Diagnosis("ECS could not make the task's network interface in time", (text,), fix) if text else None


def _image_other(case: Case) -> Diagnosis | None:
    text = matching_reason(r"CannotPull", case)
    fix = "check the image and the execution role"
    return Diagnosis("the image can't be pulled", (text,), fix, sure=False) if text else None


WINDOWS = r"\^M: bad interpreter|env: \S{1,100}\\r\W{0,3}: No such file|\r: (command )?not found"
NO_INTERPRETER = r"^exec ([^\s:]{1,4000}): no such file or directory\s*$"


def _script(case: Case) -> Diagnosis | None:
    """A script whose first line names no program. Linux says then that there is no such file, of the script itself."""
    if hit := find(WINDOWS, case.log):
        return _windows("the script", hit[1])
    hit = find(NO_INTERPRETER, [*case.log, case.reason])
    if not hit or case.exit_code == 0:
        return None
    name = hit[0][1].rpartition("/")[2]
    first = case.first_line(name)
    if first.endswith("\r"):
        return _windows(name, hit[1])
    cause = f"{name} can't be started: its first line names a program that the image lacks"
    fix = "look at its first line, and whether it ends with a Windows line ending, which counts as a part of the name"
    return Diagnosis(cause, (hit[1], *([first] if first else [])), fix, sure=False)


def _windows(name: str, text: str) -> Diagnosis:
    fix = "save it with Unix line endings (`sed -i 's/\\r$//'`), and keep them: `*.sh text eol=lf` in .gitattributes"
    return Diagnosis(f"{name} has Windows line endings in its first line", (text,), fix)


def _capacity(case: Case) -> Diagnosis | None:
    if case.event is not Event.NO_CAPACITY:
        return None
    if "RESOURCE:GPU" in case.reason:
        fix = "its Auto Scaling group needs instances with a free GPU: look at its limits"
        return Diagnosis("no instance of the capacity provider has a free GPU", (case.reason,), fix)
    if case.managed:
        return _no_instance(case)
    if NOT_BEGUN in case.reason:
        fix = "try again later, name another capacity provider, or more subnets in other availability zones"
        return Diagnosis("nothing had room for the task until its run.max_duration was over", (case.reason,), fix)
    if re.search(FARGATE_QUOTA, case.reason):
        fix = "ask for more under Service Quotas, AWS Fargate, or wait for what else runs in the account and region"
        return Diagnosis("the account's quota of Fargate is used up", (case.reason,), fix)
    return Diagnosis(
        "Fargate has no room for the task now",
        (case.reason or "no capacity",),
        "try again later, name another capacity provider, or more subnets in other availability zones",
        "run:\n  capacity: [FARGATE_SPOT, FARGATE]",
    )


def _no_instance(case: Case) -> Diagnosis:
    """EC2 has no instance for a task on managed instances, or the account may have no more of them."""
    if limit := re.search("VcpuLimitExceeded|MaxSpotInstanceCountExceeded", case.reason):
        quota = (
            "All ... Spot Instance Requests" if limit[0].startswith("MaxSpot") else "Running On-Demand ... instances"
        )
        fix = f"ask for more under Service Quotas, EC2, `{quota}`: a new account may have no GPUs at all"
        return Diagnosis("the account's quota of such instances is used up", (case.reason,), fix)
    return Diagnosis(
        "EC2 has no instance that is enough for the task now",
        (case.reason or "no capacity",),
        "try again later, allow more kinds of GPUs (task.gpu_type), or more subnets in other availability zones",
        "run:\n  capacity: [managed-spot, managed]",
    )


def _launching(case: Case) -> Diagnosis | None:
    """What the roles of managed instances don't allow; AWS tells it with the task that waits for an instance."""
    text = matching_reason(r"Unable to launch an instance|didn't register with the cluster", case)
    if not text or case.event is not Event.NOT_STARTED:
        return None
    fix = "run `apply`: it puts the infrastructure role, the instance role and its profile right"
    return Diagnosis("ECS may not launch an instance for the task", (text,), fix)


def _refused(case: Case) -> Diagnosis | None:
    """A launch of the schedule's function, which can't tell anybody but by the record."""
    text = matching_reason(r"calling the (RunTask|CreateSchedule) operation|ECS launched nothing", case)
    if not text or case.event is not Event.NOT_STARTED:
        return None
    if re.search(r"AccessDenied|not authorized", text, re.IGNORECASE):
        fix = "run `apply`: it gives its role the policy that it needs"
        return Diagnosis("the schedule's function may not launch the task", (text,), fix)
    fix = "run `plan`: it shows what isn't as the file has it; then `apply`, which launches the same task"
    return Diagnosis("ECS refused to launch the task", (text,), fix)


START: tuple[DiagnosisRule, ...] = (
    _refused, _launching, _secret, _log_group, _image_large, _image_limited, _image_missing, _image_denied,
    _image_platform, _image_unreachable, _interface, _image_other, _script, variable, command, _capacity,
)  # fmt: skip
