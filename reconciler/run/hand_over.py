"""Who decides about a run: a client, or the deploy's function.

The record says which, and one conditional write changes it. Whoever is about to write a run that the other has taken
over is refused (`stored.Changed`), so that the two never decide at the same time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from reconciler.aws.calls import Aws
from reconciler.core.errors import UserError
from reconciler.core.function_settings import GIVEN, START
from reconciler.core.plain_json import plain
from reconciler.core.secret import KNOWN
from reconciler.run.run import Overrides, Run
from reconciler.run.run_record import Runs
from reconciler.run.step import newest
from reconciler.run.stored import TRIES, Changed


@dataclass(frozen=True)
class Function:
    """The function that sees unattended runs through, by its name."""

    name: str

    def go_on(self, aws: Aws, run: Run, overrides: Overrides | None) -> None:
        """Have it start the run, or go on with it: it may be asked at any time, and again. Raises AwsError.

        overrides: what is different for the run's tasks; None where only its record says that.
        """
        payload = json.dumps({START: run.id, GIVEN: overrides and plain(overrides)}).encode()
        aws.call("lambda", "Invoke", FunctionName=self.name, InvocationType="Event", Payload=payload)


def given_over(runs: Runs, run: Run, *, unattended: bool) -> Run:
    """A run about which the function decides from now on, or a client. Raises Changed, AwsError.

    Whoever was the other one finds that out when it is about to write.
    """
    for _ in range(TRIES):
        run = newest(run, runs.get(run.id))
        if run.state.over:
            if run.unattended:
                runs.put(run)  # that of its fingerprint, too, before which its function may have been stopped
            return run
        run = replace(run, unattended=unattended)
        try:
            runs.put(run)
        except Changed:
            continue
        return run
    raise Changed(run.id)


def check_no_secret(overrides: Overrides, bucket: str) -> None:
    """Raises UserError for a secret among what is different for an unattended run, since others hand it on."""
    fields = plain(overrides)
    if KNOWN.marked(fields, bucket) != fields:
        names = sorted(name for name, value in overrides.environment.items() if KNOWN.shown(name, value) != value)
        source = f"--env {names[0]}" if names else "the command"
        raise UserError(
            f"{source} has a secret, which an unattended run would hand on in its events",
            hint="give it as a secret: task.secrets or parameters (secure: true) in deploy.yaml",
        )
