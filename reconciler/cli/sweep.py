"""A sweep as it is run and shown: a live table at a terminal, a line for each run that ends, a table at the end."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from reconciler.cli.diagnose import diagnosis_of
from reconciler.cli.failure import Result, Verdict
from reconciler.cli.interrupt import choose, come_back, command
from reconciler.cli.target import Target
from reconciler.cli.task import CTRL_C, notifier
from reconciler.cli.terminal import Terminal, seconds
from reconciler.cli.under_way import say_others
from reconciler.cli.verdict import SOME_FAILED, RunFailed, verdict
from reconciler.cli.work import Ended, OneOf, RunWork, Swept
from reconciler.config.run import Sweep
from reconciler.core.errors import AwsError, EmbeddedAwsEnded, Interrupted, ReconcilerError
from reconciler.core.plain_json import Rows, plain
from reconciler.core.secret import KNOWN
from reconciler.engine.deployment import Deployment
from reconciler.run.diagnosis import Diagnosis
from reconciler.run.fingerprint import fingerprint
from reconciler.run.fleet import Fleet
from reconciler.run.hand_over import given_over
from reconciler.run.job import Decision, base_of, decide, function_of, supervisor
from reconciler.run.launch import new_run
from reconciler.run.launch_settings import LaunchSettings
from reconciler.run.notify import of_sweep
from reconciler.run.overrides import check_given
from reconciler.run.place import NotOurs
from reconciler.run.run import Overrides, Run
from reconciler.run.run_record import Runs
from reconciler.run.state import State
from reconciler.run.stored import Changed
from reconciler.run.sweep import label
from reconciler.run.watch import Silent

LIVE = 20  # tasks that are shown as they run
SHOWN, FAILED = 50, 20  # runs in the table at the end; and of those after them so many that didn't succeed


class SweepWork(RunWork):
    """One task for each combination. combinations: the runs' environments; sweep: its section, None for --count."""

    def __init__(
        self,
        target: Target,
        deployment: Deployment,
        runs: Runs,
        terminal: Terminal,
        on_interrupt: str,
        overrides: Overrides,
        combinations: Sequence[dict[str, str]],
        max_parallel: int,
        sweep: Sweep | None,
    ) -> None:
        super().__init__(target, deployment, runs, terminal, on_interrupt, overrides)
        self.all_overrides = [overrides.with_environment(combination) for combination in combinations]
        for combined in self.all_overrides:
            check_given(combined)
        self.names = {name for combination in combinations for name in combination}
        self.max_parallel, self.sweep = max_parallel, sweep
        # `list`, as a sweep's combinations are in the file: what is secret in them is seen by its variable's name.
        content = KNOWN.marked({"list": list(combinations), "overrides": plain(overrides)}, deployment.names.bucket)
        content = {"combinations": content["list"], "overrides": content["overrides"]}
        self.id = f"sweep-{fingerprint(content)[:8]}"
        self.decisions: list[Decision] = []
        self.launch: LaunchSettings | None = None
        self.todo: list[Run] = []
        self.all: list[Run] = []

    def decide(self) -> None:
        """Read each combination's newest run, where there is one."""
        self.runs.look_ahead(len(self.all_overrides))
        base, self.decisions = base_of(self.deployment), []  # what was decided before isn't held beside it
        decisions = self.deployment.aws.each(
            lambda overrides: decide(self.deployment, self.runs, overrides, base), self.all_overrides
        )
        # With the file's own variables, two combinations may be the same run.
        first: dict[str, tuple[Decision, Overrides]] = {}
        for decision, overrides in zip(decisions, self.all_overrides, strict=True):
            first.setdefault(decision.fingerprint, (decision, overrides))
        self.decisions = [decision for decision, _ in first.values()]
        self.all_overrides = [overrides for _, overrides in first.values()]

    @property
    def launches(self) -> bool:
        """Whether some combination has no good run yet."""
        return any(decision.action != "none" for decision in self.decisions)

    def start_with(self, launch: LaunchSettings, check: Callable[[], None]) -> None:
        """Write down every run that is to be: what launches them comes after the lock."""
        self.launch = launch
        if stopping := [d.run for d in self.decisions if d.run is not None and d.run.state is State.STOPPING]:
            self.terminal.say(f"Waiting for the end of {len(stopping)} tasks that were stopped")
            seer = supervisor(self.deployment, self.runs)

            def end(run: Run) -> None:
                run = given_over(self.runs, run, unattended=False) if run.unattended else run
                if not run.state.over:
                    seer.finish(launch, run)

            self.deployment.aws.each(end, stopping)
            self.decide()
        now = self.deployment.aws.clock.now()
        if any(decision.action == "launch" for decision in self.decisions):
            check()

        taken = {d.run.id: d.fingerprint for d in self.decisions if d.run}

        def make(decision: Decision, overrides: Overrides) -> Run:
            if decision.action == "resume" and decision.run is not None:
                return replace(decision.run, overrides=overrides)
            run = new_run(
                self.runs,
                launch,
                decision.fingerprint,
                decision.inputs,
                now,
                overrides,
                previous=decision.run.id if decision.run else "",
                sweep=self.id,
                taken=taken,
            )
            taken[run.id] = run.fingerprint
            return run

        pairs = [pair for pair in zip(self.decisions, self.all_overrides, strict=True) if pair[0].action != "none"]
        self.runs.later, self.runs.over = True, {d.run.id for d in self.decisions if d.run and d.run.state.over}
        self.todo = [make(*pair) for pair in pairs]  # one after the other: each has an id of its own
        new = [run for (decision, _), run in zip(pairs, self.todo, strict=True) if decision.action == "launch"]
        self.deployment.aws.each(self.runs.put, new)
        self.runs.flush()
        # One that was written down and never launched is still to be launched.
        under_way = sum(d.action == "resume" and d.run is not None and bool(d.run.task_arn) for d in self.decisions)
        self.terminal.say(
            f"Sweep {self.id}: {len(self.decisions)} combinations, {len(self.decisions) - len(pairs)} done before, "
            f"{under_way} under way, {len(pairs) - under_way} to launch, at most {self.max_parallel} at once"
        )
        if len(pairs) > under_way:
            say_others(self.terminal, self.target, self.deployment, self.runs, {run.id for run in self.todo})

    def finish(self) -> int:
        """Run what is left, then show all."""
        try:
            return self._finish()
        finally:
            self.runs.flush()

    def _finish(self) -> int:
        ended_runs: dict[str, Run] = {}
        if self.launch is not None and self.todo:
            limit = self.sweep.max_cost if self.sweep else None
            screen = SweepScreen(self.terminal, len(self.todo), self.name, self.deployment.aws.clock.now)
            fleet = Fleet(supervisor(self.deployment, self.runs), self.launch, self.max_parallel, screen, limit)
            try:
                ended_runs = {run.fingerprint: run for run in self._explained(fleet, fleet.work(self.todo))}
            except Interrupted:
                self.terminal.status("")
                self._interrupted(fleet)
            except ReconcilerError as error:
                self.terminal.status("")
                tasks = "" if isinstance(error, EmbeddedAwsEnded) else "running tasks continue; "
                hint = f"{tasks}run the same command again for the rest"
                raise RunFailed(f"lost sight of {self.id}: {error}", hint=hint) from None
            self.terminal.status("")
            message = of_sweep(self.deployment.deploy.name, self.id, list(ended_runs.values()), self.name)
            notifier(self.terminal, self.deployment).tell(message)
        else:
            self.terminal.say("Nothing to run: every combination has a run that succeeded.")
        runs = [ended_runs.get(d.fingerprint) or d.run for d in self.decisions]
        self.all = [run for run in runs if run is not None]
        show_table(self.terminal, self.all, self.name, self.sweep)
        if failed := [run for run in self.all if run.state is State.FAILED]:
            self.terminal.print(f"  why, for instance: {command(self.target, 'diagnose', failed[0].id)}")
        return 0 if len(self.all) == len(runs) and all(r.state is State.SUCCEEDED for r in self.all) else SOME_FAILED

    def _explained(self, fleet: Fleet, runs: Sequence[Run]) -> list[Run]:
        """The runs with why they failed, in their records too: all have been recorded, and their last lines may be
        late. They are waited for at the same time; Ctrl-C ends that wait and nothing else.
        """
        lines = Rest(self.terminal)

        def explained(run: Run) -> Run:
            if run.state is not State.FAILED or run.why or not run.task_arn:
                return run

            def cause(log_lines: Sequence[str]) -> Diagnosis:
                return diagnosis_of(self.deployment.deploy, run, self.target.base, log_lines, self.target.local)

            try:
                why = cause(fleet.last_lines(run, lines, lambda log_lines: cause(log_lines).known))
                if why.known:
                    run = replace(run, why=why.cause)
                    self.runs.put(run)
            except (AwsError, Changed, NotOurs):
                return run  # its end is recorded, and `diagnose` looks again
            return run

        with_causes = self.deployment.aws.each(explained, runs)
        if lines.interrupted:
            self.target.stop.clear()
        return with_causes

    def name(self, run: Run) -> str:
        """A run's combination, for people."""
        return label({k: KNOWN.shown(k, v) for k, v in run.overrides.environment.items() if k in self.names})

    def ended(self, code: int) -> Ended:
        """How it ended, for --json."""
        counts = dict(Counter(run.state.value for run in self.all))
        result: Result = "some-failed" if code == SOME_FAILED else "succeeded" if self.todo else "nothing-to-run"
        swept = Swept(self.id, counts, Rows(self.all, lambda run: OneOf(verdict(run, code), run)))
        return Ended(Verdict(result, code, None), sweep=swept)

    def _interrupted(self, fleet: Fleet) -> None:
        """Stop what runs, or leave it; what isn't launched yet stays so. Raises as it does for one run."""
        choice = choose(self.target, self.deployment, self.terminal, self.on_interrupt)
        hint = f"run the same command again for the rest\n{come_back(self.target)}"
        if choice == "detach":
            raise Interrupted(f"detached; {len(fleet.active)} tasks of {self.id} go on", hint=hint)
        try:
            count = fleet.stop(function_of(self.deployment))
        except Interrupted:
            raise
        except ReconcilerError as error:
            raise RunFailed(f"tasks of {self.id} aren't known to be stopped: {error}", hint=hint) from None
        raise Interrupted(f"{count} tasks of {self.id} are being stopped", hint=hint)


