"""Uploads beside `aws s3 cp` with its CRT transfer client: the same bytes to the same embedded AWS, by turns.

    RECONCILER_BENCH_AWS=FILE        the AWS CLI's program, of version 2: version 1 has no such client

`python -m bench.upload --size 200 --files 500` is smaller than what `make bench` takes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.lab import ROOT
from bench.measure import Sample, Subject, by_turns, process
from bench.targets import CP, OURS
from reconciler import local
from reconciler.local import LocalAws

AWS = "RECONCILER_BENCH_AWS"
BUCKET = "uploads"
DEPLOY = """\
name: uploads
data: {{bucket: {{name: {bucket}, versioning: false}}, files: [{files}]}}
image: {{uri: python:3.13-slim}}
task: {{cpu: 256, memory: 512}}
run: {{when: never}}
"""
BLOCK = 2**20
Results = dict[str, list[Sample]]


def program() -> tuple[str, str]:
    """(the AWS CLI's program, why there is none)."""
    named = os.environ.get(AWS, "")
    if not named:
        return "", f"{AWS} isn't set"
    if not os.access(named, os.X_OK):
        return "", f"{AWS}: {named} is no program"
    version = subprocess.run([named, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if not version.startswith("aws-cli/2."):
        return "", f"{AWS}: {version or named} has no CRT client, which version 2 has"
    return named, ""


def compare(folder: Path, megabytes: int, files: int, rounds: int, say: Callable[[str], None]) -> Results:
    """So many bytes in so many files, uploaded into an AWS that has the bucket and else nothing."""
    folder.mkdir()
    (folder / "data").mkdir()
    file_size = megabytes * 10**6 // files
    for number in range(files):
        with (folder / "data" / f"{number}.bin").open("wb") as out:
            for at in range(0, file_size, BLOCK):
                out.write(os.urandom(min(BLOCK, file_size - at)))
    text = DEPLOY.format(bucket=BUCKET, files="data" if files > 1 else "data/0.bin")
    (folder / "deploy.yaml").write_text(text)
    peer, _ = program()
    subjects: dict[str, Subject] = {OURS: lambda: _emptied(folder, lambda aws: _ours(folder, aws, many=files > 1))}
    if peer:
        subjects[CP] = lambda: _emptied(folder, lambda aws: _cp(folder, aws, peer, many=files > 1))
    try:
        return by_turns(subjects, rounds, say)
    finally:
        local.stop(folder / "local")


def _emptied(folder: Path, upload: Callable[[LocalAws], Sample]) -> Sample:
    home = folder / "local"
    try:
        return upload(local.ensure_running(home))
    finally:
        local.reset(home)


def _ours(folder: Path, aws: LocalAws, *, many: bool) -> Sample:
    command = [sys.executable, "-m", "reconciler", "apply", "--quiet", "--target"]
    environment = {**_environment(folder, aws), "PYTHONPATH": str(ROOT)}
    process([*command, f"bucket.{BUCKET}"], folder, None, env=environment)
    address = f"folder.{BUCKET}/data/" if many else f"object.{BUCKET}/data/0.bin"
    return process([*command, address, "--rehash"], folder, None, env=environment)


def _cp(folder: Path, aws: LocalAws, program: str, *, many: bool) -> Sample:
    environment = _environment(folder, aws)
    # Said as an option too, since that alone tells the CRT client to use no TLS.
    s3 = [program, "s3", "--endpoint-url", aws.endpoint_url]
    process([*s3, "mb", f"s3://{BUCKET}"], folder, None, env=environment)
    source, more = ("data", ["--recursive"]) if many else ("data/0.bin", [])
    command = [*s3, "cp", source, f"s3://{BUCKET}/data/", "--only-show-errors", *more]
    return process(command, folder, None, env=environment)


def _environment(folder: Path, aws: LocalAws) -> dict[str, str]:
    config = folder / "aws-config"
    config.write_text("[default]\ns3 =\n  preferred_transfer_client = crt\n  addressing_style = path\n")
    return {
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(config),
        "AWS_ACCESS_KEY_ID": aws.keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": aws.keys.secret_access_key,
        "AWS_SESSION_TOKEN": "",
        "AWS_PROFILE": "default",
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.upload", description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=2000, metavar="MB", help="in all (default: %(default)s)")
    parser.add_argument("--files", type=int, nargs="+", default=[1, 5000], help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="(default: %(default)s)")
    options = parser.parse_args()
    if why := program()[1]:
        print(f"`aws s3 cp` isn't measured: {why}")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        for files in options.files:
            results = compare(Path(name) / str(files), options.size, files, options.rounds, print)
            for who, samples in results.items():
                walls = ", ".join(f"{sample.wall:.2f}" for sample in samples)
                cpus = ", ".join(f"{sample.cpu:.2f}" for sample in samples)
                most = max(sample.memory for sample in samples)
                print(f"{options.size} MB in {files}: {who}: {walls} s, {cpus} s of processor, at most {most:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
