"""See a run through: do what `reconciler/run/step.py` says, until something else goes on with it."""

from __future__ import annotations

import time
from dataclasses import replace

from reconciler.core.function_settings import AGAIN, GIVEN, PROVIDER, TRIED, WORKER_TRIES, Watched
from reconciler.core.plain_json import plain
from reconciler.core.run_paths import is_scheduled_id
from reconciler.core.text import line
from reconciler.run.cap import pays
from reconciler.run.run import Overrides, Run
from reconciler.run.state import State
from reconciler.run.step import End, Launch, Retry, Rules, Seen, Stop, newest, step
from reconciler.run.workers import size_of
from reconciler.scheduled import workers
from reconciler.scheduled.aws import call
from reconciler.scheduled.function_launch import keep_deadline, launch, limits_of, stop_unseen
from reconciler.scheduled.later import call_at
from reconciler.scheduled.record import records

SHORT = 60.0  # seconds that are slept; for a longer pause Scheduler, exact to a minute, calls the function again


def see_through(
    watched: Watched,
    run: Run,
    seen: Seen | None = None,
    *,
    overrides: Overrides | None,
    due: bool = False,
    tries: int = 0,
) -> Run | None:
    """Go on with a run until it is over, which is its record, or something else goes on with it, which is None.

    seen: its newest task, None where nothing was heard of it. overrides: what is different for the run, None where
    nobody knows, and then nothing is launched: its record alone says it, which more may write than may launch. due:
    Scheduler says that its pause is over. tries: to launch its workers, so far. Raises ClientError, Changed.
    """
    rules = Rules(watched.capacity, watched.retry, limits_of(watched), watched.checkpoint)
    store = records(watched)
    while True:
        if not ours(run):
            print(line(f"{run.id}: a client has taken it back"))
            return None
        now = time.time()
        seen = seen or Seen(known_at=now)
        decision = step(run, rules, seen, now)
        if due and isinstance(decision, Retry):
            decision = step(run, rules, seen, decision.at)
        if isinstance(decision, End):
            if decision.run is not run:
                return _end(watched, decision.run)
            if run.state is State.STOPPED:
                stop_unseen(watched, run)
                store.end_checkpoint(run)
                workers.over(watched, run)
            return run
        if isinstance(decision, Launch):
            if overrides is None:
                print(line(f"{run.id}: not launched again: only the client that started it knows its options"))
                return None
            run = decision.run
            if not decision.recorded:  # before the launch, so that it is found again by its token
                run = _prepared(watched, run)
                store.put(run)
            run, seen = launch(watched, run, overrides)
        elif isinstance(decision, Retry):
            store.put(decision.run)
            if decision.at - now > SHORT:
                _call_again(watched, decision, overrides)
                return None
            time.sleep(max(decision.at - now, 0.0))
            record = store.get(run.id)
            if record is None:
                return None
            run, seen, due = newest(decision.run, record), None, True
        else:
            if isinstance(decision, Stop):
                call("ecs", "StopTask", cluster=watched.cluster, task=run.task_arn, reason=decision.reason)
            elif seen.task is not None and watched.limited:
                keep_deadline(watched, run)
            if not isinstance(decision, Stop) and overrides is not None:
                tend(watched, run, overrides, tries)
            return None  # the end of its task is the next event


def tend(watched: Watched, run: Run, overrides: Overrides | None, tries: int = 0) -> None:
    """Launch the workers that a run lacks whose newest task runs. Where there is no room for them another call goes
    on, since no event may tell of the run before its end. tries: calls that have tried it.
    """
    if size_of(run) is None or not run.task_arn or run.state is State.STOPPING:
        return
    if workers.tend(watched, run, overrides):
        if tries + 1 >= WORKER_TRIES:
            print(line(f"{run.id}: its workers are tried no more"))
            return
        token = run.attempts[-1].token
        event = {AGAIN: token, PROVIDER: "", GIVEN: overrides and plain(overrides), TRIED: tries + 1}
        why = "Launches workers that there was no room for"
        call_at(watched, f"{token}-workers-{tries + 1}", time.time() + 2 * SHORT, event, why)
        print(line(f"{run.id}: its workers are tried again in {2 * SHORT:.0f} s"))


def ours(run: Run) -> bool:
    """Whether this function decides about a run."""
    return run.unattended or is_scheduled_id(run.id)


def _end(watched: Watched, run: Run) -> Run:
    """Record a run's end, with the metrics that the program wrote."""
    store = records(watched)
    if run.state is State.SUCCEEDED:
        run = replace(run, metrics=store.metrics(run))
    if watched.retry.out_of_memory:
        store.keep_size(run)
    store.end_checkpoint(run)
    workers.over(watched, run)
    store.put(run)
    return run


def _prepared(watched: Watched, run: Run) -> Run:
    """A run whose newest attempt is about to be launched for the first time: with its checkpoint, and its size."""
    run = sized(watched, run)
    return records(watched).with_checkpoint(run) if watched.checkpoint else run


def sized(watched: Watched, run: Run) -> Run:
    """A run that is about to be launched for the first time, with the size that another of its family needed, if that
    pays.
    """
    if not watched.retry.out_of_memory:
        return run
    larger = records(watched).with_size(run, watched.retry)
    return larger if pays(larger, limits_of(watched)) else run


def _call_again(watched: Watched, retry: Retry, overrides: Overrides | None) -> None:
    """Have Scheduler call the function when the pause is over: there may be hours of them, and Lambda has minutes."""
    token, following = retry.run.attempts[-1].token, retry.following
    event = {AGAIN: token, PROVIDER: following.provider, GIVEN: overrides and plain(overrides)}
    call_at(watched, f"{token}-again", retry.at, event, f"Goes on with a run of {watched.deploy} after a pause")
    print(line(f"{retry.run.id}: {following.why}, again on {following.provider} in {following.pause:.0f} s"))
