"""Trained boosters kept in CHECKPOINT_URI: a run that was interrupted goes on from them, and ends with the same bytes.

Each booster is an object of its own: one line of JSON that says what it was made for and the content's checksum, then
the content in XGBoost's own format. It is used only by a run that would train the very same booster. What else is found
there is named and trained anew.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from model import boost, harmless, log, stopping, store
from model.boost import EARLY, WHOLE, Fitted
from model.errors import InputError, ModelError
from model.harmless import short
from model.rows import Numbers
from model.store import Output
from model.ubjson import Unreadable

MAX_BYTES = 2**28
"""Bytes of a kept booster; a larger one is neither kept nor read. One of 600 rounds has some 0.5 MB."""
_MAX_HEADER = 8192
_AT_ONCE = 8
"""Objects that are read at once."""
BEGAN = "began"
_SKEW = dt.timedelta(minutes=5)
"""By which the clocks of two machines may differ."""

MadeFor = Mapping[str, str]
"""What a kept object depends on: a value for each name, such as ``parameters``."""


class Unfit(Exception):
    """A kept object that can't be used; the message says why, in a few words of our own."""


def seal(made_for: MadeFor, content: bytes) -> bytes:
    """An object for `unseal`."""
    header = {"made_for": dict(made_for), "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    return json.dumps(header, sort_keys=True).encode() + b"\n" + content


def unseal(raw: bytes, made_for: MadeFor) -> bytes:
    """The content of an object that `seal` made for the same.

    Raises:
        Unfit: it is broken, or was made for something else.
    """
    line, end, content = raw[:_MAX_HEADER].partition(b"\n")
    try:
        header = harmless.loads(line) if end else None
    except ValueError:
        header = None
    if not isinstance(header, dict) or not isinstance(header.get("made_for"), dict):
        raise Unfit("it isn't a checkpoint of this program, or was cut")
    content = raw[len(line) + 1 :]
    sealed_for = header["made_for"]
    if differences := [name for name, value in made_for.items() if sealed_for.get(name) != value]:
        raise Unfit(f"it was made with another {', another '.join(differences)}")
    if header.get("bytes") != len(content) or header.get("sha256") != hashlib.sha256(content).hexdigest():
        raise Unfit("it is damaged: its checksum differs")
    return content


class Checkpoint:
    """The folder or prefix of one run. A failure to read or write there is told, and never ends the run."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._out = Output(uri)
        self.is_new = False
        """Whether nothing was there when the run began, so that nothing need be looked for."""
        self._given_up = False
        self._lock = threading.Lock()

    def began(self, data: str, now: dt.datetime) -> dt.datetime:
        """When the run first began to work on the data with this checksum; now, if it hasn't before.

        It decides whether the last hour of the data was over, and so must be the same for each attempt.

        Raises:
            InputError: the folder can't be written.
        """
        store.check_writable(self.uri, "CHECKPOINT_URI")
        made_for = {"data": data}
        try:
            content = self.read(BEGAN, made_for)
            moment = now if content is None else dt.datetime.fromisoformat(content.decode())
            if moment.tzinfo is None or moment > now + _SKEW:
                raise Unfit("its time isn't in the past")
            if content is not None:
                return moment
            self.is_new = True
        except Unfit as error:
            log.get().warning("the kept time of the beginning is not used", name=BEGAN, reason=str(error))
        except ValueError:
            log.get().warning("the kept time of the beginning is not used", name=BEGAN, reason="it is no time")
        self.write(BEGAN, made_for, now.isoformat().encode())
        return now

    def read(self, name: str, made_for: MadeFor) -> bytes | None:
        """The content of an object, None if it isn't there or can't be read.

        S3 says of a missing object that it is forbidden, to whoever may not list: both count as missing here. Who may
        not write either learns it from `write`.

        Raises:
            Unfit: it is broken, or was made for something else.
        """
        if self._given_up:
            return None
        try:
            raw, _ = store.read_versioned(store.join(self.uri, name), MAX_BYTES)
        except store.TooLarge as error:
            raise Unfit(f"it has more than {MAX_BYTES:,} bytes") from error
        except InputError:
            return None
        except ModelError as error:
            self._fail(error)
            return None
        return None if raw is None else unseal(raw, made_for)

    def write(self, name: str, made_for: MadeFor, content: bytes) -> bool:
        """Write an object, whole or not at all; False if it wasn't."""
        raw = seal(made_for, content)
        if self._given_up:
            return False
        if len(raw) > MAX_BYTES:
            log.get().warning("too large to be kept", name=name, bytes=len(raw))
            return False
        try:
            self._out.write(name, raw)
        except ModelError as error:
            self._fail(error)
            return False
        return True

    def _fail(self, error: ModelError) -> None:
        """Tell it; after a failure that isn't a passing one, ask no more."""
        with self._lock:
            if not self._given_up:
                self._given_up = isinstance(error, InputError)
                log.get().warning("the checkpoint fails, and training goes on without", reason=str(error))


@dataclasses.dataclass(frozen=True)
class Job:
    """One booster of a run, as the checkpoint names it."""

    name: str
    target: str
    columns: Numbers
    made_for: MadeFor
    with_early: bool
    """Whether more than the rounds is needed of the early booster."""


class Boosters:
    """A run's boosters, those that are kept already and those that will be.

    Args:
        checkpoint: where.
        common: what all of them depend on.
        names: of the columns of the feature matrix.
    """

    def __init__(self, checkpoint: Checkpoint, common: MadeFor, names: Sequence[str]) -> None:
        self.checkpoint, self.common, self.names = checkpoint, common, names
        self._found: dict[str, Fitted] = {}
        self._unfit: dict[str, list[str]] = defaultdict(list)
        self._kept: set[str] = set()

    def restore(self, jobs: Sequence[Job]) -> set[str]:
        """Read what is kept, and say so; returns the names of those that need no training."""
        if not self.checkpoint.is_new:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(self._restore, jobs))
        for reason, names in self._unfit.items():
            log.get().warning("kept boosters not used, but trained anew", reason=reason, boosters=", ".join(names))
        complete = {job.name for job in jobs if self._is_done(job)}
        self._kept |= complete
        half = sum(f"{job.name}-{EARLY}" in self._found for job in jobs if job.name not in complete)
        if self._found:
            log.get().info(
                f"went on from {len(complete)} of {len(jobs)}",
                boosters=len(complete),
                half=half,
                checkpoint=self.checkpoint.uri,
            )
        else:
            log.get().info("boosters are kept as they are trained", checkpoint=self.checkpoint.uri)
        return complete

    def of(self, job: Job) -> boost.Kept:
        """The two boosters of a job."""
        return _Kept(self, job)

    def tell(self) -> None:
        """Say how many boosters the next start needn't train again."""
        log.get().info("kept for the next start", boosters=len(self._kept), checkpoint=self.checkpoint.uri)

    def _is_done(self, job: Job) -> bool:
        parts = (WHOLE, EARLY) if job.with_early else (WHOLE,)
        return all(f"{job.name}-{part}" in self._found for part in parts)

    def _restore(self, job: Job) -> None:
        if not self._read(job, WHOLE) or job.with_early:
            self._read(job, EARLY)

    def _read(self, job: Job, part: str) -> bool:
        name = f"{job.name}-{part}"
        try:
            raw = self.checkpoint.read(name, self._made_for(job, part))
            if raw is None:
                return False
            fitted = boost.load(raw, self.names)
            if not (
                fitted.target == job.target
                and list(fitted.columns) == list(job.columns)
                and fitted.rounds == fitted.booster.num_boosted_rounds()
                and (fitted.start is None) == (job.target == "return")
            ):
                raise Unfit("it is a booster of something else than it says")
        except (Unfit, Unreadable, ValueError) as error:
            self._unfit[short(error)].append(name)
            return False
        self._found[name] = fitted
        return True

    def _made_for(self, job: Job, part: str) -> MadeFor:
        return {**self.common, **job.made_for, "booster": f"{job.name}-{part}"}

    def take(self, job: Job, part: str) -> Fitted | None:
        """A booster that was found; once, so that it needn't be held."""
        return self._found.pop(f"{job.name}-{part}", None)

    def put(self, job: Job, part: str, fitted: Fitted) -> None:
        """Keep a booster, unless it was cut short by SIGTERM."""
        raw = fitted.save(self.names)
        if stopping.requested():
            return
        if self.checkpoint.write(f"{job.name}-{part}", self._made_for(job, part), raw) and part == WHOLE:
            self._kept.add(job.name)


@dataclasses.dataclass(frozen=True)
class _Kept:
    boosters: Boosters
    job: Job

    def take(self, part: str) -> Fitted | None:
        """The booster of a part, None if it isn't kept."""
        return self.boosters.take(self.job, part)

    def put(self, part: str, fitted: Fitted) -> None:
        """Keep the booster of a part."""
        self.boosters.put(self.job, part, fitted)