class Rest(Silent):
    """Says once that last lines are waited for."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal, self.announced, self.interrupted = terminal, False, False

    def waiting(self, seconds: float) -> None:
        """Say that the last lines are waited for."""
        if not self.announced:
            self.announced = True
            self.terminal.status("")
            self.terminal.say(
                self.terminal.style(f"  waiting for the last lines, {seconds:.0f} s at most{CTRL_C}", "dim")
            )

    def enough(self) -> None:
        """Ctrl-C: the table is shown."""
        self.interrupted = True


class SweepScreen:
    """Shows the runs of a fleet as they change."""

    def __init__(self, terminal: Terminal, total: int, name: Callable[[Run], str], now: Callable[[], float]) -> None:
        self.terminal, self.total, self.name, self.now = terminal, total, name, now
        self.over = 0
        self.counts: Counter[str] = Counter()

    def changed(self, run: Run) -> None:
        """One line for a run that has ended, or is tried again."""
        if run.state.over:
            self.over += 1
            self.counts[run.state.value] += 1
            colour = "green" if run.state is State.SUCCEEDED else "red"
            took = f"{seconds(run.seconds)}" if run.seconds is not None else "-"
            code = "no exit code" if run.exit_code is None else f"exit {run.exit_code}"
            text = f"  [{self.over}/{self.total}] {self.name(run)}  {run.state.value}, {code}, {took}  {run.id}"
            self.terminal.say(self.terminal.style(text, colour) if run.state is not State.SUCCEEDED else text)
        elif run.attempts and run.attempts[-1].event is not None:
            last = run.attempts[-1]
            self.terminal.say(f"  {self.name(run)}: {last.event} on {last.provider}: launching again")

    def tick(self, waiting: int, active: Sequence[Run]) -> None:
        """The live table: how many, and what each task under way is."""
        counts_text = ", ".join(f"{count} {state}" for state, count in sorted(self.counts.items())) or "none over"
        now = self.now()
        rows = [
            f"    {self.name(run)}  {run.attempts[-1].provider}  {seconds(now - run.attempts[-1].launched)}"
            for run in heapq.nsmallest(LIVE, active, key=lambda run: run.attempts[-1].launched)
        ]
        if len(active) > LIVE:
            rows.append(f"    and {len(active) - LIVE:,} more")
        self.terminal.status("\n".join([f"  {len(active)} running, {waiting} waiting, {counts_text}", *rows]))

    def trouble(self, text: str) -> None:
        """Say what can't be seen."""
        self.terminal.note(f"  {text}")


