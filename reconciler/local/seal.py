"""Whether what an embedded AWS has kept was written on this machine by this user.

A checkout or an archive can bring a folder `.reconciler/local/kept` along, with runs that nobody has run. What is kept
is therefore believed only with a seal, which is made with a secret of this user's that no project's folder has; and of
what is in the folder only the files that have a stamp of that seal.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import NamedTuple

KEEP = "RECONCILER_LOCAL_KEEP"  # in the environment: 0: nothing outlives the process
KEPT = "kept"
OBJECTS = "objects"  # their content, of which KEPT has all else
PASSING = "objects-of-now"  # the same, where nothing is kept
FILES = "[0-9]*"
SEAL = "seal"


class Unsealed(Exception):
    """What is there is somebody else's, or can't be told apart from it. The text says what to do."""


class Seal(NamedTuple):
    """What the files of one folder are stamped with. key: this user's secret; nonce: the folder's."""

    key: bytes
    nonce: str

    def stamp(self, name: str, head: bytes, body: bytes) -> str:
        """What tells that a file with this name, head and content was written by the embedded AWS of this folder."""
        content = hashlib.sha256(body).hexdigest()
        return hmac.new(self.key, f"file {self.nonce} {name} {content} ".encode() + head, hashlib.sha256).hexdigest()


def keeps(home: Path) -> bool:
    """Whether the next embedded AWS of `home` begins with the buckets and logs of the one before."""
    return os.environ.get(KEEP) != "0" and any((home / KEPT).glob(FILES))


def open_seal(home: Path) -> None:
    """Make the folder of what is kept, or see that it is this user's. Raises Unsealed; OSError if it can't be made."""
    folder, key = home / KEPT, _key()
    if not any(folder.glob(FILES)):
        nonce = secrets.token_hex(16)
        folder.mkdir(exist_ok=True, mode=0o700)
        (folder / SEAL).unlink(missing_ok=True)
        (folder / SEAL).write_text(f"{nonce} {_proof(key, nonce)}\n", encoding="ascii")
        return
    _read(folder, key)


def read_seal(home: Path) -> Seal:
    """The seal that `open_seal` has made. Raises Unsealed; OSError if there is no place for the user's secret."""
    return _read(home / KEPT, _key())


def _read(folder: Path, key: bytes) -> Seal:
    try:
        nonce, _, proof = (folder / SEAL).read_text(encoding="ascii").strip().partition(" ")
    except (OSError, ValueError):
        nonce, proof = "", ""
    if not hmac.compare_digest(proof.encode(), _proof(key, nonce).encode()):
        raise Unsealed(
            f"The files in {folder} weren't written by you on this machine, but their runs would count as yours. Look "
            f"where they come from, and remove them with `rm -r {folder}`. With {KEEP}=0 they are ignored."
        )
    return Seal(key, nonce)


def _key() -> bytes:
    """This user's secret, made when it is first needed. OSError if there is no place for it."""
    try:
        folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "reconciler"
    except RuntimeError as error:  # a user without a home
        raise OSError(str(error)) from None
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "local-key"
    if not path.exists():
        part = path.with_name(f"local-key.{os.getpid()}")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        try:
            os.link(part, path)  # of two at a time one is first
        except FileExistsError:
            pass
        finally:
            part.unlink()
    return path.read_bytes()


def _proof(key: bytes, nonce: str) -> str:
    return hmac.new(key, f"kept {nonce}".encode(), hashlib.sha256).hexdigest()
