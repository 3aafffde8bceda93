"""Hints that name a command: each is in the table with a test that does what it says, and a new one has to be added."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.cli.arguments import parser
from reconciler.cli.interrupt import command
from reconciler.cli.program_name import program
from tests.engine.project import Project
from tests.engine.project import project as project

ROOT = Path(__file__).parents[2]
VERBS = (
    "apply", "cost", "destroy", "diagnose", "doctor", "import", "init", "local", "logs", "permissions", "plan",
    "recover", "rollback", "runs", "show", "status", "stop", "unlock", "verify", "watch",
)  # fmt: skip
NAMES_ONE = re.compile(
    rf"`(?:python -m reconciler )?(?:{'|'.join(VERBS)})\b[^`]*`|python -m reconciler|to continue: "
    r"|\brun (?:it|this|that|the (?:same )?command|again)\b|then this again"
)
ANYWHERE = "tests/faults/test_stop_anywhere.py::test_stop_anywhere"  # stopped at any call, then the command again
MOVED = "tests/engine/test_apply_file.py::test_it_goes_on_where_it_was_stopped"
PUSH = "tests/image/test_push.py::test_push_goes_on_where_it_broke"
NAMED = "tests/cli/test_hints.py::test_the_commands_that_hints_name"
FAILED = "tests/run/test_diagnoses.py::test_a_program_that_fails"
TAKEN = "tests/run/test_diagnoses.py::test_what_is_taken_away_while_the_task_starts"
FORGOTTEN = "tests/run/test_coming_back.py::test_a_task_that_ecs_has_forgotten"
STOPPED = "tests/run/test_coming_back.py::test_after_a_stop_apply_launches_anew"
RENAMED = "tests/run/test_launch.py::test_a_family_that_was_changed_meanwhile_is_named_and_with_it_the_run_goes_on"
UNLAUNCHED = "tests/run/test_launch.py::test_a_run_that_is_not_launched_is_launched_or_ended"
SWEEP = "tests/run/test_sweep.py::test_a_sweep_and_its_going_on"
CREDENTIALS = "tests/faults/test_credentials.py::test_who_has_logged_in_may_go_on"
REFUSED = "tests/local/test_behaviour.py::test_a_refused_launch_can_be_tried_again_with_the_same_token"
EMPTIED = "tests/kinds/test_bucket_is_emptied.py::test_unfinished_uploads_and_old_versions_go_first"
SERVICE = "tests/run/test_service.py::test_a_service_from_its_first_task_to_its_end"
HELD = "tests/faults/test_cases.py::test_case"
POLICY = (
    "tests/permissions/test_enforced.py::test_each_command_works_with_its_policy_alone_and_not_without_a_part_of_it"
)
ROLLBACK = "tests/run/test_rollback.py::test_it_holds_until_an_apply_changes_it_or_it_is_undone"
UNATTENDED = "tests/faults/test_unattended.py::test_its_client_is_killed_after_any_call"
LOCAL = "tests/cli/test_end_to_end.py::test_local_status_stop_reset"
IMPORTED = "tests/importer/test_import.py::test_what_we_made_ourselves_comes_back"
# What names a command, {} for what is filled in: the test that runs what it names.
HINTS: dict[str, str] = {
    # Again, after what stopped it.
    "  this is a bug of ours; RECONCILER_DEBUG=1 shows where. Nothing is lost: run the command again.": ANYWHERE,
    "AWS had a failure: run the command again": ANYWHERE,
    "AWS's message says why; put it right and run the command again": MOVED,
    "it stayed so for {} s: run the command again": ANYWHERE,
    "nothing was written since; what was done stays: run the command again": ANYWHERE,
    "put that right and run the command again": MOVED,
    "{}: end that, then run the command again": HELD,
    "; with `task.family: {}` and the cluster {} in it again, `apply` continues the run": RENAMED,
    "runs, results, data and logs are kept: `local reset` deletes them":
        "tests/local/test_kept.py::test_it_survives_the_end_of_the_process_but_no_reset",
    "its packages are no longer in {}; run `local reset`, then `apply`": LOCAL,
    "; if the bucket is yours, `python -m reconciler permissions` prints what to allow": POLICY,
    "--all is for `local stop`": "tests/local/test_idle.py::test_all_are_listed_and_stopped",
    "run it again": PUSH,
    "run this again": "tests/engine/test_given_data.py::test_verify_reads_it_as_the_program_would",
    "run the command again": ANYWHERE,
    "run the command again; add a file that the image doesn't need to .dockerignore":
        "tests/cli/test_door.py::test_what_is_said_where",
    "run the same command again": PUSH,
    "see its log, mend the program or the file, and run the command again": SERVICE,
    "to continue: {}": ANYWHERE,
    "what was done is kept; to continue: {}": ANYWHERE,
    "what was deleted stays deleted; to continue: {}": ANYWHERE,
    "something still writes into it: stop that and run it again": EMPTIED,
    "a retention (object lock), MFA delete or a policy may hold them; end that, then run it again": EMPTIED,
    "run `plan` again": NAMED,
    "make a new one: `plan --out`, with the file and the options of this one": MOVED,
    "run the command for each": "tests/engine/test_environments.py::test_what_env_means",
    # With another policy, or other credentials.
    "\nall that it needs: python -m reconciler permissions --for {}": POLICY,
    "add this policy (what couldn't be tried for it is in it too), and run the command again:\n{}": POLICY,
    "add this policy to it, and run the command again (or with {}, where IAM's simulator is wrong)": POLICY,
    "; then `apply` once with credentials of your own, since these roles can't change themselves": ANYWHERE,
    "; then `apply` once with credentials of your own, since that role can't change itself": ANYWHERE,
    "`apply` once with credentials of your own": ANYWHERE,
    "`apply` the file once with credentials of your own: that makes the provider in IAM; "
    "or the token is for another audience than {}":
        "tests/faults/test_job_role.py::test_a_job_applies_without_keys",
    "python -m reconciler permissions --for plan prints the policy": POLICY,
    "run `{}` for the same AWS_PROFILE, then this again": CREDENTIALS,
    "run `aws sso login` for the same AWS_PROFILE, then this again": CREDENTIALS,
    # Runs.
    "run `apply`": UNLAUNCHED,
    "run `apply` as for this run: it launches it": UNLAUNCHED,
    "{} is still to be launched, by an `apply` with its options": UNLAUNCHED,
    "nothing runs now; run the command again": REFUSED,
    "run {} has to be launched again, but its options are only in its record, which isn't trusted: run `apply` with "
    "the same options to continue it":
        "tests/run/test_forged.py::test_watch_launches_nothing_that_only_a_record_tells_of",
    "look at it: aws s3 cp {} -\nto run again what it is the record of: aws s3 rm {}":
        "tests/run/test_forged.py::test_a_record_that_cannot_be_read_is_said_and_nothing_is_trained_again",
    "run the same command again for the rest\n{}": SWEEP,
    "{}run the same command again for the rest": SWEEP,
    "{} ended with nobody watching; `watch {}` shows and records {}":
        "tests/run/test_coming_back.py::test_a_task_that_ended_while_nobody_looked",
    "`apply` launches one": UNLAUNCHED,
    "`runs show` lists the metrics of a run": NAMED,
    "more: python -m reconciler diagnose {}": FAILED,
    "Cost: a run is {}{}{}. `cost` shows the sums.": NAMED,
    "run `apply`: it puts the infrastructure role, the instance role and its profile right":
        "tests/run/test_managed_instances.py::test_roles_that_do_not_do_are_told_and_put_right",
    "  and {} more: `runs --limit N` lists all, `runs best` the best": NAMED,
    "`runs --limit N` lists all": NAMED,
    "`apply` makes what the file says": ROLLBACK,
    "`runs` lists them; name one": NAMED,
    "`runs` lists them": NAMED,
    "the records of {} runs are read, which takes long: `runs --rebuild` helps": NAMED,
    "{} runs aren't in the index yet and were left out: `runs --rebuild`": NAMED,
    "{} runs aren't in the index of runs yet: `runs --rebuild` puts them in": NAMED,
    "{} of the index of runs can't be read, and records are read instead: `runs --rebuild` makes it anew": NAMED,
    "; should it stay there, `apply` with the options that it was given launches it": UNATTENDED,
    "its log: `logs`": FAILED,
    "add {} to task.role.{}, and run `apply --skip-run`":
        "tests/run/test_like.py::test_what_is_gone_or_hidden_is_said_before_anything_is_done",
    "to launch what an earlier run was: `apply --like RUN`": "tests/run/test_like.py::test_it_is_what_the_run_was",
    "make it anew from its commit: check that out, then `apply`": ROLLBACK,
    "until an `apply` changes it, or `rollback --undo`": ROLLBACK,
    # Why a run failed, and what to do.
    "add it to what the Dockerfile installs; `apply` builds the image again": TAKEN,
    "build it for {} (`apply` does), or run it on {}": TAKEN,
    "check S3_BUCKET, S3_KEY and data.files; run `apply`": TAKEN,
    "run `apply` again; if it stays so, the subnet may have no free addresses": TAKEN,
    "run `apply` to launch it again": STOPPED,
    "run `apply` to launch it again; the log may say how far it came": FORGOTTEN,
    "run `apply` without --skip-image: it builds and pushes the image": TAKEN,
    "run `apply`: it gives its role the policy that it needs": TAKEN,
    "run `apply`: it makes the log group": TAKEN,
    "run `plan`: it shows what isn't as the file has it; then `apply`, which launches the same task": TAKEN,
    "wait and run `apply` again, or take the base image from public.ecr.aws, which has a higher limit": TAKEN,
    "{} must be allowed to pull from the image's repository (`apply` puts its policy right), and a repository of "
    "another account must allow this one": TAKEN,
    "{} needs logs:CreateLogStream and logs:PutLogEvents: `apply` attaches the policy": TAKEN,
    "{} needs ssm:GetParameters or secretsmanager:GetSecretValue on it (and kms:Decrypt for a key of your own); "
    "`apply` writes this policy for the ARNs under task.secrets": TAKEN,
    # Others.
    "protected by its tag reconciler:protect; `protect: false` and `apply --target {}` take that away":
        "tests/engine/test_protect.py::test_it_doesnt_end_when_it_leaves_the_file",
    "check the path; `init` writes a file": NAMED,
    "not there; `python -m reconciler init` writes one": NAMED,
    (
        "the Dockerfile installs no packages: if the program needs some, write them into requirements.txt, delete the "
        "Dockerfile and run `init` again"
    ): "tests/cli/init/test_init.py::test_packages_that_are_named_later_are_installed",
    "python -m reconciler plan {} shows all of it": NAMED,
    "python -m reconciler apply": "tests/checks/verify/test_verify.py::test_verify",
    "`python -m reconciler plan {}` compares it with what is there; docs/deploy-yaml.md explains each field.": IMPORTED,
    "{} can't describe everything, or something doesn't exist; `plan` shows:": IMPORTED,
    "  {} apply{}           make it and run it": NAMED,
    "`apply --local` starts it": LOCAL,
    "not running; `apply --local` starts it": LOCAL,
    "`local status` says whether the embedded AWS runs": LOCAL,
    'eval "$(python -m reconciler local env)" gives this shell the key of the embedded AWS': LOCAL,
    "in a checkout: `make demo`, then .venv/bin/python -m reconciler; else pip install '.[local]' there":
        "tests/cli/test_system.py::test_a_python_without_the_packages",
}  # fmt: skip
# Texts that name a command and advise none of a state that it is to mend.
NO_HINTS = frozenset((
    "it is in the deploy's own bucket, which `destroy --delete-data` deletes with all that is in it",
    "into the embedded AWS, which `python -m reconciler local env` leads to",
    (
        "Keep runs and their results for this many days after their end; then S3 deletes them, and the same inputs may "
        "be run again. Default: for ever."
    ),
    "`python -m reconciler plan {}` shows what would be made; Copilot's resources aren't changed.",
    "# One training pipeline in AWS. What isn't said here has a default: `python -m reconciler show` prints all.",
    "--env {}=…: only `apply` takes variables",
    (
        "Stop the run when its tasks, all attempts together, have cost this much in US dollars by the list prices that "
        "`cost` uses, even when nobody watches it."
    ),
    "The most that one `apply` of the sweep may cost in US dollars, all of its runs together: docs/cost.md.",
    "Nothing to run: every combination has a run that succeeded.",
    "Until `apply --adopt` marks them as this deploy's, resources are used as they are and never changed.",
    "`runs {}` takes {} name(s), got {}",
    "as found; without it, what `apply` needs on each push and no more",
    "ci: # GitHub Actions of this repository: `apply` on the branch, `plan` in pull requests; no stored key",
    "only a run that `apply` launches has it",
    "    drift: true # a nightly `plan`, which keeps an issue while something differs",
    "/tmp/reconciler/bin/python -m reconciler apply {} --wait-for-lock 600",
    "ci: # GitLab CI/CD of this project: `apply` on the branch; no stored key",
    "let the job have `permissions: {id-token: write}`",
    'python -m reconciler plan {} --markdown > "$RUNNER_TEMP/plan.md"',
    "the token has ended: let the job run again",
    "exec python -m reconciler apply {} --wait-for-lock 600",
    "exec python -m reconciler plan {}",
    "python -m reconciler",
    "`plan` shows what apply would do;",
    "{} was edited or damaged: it isn't as `plan --out` wrote it",
    (
        "the file lets the program write the records of runs, by which `apply` decides what to run and what a run's "
        "end was; its results need no more than task.role.write: [{}]"
    ),
    "the record was changed, or `logs` or task.container in deploy.yaml were and its definition was deleted",
    "the root user may do everything; a user or a role with `permissions` is safer",
    "{} has tags of its own, which `apply --adopt` would take away: {}",
    "the record of run {} names {}, which isn't a definition that `apply --like` makes",
    "run {} repeats a run that repeats another, and so on, {} times or more",
))  # fmt: skip
# Help, descriptions and generated pages.
HELP = {
    "cli/arguments.py", "cli/failure.py", "cli/permissions.py", "cli/plan_format.py", "cli/publish.py",
    "cli/top_help.py", "config/publish.py", "config/schema.py",
}  # fmt: skip


def texts(path: Path) -> Iterator[str]:
    """The texts of a module, with {} for what is filled in, without docstrings."""
    tree, left_out = ast.parse(path.read_text()), set[int]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and isinstance(node.body[0], ast.Expr):
            left_out.add(id(node.body[0].value))
        if isinstance(node, ast.JoinedStr):
            left_out |= {id(part) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in left_out:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@cache
def found() -> frozenset[str]:
    base = ROOT / "reconciler"
    paths = [path for path in base.rglob("*.py") if str(path.relative_to(base)) not in HELP]
    return frozenset(text for path in paths for text in texts(path) if NAMES_ONE.search(text))


def test_every_hint_is_in_the_table() -> None:
    assert found() == HINTS.keys() | NO_HINTS


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("test", sorted(set(HINTS.values())))
def test_what_runs_it_is_there(test: str) -> None:
    path, _, name = test.partition("::")
    assert name in names_in(path)


def test_the_commands_that_hints_name(project: Project) -> None:
    """Those whose tests are elsewhere are left out."""
    (project.folder / "deploy.yaml").rename(project.folder / "kept.yaml")
    (project.folder / "Dockerfile").write_text("FROM scratch\n")
    assert "init` writes one" in project.run("doctor").out
    project.ok("init", "--yes")
    project.ok("plan", "--skip-image")
    (project.folder / "kept.yaml").rename(project.folder / "deploy.yaml")
    project.ok("plan", "--out", "plan.json")
    project.ok("apply", "plan.json")
    project.ok("plan", "deploy.yaml")
    project.ok("unlock")
    project.ok("runs")
    project.ok("runs", "--rebuild")
    project.ok("cost")
    for verb in ("plan", "apply", "run", "destroy", "verify"):
        project.ok("permissions", "--for", verb)


@pytest.mark.parametrize("file", ["deploy.yaml", "other.yaml", "my deploys/it's $one.yaml"])
@pytest.mark.parametrize(
    ("verb", "run"),
    [("apply", ""), ("unlock", ""), ("runs", ""), ("watch", "20261129-1"), ("logs", "20261129-1"),
     ("stop", "20261129-1"), ("diagnose", "20261129-1")],
)  # fmt: skip
def test_a_command_does_what_it_says_whatever_the_file(verb: str, run: str, file: str) -> None:
    where: Any = SimpleNamespace(file=Path(file), environment="prod", local=Path("home"))
    words = shlex.split(command(where, verb, run).removeprefix(program()))
    read = parser().parse_args(words)
    assert (Path(read.file), read.env, read.local, getattr(read, "run", "")) == (Path(file), ["prod"], True, run)
