"""What the commands about runs share: the file, the record of runs, and which run is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from reconciler.aws.calls import Aws
from reconciler.cli.interrupt import command
from reconciler.cli.target import Target
from reconciler.cli.terminal import Terminal
from reconciler.config.resource_names import Facts
from reconciler.core.errors import UserError
from reconciler.core.run_paths import is_run_id
from reconciler.lower import Names
from reconciler.lower.account import check_account
from reconciler.run.catalog import Catalog
from reconciler.run.index import Row
from reconciler.run.job import left_to_function, place_of, rules_of, runs_of
from reconciler.run.log_place import log_place
from reconciler.run.logs import TaskLog
from reconciler.run.place import Place
from reconciler.run.run import Run
from reconciler.run.run_record import Runs
from reconciler.run.stored import Unreadable
from reconciler.run.unwatched_ends import brought_up_to_date

SEVERAL = 5  # runs that are said to be meant


@dataclass(frozen=True)
class Past:
    """The runs of one deploy."""

    target: Target
    aws: Aws
    runs: Runs
    names: Names

    @property
    def place(self) -> Place:
        """Where the deploy's tasks are."""
        return place_of(self.target.deploy)

    def ends(self, runs: Sequence[Run | Row]) -> list[Run | Row]:
        """These runs as they are now. That one has ended without being recorded as such is said. Raises AwsError."""
        deploy = self.target.deploy
        left = partial(left_to_function, deploy)
        current, unrecorded = brought_up_to_date(self.aws, self.place, rules_of(deploy), runs, left)
        say_unseen(self.runs, unrecorded)
        return current

    def find(self, run_id: str) -> Run:
        """The run with this id, or whose id ends or begins like this; the newest for no id.

        Raises UserError; Unreadable for one whose record can't be read.
        """
        if is_run_id(run_id) and (exact := self.runs.kept(run_id)) is not None:
            return exact
        catalog = Catalog(self.runs)
        if run_id:
            ids = catalog.ids(run_id)[:SEVERAL]
            runs = [run for run in self.aws.each(self.runs.readable, ids) if run is not None]
        else:
            runs = whole_runs(catalog.newest(1, whole=True))
        if len(runs) > 1:
            raise UserError(f"{run_id} means several runs: {', '.join(run.id for run in runs)}")
        for key, why in self.runs.unreadable.items() if run_id and not runs else ():
            if run_id in key:
                raise Unreadable(key, why)
        if not runs:
            if not run_id:
                raise UserError("there is no run yet", hint="`apply` launches one")
            raise UserError(f"there is no run {run_id}", hint=f"`{command(self.target, 'runs', '')}` lists them")
        return runs[0]

    def ended(self, run_id: str) -> Run:
        """The run that `find` gives, as it is now."""
        (run,) = whole_runs(self.ends([self.find(run_id)]))
        return run

    def log(self, run: Run, number: int = 0) -> TaskLog:
        """The log of a run's newest attempt, or of that with this number. Raises UserError, NotOurs, AwsError."""
        arns = [a.task_arn for a in run.attempts if a.task_arn and number in (0, a.number)]
        if not arns and number > len(run.attempts) > 0:
            raise UserError(f"run {run.id} has no attempt {number}: its newest is {len(run.attempts)}")
        if not arns:
            which = f"attempt {number} of " if number else ""
            raise UserError(f"{which}run {run.id} has no task: nothing was launched")
        return log_of(self.aws, self.place, run, arns[-1])


def whole_runs(runs: Sequence[Run | Row]) -> list[Run]:
    """Those of them that are whole records, and not rows of the index."""
    return [run for run in runs if isinstance(run, Run)]


def say_unseen(runs: Runs, unseen: Sequence[str]) -> None:
    """Say that nobody has recorded how these runs ended."""
    if unseen:
        first, *others = unseen
        names = f"{', '.join(unseen[:-1])} and {unseen[-1]}" if others else first
        subject = f"{len(unseen)} runs" if len(unseen) > SEVERAL else f"run{'s' if others else ''} {names}"
        which = "one" if others else "it"
        runs.say(f"{subject} ended with nobody watching; `watch {first}` shows and records {which}")


def log_of(aws: Aws, place: Place, run: Run, task_arn: str) -> TaskLog:
    """The log of a run's task. Raises NotOurs where nobody knows where the run logged; AwsError."""
    place = log_place(aws, place, run)
    log = TaskLog(aws, place.log_group, place.log_prefix, task_arn)
    log.follow([place.container])
    return log


def past_of(target: Target, terminal: Terminal, *, read_only: bool = True) -> Past:
    """The runs of the file's deploy."""
    aws = target.aws(terminal, read_only=read_only)
    check_account(aws, target.deploy)
    # The bucket's name may hold the account's id; nothing else of the account matters here.
    account = "" if target.deploy.data.bucket.name else aws.account
    names = Names(target.deploy, Facts(account, aws.partition, "", ()))
    return Past(target, aws, runs_of(aws, names, terminal.note), names)
