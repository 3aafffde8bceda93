"""What is compared: the reconciler, Terraform, the guide's script, and a bare script. Each has an AWS of its own.

The peers aren't part of the project; they are measured when the environment says where they are:

    RECONCILER_BENCH_TERRAFORM=DIR        main.tf with the guide's 18 resources; variables `endpoint`, `data_file`
    RECONCILER_BENCH_TERRAFORM_X20=DIR    main.tf with `n` of each of six kinds; variables `endpoint`, `n`
    RECONCILER_BENCH_GUIDE=FILE           the guide's steps as a script that takes the data file; it needs `aws`

`terraform` and its AWS provider have to be installed (TF_CLI_CONFIG_FILE may name a mirror).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.lab import ROOT, Lab
from bench.measure import Sample, process

USER = """\
ci:
  policy_name: aig130-p2-github-actions-policy
  user:
    name: github-actions-aig130-p2
"""


def deploy_file() -> str:
    """The committed deploy.yaml, with the guide's CI user instead of OpenID Connect: the guide's 18 resources.

    Raises ValueError when the file no longer has the section that is replaced.
    """
    text = (ROOT / "deploy.yaml").read_text()
    start, end = text.index("\nci:") + 1, text.index("\nrun:")
    return text[:start] + USER + text[end:]


class Ours:
    """`python -m reconciler` in a folder of its own."""

    def __init__(self, folder: Path, lab: Lab, data: Path) -> None:
        folder.mkdir()
        self.folder, self.lab = folder, lab
        (folder / "deploy.yaml").write_text(deploy_file())
        (folder / "bad.yaml").write_text("name: x\nregoin: us-east-1\ndata: nowhere.csv\nimage: .\n")
        (folder / "data").mkdir()
        (folder / "data" / "sample.csv").symlink_to(data)
        for name in ("Dockerfile", ".dockerignore"):
            shutil.copy(ROOT / name, folder)

    def run(self, *arguments: str, codes: tuple[int, ...] = (0,), aws: bool = True) -> Sample:
        """Run one command and measure it."""
        command = [sys.executable, "-m", "reconciler", *arguments]
        env = {"PYTHONPATH": str(ROOT)}
        return process(command, self.folder, self.lab if aws else None, env=env, codes=codes)

    def plan(self) -> Sample:
        """A plan with no changes: what `--detailed-exitcode` is there to say."""
        return self.run("plan", "--skip-image", "--detailed-exitcode")

    def apply(self) -> Sample:
        """Apply the resources only."""
        return self.run("apply", "--skip-image", "--skip-run")

    def apply_from_nothing(self) -> Sample:
        """Apply in an empty AWS."""
        latency = self.lab_latency
        self.lab.reset()
        self.lab.latency(latency)
        return self.apply()

    lab_latency = 0.0  # that a reset has to put back

    def destroy(self) -> Sample:
        """Destroy everything, data too."""
        return self.run("destroy", "--yes", "--delete-data")


class Terraform:
    """A copy of a configuration folder, initialised."""

    def __init__(self, source: Path, folder: Path, lab: Lab, variables: dict[str, str]) -> None:
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        self.folder, self.lab = folder, lab
        self.env = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
        self.variables = [f"-var={name}={value}" for name, value in ({"endpoint": lab.url} | variables).items()]
        self._run("init")

    def _run(self, verb: str, *options: str, variables: bool = False) -> Sample:
        command = ["terraform", verb, "-input=false", "-no-color", *options, *(self.variables if variables else [])]
        return process(command, self.folder, self.lab, env=self.env)

    def plan(self) -> Sample:
        """A plan with no changes."""
        return self._run("plan", "-detailed-exitcode", variables=True)

    def apply(self) -> Sample:
        """Apply everything."""
        return self._run("apply", "-auto-approve", variables=True)

    def destroy(self) -> Sample:
        """Destroy everything."""
        return self._run("destroy", "-auto-approve", variables=True)


def terraform_folder(variable: str) -> tuple[Path | None, str]:
    """(the folder, why there is none)."""
    folder = os.environ.get(variable)
    if not folder:
        return None, f"{variable} isn't set"
    if not (Path(folder) / "main.tf").is_file():
        return None, f"{variable}: {folder} has no main.tf"
    if shutil.which("terraform") is None:
        return None, "there is no `terraform` on the PATH"
    return Path(folder).resolve(), ""


def guide_script() -> tuple[Path | None, str]:
    """(the script, why there is none)."""
    script = os.environ.get("RECONCILER_BENCH_GUIDE")
    if not script:
        return None, "RECONCILER_BENCH_GUIDE isn't set"
    if not Path(script).is_file():
        return None, f"RECONCILER_BENCH_GUIDE: there is no {script}"
    answers = shutil.which("aws") and subprocess.run(["aws", "--version"], capture_output=True, check=False)
    if not answers or answers.returncode:
        return None, "there is no `aws` command that works on the PATH"
    return Path(script).resolve(), ""


def bare(lab: Lab) -> Sample:
    """The bare script."""
    return process([sys.executable, "-m", "bench.floor"], ROOT, lab)
