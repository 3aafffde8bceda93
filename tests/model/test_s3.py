"""Data, output and hyperparameters in AWS, over a real HTTP connection to an emulator."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.model.test_cli import FAST, run, start

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def aws() -> Iterator[dict[str, str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    try:
        yield {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", **CREDENTIALS}
    finally:
        server.stop()


def _client(aws: dict[str, str], service: str) -> object:
    session = boto3.session.Session("testing", "testing", region_name="us-east-1")
    return session.client(service, endpoint_url=aws["AWS_ENDPOINT_URL"])


def test_from_s3_to_s3_with_hyperparameters_from_ssm(aws: dict[str, str], sample_csv: Path) -> None:
    s3, ssm = _client(aws, "s3"), _client(aws, "ssm")
    s3.create_bucket(Bucket="lake")  # type: ignore[attr-defined]
    s3.upload_file(str(sample_csv), "lake", "data/hours.csv")  # type: ignore[attr-defined]
    for name, value in (("max_depth", "2"), ("volatility/eta", "0.2")):
        ssm.put_parameter(Name=f"/m/{name}", Value=value, Type="String")  # type: ignore[attr-defined]
    code, _, err = run(
        USE_S3="true", S3_BUCKET="lake", S3_KEY="data/hours.csv", OUTPUT_URI="s3://lake/runs/1/", PARAMS_SSM="/m/",
        **FAST, **aws,
    )  # fmt: skip
    assert code == 0, err
    keys = {o["Key"] for o in s3.list_objects_v2(Bucket="lake", Prefix="runs/1/")["Contents"]}  # type: ignore[attr-defined]
    assert {"runs/1/manifest.json", "runs/1/metrics.json", "runs/1/volatility.ubj"} <= keys
    manifest = json.load(s3.get_object(Bucket="lake", Key="runs/1/manifest.json")["Body"])  # type: ignore[attr-defined]
    assert manifest["parameters"]["direction"]["max_depth"] == 2
    assert manifest["parameters"]["volatility"]["eta"] == 0.2
    assert manifest["data"]["uri"] == "s3://lake/data/hours.csv"
    # the same run again: the manifest went first and came last
    code, out, err = run("predict", "--model", "s3://lake/runs/1", "--data", "s3://lake/data/hours.csv", **aws)
    assert code == 0, err
    assert 0 < json.loads(out)["direction"]["probability_up"] < 1


def test_an_object_above_the_limit_is_not_fetched(aws: dict[str, str]) -> None:
    s3 = _client(aws, "s3")
    s3.create_bucket(Bucket="big")  # type: ignore[attr-defined]
    s3.put_object(Bucket="big", Key="hours.csv", Body=b"x" * 5000)  # type: ignore[attr-defined]
    code, _, err = run(USE_S3="true", S3_BUCKET="big", S3_KEY="hours.csv", MAX_DATA_BYTES="4999", **FAST, **aws)
    assert code == 2
    assert "s3://big/hours.csv has 5,000 bytes, and up to 4,999 are read: set MAX_DATA_BYTES" in err
    assert "Traceback" not in err


@pytest.mark.share(4)
@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"S3_BUCKET": "none", "S3_KEY": "x.csv"}, "can't read s3://none/x.csv: it isn't there"),
        ({"S3_BUCKET": "lake", "S3_KEY": "x.csv"}, "can't read s3://lake/x.csv: it isn't there"),
        ({"S3_BUCKET": "lake", "S3_KEY": "data/hours.csv", "PARAMS_SSM": "/none/"}, "no parameters below /none/"),
        ({"S3_BUCKET": "lake", "S3_KEY": "data/hours.csv", "OUTPUT_URI": "s3://none/o"}, "can't write s3://none/o"),
    ],
)
def test_what_is_missing_in_aws_is_named(
    aws: dict[str, str], sample_csv: Path, env: dict[str, str], message: str
) -> None:
    s3 = _client(aws, "s3")
    s3.create_bucket(Bucket="lake")  # type: ignore[attr-defined]
    s3.upload_file(str(sample_csv), "lake", "data/hours.csv")  # type: ignore[attr-defined]
    code, _, err = run(**({"USE_S3": "true", "OUTPUT_URI": "s3://lake/o"} | env | aws))
    assert code == 2, err
    assert message in json.loads(err.splitlines()[-1])["event"]
    assert "Traceback" not in err


def test_hyperparameters_from_one_ssm_parameter(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from model import params, store
    from model.errors import InputError

    for name, value in aws.items():
        monkeypatch.setenv(name, value)
    store.client.cache_clear()
    ssm = _client(aws, "ssm")
    try:
        value = '{"eta": 0.5, "return": {"max_depth": 1}}'
        ssm.put_parameter(Name="/one", Value=value, Type="SecureString")  # type: ignore[attr-defined]
        ssm.put_parameter(Name="/bad", Value="eta: 1", Type="String")  # type: ignore[attr-defined]
        by_target = params.load({"PARAMS_SSM": "/one"})
        assert (by_target["volatility"].eta, by_target["return"].max_depth) == (0.5, 1)
        with pytest.raises(InputError, match="PARAMS_SSM /bad: not valid JSON"):
            params.load({"PARAMS_SSM": "/bad"})
        with pytest.raises(InputError, match="can't read SSM parameter /gone: it isn't there"):
            params.load({"PARAMS_SSM": "/gone"})
    finally:
        store.client.cache_clear()


def test_a_killed_run_goes_on_from_its_checkpoint_in_s3(aws: dict[str, str], sample_csv: Path, tmp_path: Path) -> None:
    s3 = _client(aws, "s3")
    s3.create_bucket(Bucket="runs")  # type: ignore[attr-defined]
    env = {"DATA_PATH": str(sample_csv), **FAST, **aws, "CHECKPOINT_URI": "s3://runs/runs/7/checkpoint"}
    with start(OUTPUT_URI="s3://runs/runs/7/output", **env) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if '"progress": "4/9"' in line:
                process.kill()
                break
        process.communicate()
    code, _, err = run(OUTPUT_URI="s3://runs/runs/7/output", **env)
    assert code == 0, err
    told = [json.loads(line) for line in err.splitlines()]
    assert [line["boosters"] >= 3 for line in told if line["event"].startswith("went on from ")] == [True]
    assert sum(line["event"] == "from the checkpoint" for line in told) >= 3
    assert run(DATA_PATH=str(sample_csv), OUTPUT_URI=str(tmp_path), **FAST)[0] == 0
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        key = f"runs/7/output/{path.relative_to(tmp_path)}"
        assert s3.get_object(Bucket="runs", Key=key)["Body"].read() == path.read_bytes(), key  # type: ignore[attr-defined]
