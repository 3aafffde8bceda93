"""GitLab: whom a file trusts, what an existing trust means, how a job takes its role, and what it is told otherwise."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore import UNSIGNED
from botocore.config import Config
from botocore.session import Session

from reconciler.aws.job_role import JobRole, chosen, session_name
from reconciler.checks.gitlab_token import advice
from reconciler.cli.init import files
from reconciler.config import ConfigErrors, load
from reconciler.config.schema import GitLab
from reconciler.core.errors import UserError
from reconciler.core.job_token import missing, without_tokens
from tests.engine.project import DEPLOY, Project
from tests.engine.project import project as project
from tests.federation import HOUR, federation

MAIN = "project_path:group/tiny:ref_type:branch:ref:main"
ROLE = "arn:aws:iam::123456789012:role/tiny-ci-gitlab"
FILE = DEPLOY.replace("user: {}", "gitlab: {project: group/tiny}").replace(", API_TOKEN: hunter2", "")


@pytest.mark.parametrize(
    ("fields", "issuer", "named", "says"),
    [
        ({}, "https://gitlab.com", MAIN, ""),
        ({"branch": "a/b"}, "https://gitlab.com", MAIN.replace("main", "a/b"), ""),
        ({"url": "https://git.example.com/gitlab"}, "https://git.example.com/gitlab", MAIN, ""),
        ({}, "https://git.example.com", MAIN, "deploy.yaml: url: https://git.example.com; then"),
        ({}, "https://gitlab.com", MAIN.replace("group", "Group/sub"), "deploy.yaml: project: Group/sub/tiny; then"),
        ({}, "https://gitlab.com", MAIN.replace("main", "x"), "deploy.yaml: branch: x; then"),
        ({}, "https://gitlab.com", MAIN.replace("branch:ref:main", "tag:ref:v1"), "run the job on the branch main"),
        ({}, "https://gitlab.com", "project_path:group/tiny:user_login:x", "ci_id_token_sub_claim_components"),
    ],
)
def test_the_line_to_change(fields: dict[str, Any], issuer: str, named: str, says: str) -> None:
    text = advice(GitLab(project="group/tiny", **fields), issuer, named)
    assert bool(text) is bool(says)
    assert says in text


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("project: tiny", "write GROUP/PROJECT"),
        ("project: group/*", "write GROUP/PROJECT"),
        ("project: 'group/tiny:ref_type:branch:ref:main'", "write GROUP/PROJECT"),
        ("project: https://gitlab.com/group/tiny.git", "for instance group/tiny"),
        ("project: group/tiny, branch: 'f*'", "a branch as git writes it"),
        ("project: group/tiny, url: 'http://gitlab.example.com'", "for instance https://gitlab.example.com"),
        ("project: group/tiny, url: 'https://gitlab.example.com:8443'", "for instance https://gitlab.example.com"),
        ("project: group/tiny, url: 'https://*.example.com'", "https:// and a host name"),
        ("project: group/tiny, role: a1-task-role", "a1-task-role"),
    ],
)
def test_what_cannot_be_trusted(section: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "deploy.yaml"
    path.write_text(f"name: a1\nimage: {{uri: python}}\nci: {{gitlab: {{{section}}}}}\n")
    with pytest.raises(ConfigErrors) as raised:
        load(path, environ={})
    assert says in str(raised.value)


JOB = {"GITLAB_CI": "true", "GITLAB_OIDC_TOKEN": "a.b.c", "AWS_ROLE_ARN": ROLE}


def test_what_a_job_has_and_lacks() -> None:
    assert chosen(JOB) == ROLE
    assert missing(JOB) == ""
    assert chosen(JOB | {"GITLAB_OIDC_TOKEN": ""}) == ""
    assert "`id_tokens: {GITLAB_OIDC_TOKEN: {aud: sts.amazonaws.com}}`" in missing({"GITLAB_CI": "true"})
    assert "set AWS_ROLE_ARN in the project's CI/CD variables" in missing(JOB | {"AWS_ROLE_ARN": ""})
    assert session_name(JOB | {"CI_PROJECT_PATH": "g/sub/tiny", "CI_PIPELINE_ID": "9"}) == "tiny-9"
    assert without_tokens(JOB) == {"GITLAB_CI": "true", "AWS_ROLE_ARN": ROLE}


def test_a_jobs_whole_life(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Trusted exactly, taken in a job, renewed until the token ends, read back, and the provider left for others."""
    project.write("deploy.yaml", FILE)
    project.ok("apply")
    iam = project.lab.client("iam")
    (statement,) = iam.get_role(RoleName="tiny-ci-gitlab")["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Federated": "arn:aws:iam::123456789012:oidc-provider/gitlab.com"}
    assert statement["Condition"] == {
        "StringEquals": {"gitlab.com:aud": "sts.amazonaws.com", "gitlab.com:sub": MAIN},
    }  # fmt: skip
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with federation(project.lab.client) as gitlab:
        gitlab.host, gitlab.subject = "gitlab.com", MAIN
        job = {"GITLAB_CI": "true", "AWS_ROLE_ARN": ROLE, "AWS_ENDPOINT_URL_STS": gitlab.url}
        job["GITLAB_OIDC_TOKEN"] = gitlab.token("sts.amazonaws.com", 2 * HOUR)
        for name, value in job.items():
            monkeypatch.setenv(name, value)
        told = project.ok("apply")
        assert gitlab.sessions
        doctor = project.run("doctor")
        assert f"names this job {MAIN}, which tiny-ci-gitlab trusts" in " ".join(doctor.out.split())
        gitlab.subject = MAIN.replace("main", "other")
        monkeypatch.setenv("GITLAB_OIDC_TOKEN", gitlab.token("sts.amazonaws.com", 2 * HOUR))
        refused = project.run("plan")
        assert refused.code == 2
        assert "under ci.gitlab in deploy.yaml: branch: other; then" in " ".join(refused.err.split())
        monkeypatch.setenv("GITLAB_OIDC_TOKEN", gitlab.token("sts.amazonaws.com", -1))
        ended = project.run("plan")
        assert (ended.code, "the token has ended" in ended.err) == (2, True), ended.err
        printed = "".join(outcome.out + outcome.err for outcome in (told, doctor, refused, ended))
        assert not any(token in printed or token.split(".")[1] in printed for token in gitlab.tokens)
    for name in job:
        monkeypatch.delenv(name)
    for name, value in project.lab.environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    project.folder.joinpath("deploy.yaml").rename(project.folder / "first.yaml")
    project.ok("import", "--prefix", "tiny", "--data", "prices.csv")
    assert project.ok("show", "--json").json["ci"]["gitlab"] == {
        "project": "group/tiny", "url": "https://gitlab.com", "branch": "main", "role": "tiny-ci-gitlab",
    }  # fmt: skip
    trust = {**statement, "Condition": {"StringEquals": {"gitlab.com:sub": "project_path:g/x:ref_type:branch:ref:y"}}}
    iam.create_role(RoleName="elsewhere", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    project.folder.joinpath("first.yaml").replace(project.folder / "deploy.yaml")
    steps = project.ok("destroy", "--yes", "--delete-data", "--json").json
    held = {step["name"]: step.get("held") for step in steps["plan"]["steps"] if step["kind"] == "oidc-provider"}
    assert held == {"gitlab.com": "role.elsewhere trusts it too, so it stays"}


def test_the_token_is_given_to_sts_again_until_it_ends(project: Project) -> None:
    clock = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    trust = {"gitlab.com:sub": MAIN, "gitlab.com:aud": "sts.amazonaws.com"}
    statement = {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringEquals": trust}}
    statement["Principal"] = {"Federated": "arn:aws:iam::123456789012:oidc-provider/gitlab.com"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    project.lab.client("iam").create_role(RoleName="tiny-ci-gitlab", AssumeRolePolicyDocument=policy)
    now = [clock]
    with federation(project.lab.client, lambda: now[0]) as gitlab:
        gitlab.host, gitlab.subject = "gitlab.com", MAIN
        job = JOB | {"GITLAB_OIDC_TOKEN": gitlab.token("sts.amazonaws.com", 3 * HOUR)}
        none = dict.fromkeys(("aws_access_key_id", "aws_secret_access_key"), "none")
        config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
        role = JobRole(
            job, lambda: Session().create_client("sts", "us-east-1", endpoint_url=gitlab.url, config=config, **none),
            lambda: datetime.fromtimestamp(now[0], UTC),
        )  # fmt: skip
        credentials = role.load()
        assert credentials is not None
        while now[0] < clock + 3.5 * HOUR:  # the last credentials outlive the token
            assert gitlab.sessions[credentials.get_frozen_credentials().access_key] > now[0]
            now[0] += 300
        now[0] += HOUR
        with pytest.raises(UserError, match="ExpiredTokenException"):
            credentials.get_frozen_credentials()
        assert len(gitlab.sessions) == 4


def ci(**more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"file": "deploy.yaml", "install": "x", "results": "r", "arm": False, "builds": True}
    answers = files.Answers("tiny", "us-east-1", project="group/tiny", branch=more.pop("branch", "main"))
    jobs: dict[str, Any] = yaml.safe_load(files.gitlab_ci(answers, **given | more))
    return jobs["apply"]  # type: ignore[no-any-return]


def test_what_init_writes(project: Project) -> None:
    project.folder.joinpath("deploy.yaml").unlink()
    project.write("Dockerfile", "FROM scratch\n")
    said = project.ok(
        "init", "--name", "tiny", "--gitlab", "https://git.example.com/group/sub/tiny.git", "--install", "x"
    )
    assert "glab variable set AWS_ROLE_ARN arn:aws:iam::ACCOUNT:role/tiny-ci-gitlab --protected" in said.out
    deploy = load(project.folder / "deploy.yaml", environ={}, files=False)
    assert deploy.ci is not None
    assert deploy.ci.gitlab is not None
    assert (deploy.ci.gitlab.project, deploy.ci.gitlab.host) == ("group/sub/tiny", "git.example.com")
    job = yaml.safe_load((project.folder / ".gitlab-ci.yml").read_text())["apply"]
    assert job["id_tokens"] == {"GITLAB_OIDC_TOKEN": {"aud": "sts.amazonaws.com"}}
    assert job["rules"] == [{"if": '$CI_COMMIT_BRANCH == "main"'}]
    assert "left alone  .gitlab-ci.yml\n" in project.ok("init").out


@pytest.mark.parametrize(("folder", "install"), [("it's $(touch owned)", "a$b"), ("a: b", "# x"), ("my project", "x")])
def test_its_script_is_what_was_meant(folder: str, install: str, tmp_path: Path) -> None:
    """As GitLab's runner has it: the lines of `script` in one shell, which ends at the first that fails."""
    job = ci(file=f"{folder}/deploy.yaml", install=install, builds=False)
    assert job["variables"] == {"RECONCILER": install.replace("$", "$$")}
    spy = tmp_path / "spy"
    spy.write_text('#!/bin/sh\nenv > env.$$\nfor one in "$@"; do printf \'%s\\0\' "$one"; done >> words\n')
    spy.chmod(0o755)
    script = "\n".join(job["script"]).replace("python3 -m venv /tmp/reconciler", "true")
    script = script.replace("/tmp/reconciler/bin/python", str(spy))
    environment = {"PATH": "/usr/bin:/bin", "RECONCILER": install, "GITLAB_OIDC_TOKEN": "secret", "AWS_ROLE_ARN": ROLE}
    subprocess.run(["bash", "-eo", "pipefail", "-c", script], cwd=tmp_path, check=True, env=environment)
    words = (tmp_path / "words").read_text().split("\0")[:-1]
    assert words[:4] == ["-m", "pip", "install", "--quiet"]
    assert words[4:] == [install, "-m", "reconciler", "apply", f"{folder}/deploy.yaml", "--wait-for-lock", "600"]
    seen = sorted(("secret" in path.read_text(), ROLE in path.read_text()) for path in tmp_path.glob("env.*"))
    assert seen == [(False, False), (True, True)], "what is installed gets neither"
    assert not list(tmp_path.rglob("owned"))


@pytest.mark.parametrize("branch", ["release/1.0", "it's", "a!b&c|d;(e)", "{x}", "größe", "a%b`c`", "a\u2028b", "#x"])
def test_a_branch_is_named_as_git_has_it(branch: str) -> None:
    assert ci(branch=branch)["rules"] == [{"if": f'$CI_COMMIT_BRANCH == "{branch}"'}]


@pytest.mark.parametrize("branch", ['a"b', "a$b", "$CI_DEFAULT_BRANCH"])
def test_a_branch_that_cannot_be_written_there(branch: str, project: Project) -> None:
    with pytest.raises(UserError, match="can't be named"):
        ci(branch=branch)
    project.write("deploy.yaml", FILE.replace("group/tiny", f"group/tiny, branch: {json.dumps(branch)}"))
    before = sorted(project.folder.rglob("*"))
    result = project.run("init", "--install", "x")
    assert result.code == 2
    assert "can't be named in .gitlab-ci.yml" in result.err
    assert sorted(project.folder.rglob("*")) == before
