"""The record of runs, in the bucket under `runs/`, where the next machine sees it.

`runs/ID/run.json` is one run; `runs/fingerprints/FINGERPRINT.json` is the newest run with that fingerprint. Each is
written whole by one PutObject, so a crash leaves the old one or the new one. What is read is checked whole, too
(reconciler/run/stored.py): whoever may write to the bucket could have written it.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.aws.calls import Aws
from reconciler.core.run_paths import RUNS, SCHEDULED, fingerprint_key, record_key
from reconciler.core.secret import KNOWN
from reconciler.run.run import Run
from reconciler.run.stored import Store, Unreadable, to_json

FOLDERS = ("fingerprints", "sizes", f"{SCHEDULED}sizes")  # beside those of runs
LONGEST = 200  # characters of a folder's name in which a record is looked for


class Runs(Store):
    """Reads and writes the record of one bucket.

    A record that can't be read is no run, and isn't absent either: asking for it raises Unreadable, and where all are
    asked for it is in `unreadable`. tell: told what isn't shown or kept, each once.
    """

    def __init__(self, aws: Aws, bucket: str, tell: Callable[[str], None] = lambda text: None) -> None:
        super().__init__(aws, bucket, tell)
        self.aws = aws
        self.unreadable: dict[str, str] = {}  # why, by key

    def latest(self, fingerprint: str) -> Run | None:
        """The newest run with this fingerprint. Raises Unreadable, AwsError."""
        return self.at(fingerprint_key(fingerprint))

    def newest_of(self, fingerprint: str) -> Run | None:
        """The same from the records of all runs, where that of the fingerprint can't be read. Raises AwsError."""
        return next((run for run in self.all() if run.fingerprint == fingerprint), None)

    def body(self, run: Run) -> bytes:
        """A run as it is written: with a mark for each secret."""
        return to_json(run, lambda tree: KNOWN.marked(tree, self.bucket))

    def all(self) -> list[Run]:
        """Every run that can be read, newest first; `unreadable` has the others. Raises AwsError."""
        prefixes = self.aws.find_all(
            "s3", "ListObjectsV2", "CommonPrefixes", Bucket=self.bucket, Prefix=f"{RUNS}/", Delimiter="/"
        )
        names = [one["Prefix"].removeprefix(f"{RUNS}/").removesuffix("/") for one in prefixes or ()]
        # A key has 1,024 bytes: what is no id may leave no room for a record in it.
        found = self.aws.each(self._readable, [one for one in names if one not in FOLDERS and len(one) <= LONGEST])
        for key, why in sorted(self.unreadable.items()):
            self.say(str(Unreadable(key, why)))
        return sorted((run for run in found if run is not None), key=lambda run: run.created, reverse=True)

    def _readable(self, name: str) -> Run | None:
        """The run in this folder, if there is one that can be read."""
        try:
            return self.at(record_key(name))
        except Unreadable as error:
            self.unreadable[error.key] = error.why
            return None
