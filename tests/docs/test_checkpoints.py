"""The programs of docs/checkpoints.md: interrupted and gone on, each ends as it does undisturbed.

Plain Python runs always. The others run where RECONCILER_TEST_SCIKIT_LEARN and RECONCILER_TEST_TORCH name a Python that
has boto3 and what they import.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.docs.pages import ROOT, blocks
from tests.local_fixtures import EmbeddedAws, unique
from tests.local_fixtures import embedded_aws as embedded_aws
from tests.local_fixtures import embedded_aws_session as embedded_aws_session

PROGRAMS = [one.text for one in blocks((ROOT / "docs" / "checkpoints.md").read_text()) if one.language == "python"]
PYTHONS = [sys.executable, os.environ.get("RECONCILER_TEST_SCIKIT_LEARN"), os.environ.get("RECONCILER_TEST_TORCH")]
NAMES = ("plain", "scikit-learn", "torch")
SIGTERM, INTERRUPTED = 15, 143


def run(aws: EmbeddedAws, python: str, program: str, attempt: int, uri: str) -> tuple[int, str]:
    """(exit code, what it printed) of one attempt."""
    keys = {"AWS_" + name.removeprefix("aws_").upper(): value for name, value in aws.credentials.items()}
    given = {"CHECKPOINT_URI": uri, "RUN_ATTEMPT": str(attempt), "AWS_ENDPOINT_URL": aws.endpoint_url,
             "AWS_DEFAULT_REGION": "us-east-1", "PATH": os.environ["PATH"]}  # fmt: skip
    done = subprocess.run([python, "-c", program], env=given | keys, stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("program", "python"), [*zip(PROGRAMS, PYTHONS, strict=True)], ids=["plain", "sklearn", "torch"]
)
def test_it_goes_on_to_the_same_end(embedded_aws: EmbeddedAws, program: str, python: str | None) -> None:
    if python is None:
        pytest.skip("no Python with what it imports: RECONCILER_TEST_SCIKIT_LEARN, RECONCILER_TEST_TORCH name one each")
    stops = re.sub(
        r"^    if stopping or (.*) % 10 == 0:$",
        rf'    if \1 == 15 and os.environ["RUN_ATTEMPT"] == "1":\n        os.kill(os.getpid(), {SIGTERM})\n\g<0>',
        program,
        flags=re.MULTILINE,
    )
    assert stops != program
    bucket = unique("checkpoints")
    embedded_aws.client("s3").create_bucket(Bucket=bucket)
    code, first = run(embedded_aws, python, stops, 1, f"s3://{bucket}/one")
    assert (code, len(first.splitlines())) == (INTERRUPTED, 15)
    code, second = run(embedded_aws, python, stops, 2, f"s3://{bucket}/one")
    assert code == 0
    assert second.splitlines()[0].split()[1] == "16"
    code, undisturbed = run(embedded_aws, python, program, 1, f"s3://{bucket}/two")
    assert code == 0
    assert second.splitlines()[-1] == undisturbed.splitlines()[-1]
    assert second.splitlines()[-1].startswith("total ")
