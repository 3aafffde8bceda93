"""Copy what a run wrote from the bucket to a folder."""

from __future__ import annotations

from pathlib import Path

from reconciler.aws.calls import Aws
from reconciler.core.run_paths import output_prefix
from reconciler.run.run_record import Run, Runs


def fetch(aws: Aws, runs: Runs, run: Run, folder: Path) -> list[Path]:
    """Copy a run's output to `folder`/ID and return the files. Raises AwsError; OSError when it can't be written."""
    prefix = f"{output_prefix(run.id)}/"
    target = (folder / run.id).resolve()
    files = []
    for item in aws.find_all("s3", "ListObjectsV2", "Contents", Bucket=runs.bucket, Prefix=prefix) or ():
        path = (target / item["Key"].removeprefix(prefix)).resolve()
        if item["Key"].endswith("/") or target not in path.parents:
            continue  # a folder's marker, or a key that would lead out of the folder
        path.parent.mkdir(parents=True, exist_ok=True)
        aws.transfer("download_file", Bucket=runs.bucket, Key=item["Key"], Filename=str(path))
        files.append(path)
    return sorted(files)
