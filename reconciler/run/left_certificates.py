"""Delete the certificates of runs with workers that need none any more, where nobody was there to see their end."""

from __future__ import annotations

from functools import partial

from reconciler.aws.calls import Aws
from reconciler.core.run_paths import is_run_id
from reconciler.core.workers import certificates_path, secret_name
from reconciler.run.index import ended
from reconciler.run.launch import find_task
from reconciler.run.place import Place
from reconciler.run.run_record import Runs
from reconciler.run.step import Rules
from reconciler.run.stored import Unreadable
from reconciler.run.unwatched_ends import with_ends

QUIET = 3600.0  # seconds after which nobody is about to launch a run's next task: a launch makes a certificate again


def delete_left(aws: Aws, runs: Runs, place: Place, rules: Rules, deploy: str, active: str = "") -> None:
    """Delete what clients left that were killed, and runs that a deadline ended. One read where there is none.

    place, rules: the deploy's, whose name is `deploy`; active: the id of a run that somebody sees through. Raises
    AwsError.
    """
    parameters = aws.pages("ssm", "GetParametersByPath", "Parameters", Path=certificates_path(deploy))
    ids = [parameter["Name"].rpartition("/")[2] for parameter in parameters]
    ids = [run_id for run_id in ids if is_run_id(run_id) and run_id != active]
    needless = aws.each(partial(_is_needless, aws, runs, place, rules), ids)
    for run_id in (candidate for candidate, deleted in zip(ids, needless, strict=True) if deleted):
        aws.find("ssm", "DeleteParameter", Name=secret_name(deploy, run_id))


def _is_needless(aws: Aws, runs: Runs, place: Place, rules: Rules, run_id: str) -> bool:
    """Whether a run has no record any more, is over, or has no task and wasn't launched for an hour."""
    try:
        run = runs.get(run_id)
    except Unreadable:
        return False
    if run is None:
        return True
    ((run,), _) = with_ends(aws, place, rules, [run])
    last = run.attempts[-1] if run.attempts else None
    if run.state.over or last is None:
        return run.state.over or ended(run) + QUIET < runs.now()
    if ended(run) + QUIET > runs.now() or (last.task_arn and last.event is None):
        return False
    return last.event is not None or find_task(aws, place, last) is None
