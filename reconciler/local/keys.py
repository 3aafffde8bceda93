"""The secret of one embedded AWS, and what is proved with it.

An embedded AWS has one access key of its own, made anew at each start and kept in HOME/server.json (mode 0600). Whoever
has it owns that AWS. Requests are signed with it, as any AWS SDK does; and before a client sends anything, client and
server each prove to the other that they have it, without sending it. Nothing here needs moto or botocore.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from dataclasses import dataclass, field

NONCE_HEADER, PROOF_HEADER = "X-Reconciler-Nonce", "X-Reconciler-Proof"
ID_LETTERS = string.ascii_uppercase + "234567"


@dataclass(frozen=True)
class Keys:
    """An access key. `token`: of temporary credentials."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    token: str = field(default="", repr=False)


def new_keys() -> Keys:
    """A random access key of AWS's form."""
    return Keys("AKIALOCAL" + "".join(secrets.choice(ID_LETTERS) for _ in range(11)), secrets.token_urlsafe(30))


def new_nonce() -> str:
    """What a client asks the server to prove itself with, once."""
    return secrets.token_hex(16)


def client_proof(keys: Keys, nonce: str) -> str:
    """Shows the server that the client has the secret."""
    return _proof(keys, "client", nonce, b"")


def server_proof(keys: Keys, nonce: str, answer: bytes) -> str:
    """Shows the client that the server has the secret, and that this is its answer."""
    return _proof(keys, "server", nonce, answer)


def same(left: str, right: str) -> bool:
    """Whether two proofs or signatures are equal, in a time that doesn't tell where they differ."""
    return hmac.compare_digest(left.encode("utf-8", "replace"), right.encode("utf-8", "replace"))


def _proof(keys: Keys, side: str, nonce: str, answer: bytes) -> str:
    text = b"\n".join((b"reconciler-local-1", side.encode(), nonce.encode("utf-8", "replace"), answer))
    return hmac.new(keys.secret_access_key.encode(), text, hashlib.sha256).hexdigest()
