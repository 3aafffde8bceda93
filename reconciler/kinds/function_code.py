"""The code of the function that launches and watches scheduled runs: an archive of the modules that it needs.

They need nothing but Python's own library and boto3, which Lambda has (tests/scheduled/test_bundle.py holds them to
it), so nothing is installed or built. The archive is the same, byte for byte, wherever and whenever it is made.
"""

from __future__ import annotations

import base64
import hashlib
import io
from functools import cache
from pathlib import Path

HANDLER = "reconciler.scheduled.handler.handle"
RUNTIME = "python3.13"
MODULES = (
    "__init__",
    *(f"core/{one}" for one in ("__init__", "errors", "fargate", "function_settings", "plain_json", "prices")),
    "core/run_paths", "core/text",
    *(f"run/{one}" for one in ("__init__", "diagnosis", "explain", "explain_end", "explain_start", "verdict")),
    "run/webhook_request",
    *(f"run/{one}" for one in ("message", "metrics", "place", "retry", "run_task", "state", "stop_schedule", "stored")),
    "run/scheduled_record",
    *(f"scheduled/{one}" for one in ("__init__", "aws", "handler", "launch", "record", "see", "tell", "why")),
)  # fmt: skip
ALWAYS = (1980, 1, 1, 0, 0, 0)  # the time that zip archives begin with


@cache
def archive() -> bytes:
    """The zip archive. Not compressed, since that depends on the zlib at hand."""
    import zipfile  # which only who has a schedule waits for

    here, whole = Path(__file__).parents[1], io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as file:
        for module in MODULES:
            entry = zipfile.ZipInfo(f"reconciler/{module}.py", ALWAYS)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16  # as Unix has it, readable by all
            file.writestr(entry, (here / f"{module}.py").read_bytes())
    return whole.getvalue()


@cache
def code_sha256() -> str:
    """Its SHA-256 in base64, as Lambda's CodeSha256."""
    return base64.b64encode(hashlib.sha256(archive()).digest()).decode()