def show_table(terminal: Terminal, runs: Sequence[Run], name: Callable[[Run], str], sweep: Sweep | None) -> None:
    """All runs of a sweep, the best first where there is a metric; those without it last."""
    metric = sweep.metric if sweep else None
    ordered_runs = list(runs)
    if metric is not None and sweep is not None:
        sign = 1.0 if sweep.goal == "min" else -1.0
        ordered_runs.sort(key=lambda run: (metric not in run.metrics, sign * run.metrics.get(metric, 0.0)))
    counts = Counter(run.state.value for run in ordered_runs)
    ordered_runs, hidden = _rows_to_show(ordered_runs)
    width = max([len(name(run)) for run in ordered_runs] + [len("combination")])
    terminal.print(f"  {'combination':<{width}}  {'state':<10} {'exit':<5} {'time':<10} {metric or ''}".rstrip())
    for run in ordered_runs:
        took = seconds(run.seconds) if run.seconds is not None else "-"
        code = "-" if run.exit_code is None else str(run.exit_code)
        value = f"{run.metrics[metric]:.6g}" if metric and metric in run.metrics else ""
        line = f"  {name(run):<{width}}  {run.state.value:<10} {code:<5} {took:<10} {value}".rstrip()
        terminal.print(line if run.state is State.SUCCEEDED else f"{line:<{width + 31}} {run.id}")
    if hidden:
        terminal.print(f"  and {hidden:,} more: `runs --limit N` lists all, `runs best` the best")
    terminal.print("  " + ", ".join(f"{count} {state}" for state, count in sorted(counts.items())))


def _rows_to_show(runs: list[Run]) -> tuple[list[Run], int]:
    """The runs that are shown, and how many aren't: the first ones, and the first of those that didn't succeed."""
    if len(runs) <= SHOWN + FAILED:
        return runs, 0
    first, others = runs[:SHOWN], runs[SHOWN:]
    visible = [*first, *[run for run in others if run.state is not State.SUCCEEDED][:FAILED]]
    return visible, len(runs) - len(visible)
