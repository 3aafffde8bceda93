"""Why a task that ran ended badly: stopped from outside, out of something, refused, or by its own failure. Pure."""

from __future__ import annotations

import json
import re

from reconciler.core.fargate import SIZES, next_size
from reconciler.core.run_paths import RUNS, of_any_run
from reconciler.run.diagnosis import TRACEBACK, Case, Diagnosis, DiagnosisRule, InOrder, find, matching_reason, no_route
from reconciler.run.explain_missing import OURS, file, module, unset_variable
from reconciler.run.retry import LOST_HOST, LOST_SCHEDULER, NOT_BEGUN, Event

UNITS = {"KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0, "TiB": 1024.0**2}  # in MiB


def _memory(case: Case) -> Diagnosis | None:
    """Killed at the limit, which therefore was its peak; or refused a piece, whose size numpy tells."""
    by_ecs = matching_reason(r"OutOfMemory", case)
    by_program = find(r"\bMemoryError\b|std::bad_alloc|Cannot allocate memory|Unable to allocate", case.telling)
    if not by_ecs and not (by_program and case.exit_code not in (0, None)):
        return None
    text = by_ecs or (by_program[1] if by_program else "")
    cause, least, up = f"out of memory: its peak reached the {case.memory} MiB that the task has", case.memory, "up"
    if not by_ecs:
        cause = f"out of memory: it needs more than the {case.memory} MiB that the task has"
        if match := re.search(r"Unable to allocate ([\d.]+) ([KMGT]iB)", text):
            least = max(least, int(float(match[1]) * UNITS[match[2]]))
            up = f"that holds the {match[1]} {match[2]} which it asked for at once" if least > case.memory else "up"
    if case.managed:
        return Diagnosis(cause, (text,), f"give it more than {least} MiB", f"task:\n  memory: {2 * least}")
    cpu, memory = size = next_size(case.cpu, case.memory)
    while memory <= least and next_size(*size) != size:
        cpu, memory = size = next_size(*size)
    if memory <= least:
        return Diagnosis(f"{cause}, and Fargate has no size that is enough", (text,), "use less memory")
    change = f"task:\n  cpu: {cpu}\n  memory: {memory}"
    return Diagnosis(cause, (text,), f"the next size {up} has {memory} MiB", change)


def _spot(case: Case) -> Diagnosis | None:
    if case.event is not Event.INTERRUPTION:
        return None
    if LOST_SCHEDULER in case.reason:
        fix = (
            "give the task more memory, which the scheduler shares, or allow more retries under run.retry.interruption"
        )
        return Diagnosis(LOST_SCHEDULER, (case.reason,), fix)
    places = "[managed-spot, managed]" if case.managed else "[FARGATE_SPOT, FARGATE]"
    if case.reason.startswith(LOST_HOST):
        fix = "with a checkpoint the next attempt continues (run.checkpoint); more attempts: run.retry.interruption"
        return Diagnosis("the instance that it ran on was lost", (case.reason,), fix, "run:\n  checkpoint: true")
    return Diagnosis(
        "Spot took the capacity back",
        (case.reason or "stop code SpotInterruption",),
        "fall back to on-demand capacity, or allow more retries under run.retry.interruption",
        f"run:\n  capacity: {places}",
    )


def _timeout(case: Case) -> Diagnosis | None:
    if case.event is not Event.TIMEOUT:
        return None
    longer = f"run:\n  max_duration: {2 * case.max_duration}" if case.max_duration else ""
    limit = f" of {case.max_duration} s" if case.max_duration else ""
    if NOT_BEGUN in case.reason:
        cause, fix = "its image was still being pulled when its run.max_duration was over", "make the image smaller"
        return Diagnosis(cause, (case.reason,), f"{fix}, or allow it longer", longer)
    return Diagnosis(
        f"it ran longer than its run.max_duration{limit}",
        (case.reason,),
        "allow it longer, or give it more CPU",
        longer,
    )


def _too_dear(case: Case) -> Diagnosis | None:
    if case.event is not Event.MAX_COST:
        return None
    fix = "allow it more (run.max_cost, or that of the sweep), or give it a smaller size"
    return Diagnosis("it reached its limit in dollars, run.max_cost", (case.reason,), fix)


def _stopped(case: Case) -> Diagnosis | None:
    if case.event is not Event.STOPPED:
        return None
    cause, fix = "somebody stopped it", "run `apply` to launch it again"
    if case.exit_code == 137:
        cause += ", and it was killed, since it didn't end by itself"
        fix += "; a program that handles SIGTERM can save what it has"
    return Diagnosis(cause, (case.reason or "stop code UserInitiated",), fix)


def _worker(case: Case) -> Diagnosis | None:
    """The program failed for want of what a worker had."""
    match = re.search(r"worker [0-9]+ was out of memory \(([0-9]+) MiB\)", case.reason)
    if case.event is not Event.ERROR or not match:
        return None
    enough = [mib for row in SIZES.values() for mib in row if mib >= 2 * int(match[1])]
    advice = f"give each more memory (run.workers.memory: {min(enough)}), or " if enough else ""
    return Diagnosis(match[0], (case.reason,), f"{advice}share the data among more of them (run.workers.count)")


ACTION = re.compile(
    r"not authorized to perform:?\s*(?P<action>[\w-]+:\w+)(?:\s+on resource:?\s*\"?(?P<resource>arn:[^\s\"']+|\*))?",
    re.IGNORECASE,
)


OPERATION = re.compile(r"when calling the (?P<operation>\w+) operation")
ACTIONS = {
    "HeadObject": "s3:GetObject", "GetObject": "s3:GetObject", "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject", "UploadPart": "s3:PutObject", "ListObjectsV2": "s3:ListBucket",
    "ListObjects": "s3:ListBucket", "HeadBucket": "s3:ListBucket", "DeleteObject": "s3:DeleteObject",
}  # fmt: skip
LISTS = {"s3:getobject": "read", "s3:putobject": "write"}


def _denied(case: Case) -> Diagnosis | None:
    pattern = r"AccessDenied|Access Denied|not authorized to perform|\(403\)"
    hit = find((pattern, InOrder("Forbidden", "(Head|Get)Object")), case.telling)
    if not hit or case.exit_code == 0:
        return None
    evidence = hit[1]
    action, resource = "", ""
    if match := ACTION.search(evidence):
        action, resource = match["action"], match["resource"] or ""
        if not resource and re.search(r":(Describe|List)", action):  # of which most are allowed for all or not at all
            resource = "*"
    elif match := OPERATION.search(evidence):
        action = ACTIONS.get(match["operation"], "")
    if not action:
        return Diagnosis(
            f"AWS refused something to {case.task_role}",
            (evidence,),
            "add what it needs under task.role: read and write are paths of the bucket, policy is a whole document",
            sure=False,
        )
    section = LISTS.get(action.lower(), "")
    bucket, _, path = resource.partition(":::")[2].partition("/")
    path = of_all_runs(path or (case.data if section == "read" else ""))
    only_policy = case.policy and not case.read and not case.write
    if refusal := re.search(r"with an explicit deny[^\n]{0,100}|because no (?!identity)[^\n]{0,100}", evidence):
        fix, change = f"another policy refuses it ({refusal[0].strip()}): change that first", ""
    elif section and path and bucket in ("", case.bucket or bucket) and not only_policy:
        paths = dict.fromkeys((*(case.read if section == "read" else case.write), path))
        change = f"task:\n  role:\n    {section}: [{', '.join(paths)}]"
        fix = f"add {path} to task.role.{section}, the paths of the bucket that the program may {section}"
    else:
        fix, change = _statement(case, action, of_any_run(resource))
    return Diagnosis(f"{case.task_role} may not {action}", (evidence,), fix, change)


def _statement(case: Case, action: str, resource: str) -> tuple[str, str]:
    """How to allow it beside what the role allows already, and the change of deploy.yaml that does."""
    fix = f"allow {action} on {resource or 'what it asked for'} with a statement under task.role.policy"
    if action.lower() == "s3:listbucket":
        fix = f"list with a Prefix, one of the paths in task.role.read and write; or {fix}"
    section = "write" if case.write else "read"
    beside = f"    {section}: [{', '.join(case.write or case.read)}]\n" if case.write or case.read else ""
    if not case.policy:
        fix += ", beside task.role.read or write: a policy alone replaces what the role has"
    if not resource or not (beside or case.policy):
        return fix, ""
    statements = [*case.policy, {"Effect": "Allow", "Action": action, "Resource": resource}]
    rows = "".join(f"\n      - {json.dumps(statement)}" for statement in statements)
    return fix, f"task:\n  role:\n{beside}    policy:\n      Statement:{rows}"


def of_all_runs(path: str) -> str:
    """A path of one run as that of all: a role that names this run alone would have the next one refused."""
    first, *rest = path.split("/")
    if first != RUNS or len(rest) < 2:
        return of_any_run(path)
    return of_any_run("/".join([first, "*", *rest[1:-1], "*" if len(rest) > 2 else rest[-1]]))


def _no_data(case: Case) -> Diagnosis | None:
    pattern = r"NoSuchKey|NoSuchBucket|The specified (key|bucket) does not exist|\(404\)"
    hit = find((pattern, InOrder("HeadObject", "Not Found")), case.telling)
    if not hit or case.exit_code == 0:
        return None
    return Diagnosis(
        "an object or bucket isn't there", (hit[1],), "check S3_BUCKET, S3_KEY and data.files; run `apply`"
    )


def _disk(case: Case) -> Diagnosis | None:
    hit = find(r"No space left on device|ENOSPC|disk quota exceeded", case.telling)
    if not hit:
        return None
    return Diagnosis("the disk is full", (hit[1],), "give it a larger one", "task:\n  ephemeral_storage: 50")


def _read_only(case: Case) -> Diagnosis | None:
    hit = find(r"Read-only file system", case.telling)
    return hit and Diagnosis("the file system is read-only", (hit[1],), "write to /tmp or to OUTPUT_URI")


def _network(case: Case) -> Diagnosis | None:
    pattern = (
        r"Could not connect to the endpoint|ConnectTimeout|EndpointConnectionError|Temporary failure in name resolution"
    )
    hit = find(pattern, case.telling)
    return no_route(hit[1]) if hit and case.exit_code != 0 else None


def _crash(case: Case) -> Diagnosis | None:
    if case.exit_code not in (134, 136, 139):
        return None
    names = {134: "aborted (SIGABRT)", 136: "an arithmetic error (SIGFPE)", 139: "a segmentation fault (SIGSEGV)"}
    return Diagnosis(
        f"the program ended by {names[case.exit_code]}",
        (f"exit code {case.exit_code}", *case.log[-2:]),
        "a library in native code failed: check its version and that the image is built for this architecture",
    )


LIBRARY = re.compile(r'File "(?:<frozen |.*/(?:lib|lib64)/python3(?:\.\d+)?/|.*/site-packages/)')
NO_KEY = re.compile(r"KeyError: '(\w+)'")


def _exception(case: Case) -> Diagnosis | None:
    """The program's own exception: the last line of a Python traceback, with where it was raised."""
    start = max((i for i, line in enumerate(case.log) if TRACEBACK in line), default=None)
    if start is None or case.exit_code == 0:
        return None
    lines = case.log[start + 1 :]
    # The first line that isn't indented says what was raised; carets and source lines are indented.
    raised = next((line for line in lines if re.match(r"[A-Za-z_][\w.]*(:|$)", line)), "")
    places = [line.strip() for line in lines if line.strip().startswith('File "')]
    # The program's own line says more than that of Python's library in which it ended.
    place = [line for line in places if not LIBRARY.search(line)] or places
    if not raised:
        return None
    if (match := NO_KEY.match(raised)) and match[1] in OURS:
        return unset_variable(match[1], (*place[-1:], raised.strip()))
    return Diagnosis(
        f"the program failed: {raised.strip()}", (*place[-1:], raised.strip()), "correct the program or its input"
    )


def _killed(case: Case) -> Diagnosis | None:
    if case.exit_code == 137:
        fix = "most often that is memory: watch it, or give the task the next size up"
        return Diagnosis("the program was killed (SIGKILL)", ("exit code 137", case.reason), fix, sure=False)
    if case.exit_code == 143:
        return Diagnosis("the program was asked to end (SIGTERM)", ("exit code 143", case.reason), "see who stopped it")
    return None


def _no_code(case: Case) -> Diagnosis | None:
    if case.exit_code is not None or case.event is not Event.LOST:
        return None
    fix = "run `apply` to launch it again; the log may say how far it came"
    return Diagnosis("ECS doesn't say how it ended", (case.reason or "no exit code",), fix, sure=False)


END: tuple[DiagnosisRule, ...] = (
    _spot, _timeout, _too_dear, _stopped, _worker, _memory, _denied, _no_data, _disk, _read_only, _network, module,
    file, _crash, _exception, _killed, _no_code,
)  # fmt: skip
