"""Each correction of moto has a probe that moto as it is fails, and the embedded AWS passes.

When a new moto passes one, take the correction away.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from moto.iam import models
from moto.moto_server.werkzeug_app import BackendRequest
from moto.s3.responses import S3Response
from moto.ssm.responses import SimpleSystemManagerResponse

from reconciler.local import corrections
from reconciler.local.functions import Functions
from reconciler.local.s3_corrections import OF_AN_OBJECT
from tests.local.moto_probes import PROBES, REGION, WITHIN
from tests.local_fixtures import EmbeddedAws

LISTED = corrections.every(Functions.__new__(Functions))


def test_each_correction_has_a_probe_and_a_source() -> None:
    names = [correction.name for correction in LISTED]
    assert sorted(names) == sorted(PROBES | WITHIN)
    assert len({*names}) == len(names)
    assert not PROBES.keys() & WITHIN.keys()
    assert all(correction.source.startswith("https://") for correction in LISTED)


def test_moto_does_none_of_it_by_itself(tmp_path: Path) -> None:
    environment = os.environ | {"DOCKER_HOST": f"unix://{tmp_path}/none", "AWS_CONFIG_FILE": str(tmp_path / "none"),
                                "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}  # fmt: skip
    asked = subprocess.run([sys.executable, "-m", "tests.local.moto_probes"], capture_output=True, text=True,
                           env=environment, check=True)  # fmt: skip
    needless = [name for name, right in json.loads(asked.stdout).items() if right]
    assert needless == [], "moto does it by itself now: take these corrections away"


@pytest.mark.parametrize("name", PROBES)
def test_the_embedded_aws_does_it(embedded_aws: EmbeddedAws, name: str) -> None:
    assert PROBES[name](embedded_aws.client)


@pytest.mark.parametrize(
    "name",
    [
        "a request goes with its answer",
        "writes of an object come one after the other",
        "SSM answers one at a time",
        "keys are looked for where there are any",
        "policies of AWS are made once",
    ],
)
def test_it_is_right_where_it_is_corrected(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Plain moto fails it above. Here it is corrected for this test alone."""
    monkeypatch.setattr(BackendRequest, "_load_form_data", BackendRequest._load_form_data)
    monkeypatch.setattr(SimpleSystemManagerResponse, "_dispatch", SimpleSystemManagerResponse._dispatch)
    monkeypatch.setattr(models, "get_account_id_from", models.get_account_id_from)
    monkeypatch.setattr(models.IAMBackend, "_init_aws_policies", models.IAMBackend._init_aws_policies)
    monkeypatch.setattr(models.AWSManagedPolicy, "arn", models.AWSManagedPolicy.arn)
    for write in OF_AN_OBJECT:
        monkeypatch.setattr(S3Response, write, getattr(S3Response, write))
    next(correction for correction in LISTED if correction.name == name).install()
    with mock_aws():
        assert WITHIN[name](boto3.session.Session(region_name=REGION).client)
