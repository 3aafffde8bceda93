"""The text of a project's first files. Pure, but for the template beside it."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from reconciler.cli.program_name import typed_comments
from reconciler.config.storage import WILD, DataFile
from reconciler.core.errors import UserError
from reconciler.core.given_data import SCHEME
from reconciler.core.plain_json import refuse_deep
from reconciler.core.text import dumps, line
from reconciler.image.dockerfile import copies

WORKFLOW = Path(__file__).with_name("workflow.yml")
DRIFT = Path(__file__).with_name("drift.yml")
GITLAB = Path(__file__).with_name("gitlab-ci.yml")
DOCKER = """\
  services:
    - docker:28-dind
"""
OF_DOCKER = """\
    DOCKER_HOST: tcp://docker:2376
    DOCKER_TLS_CERTDIR: /certs
    DOCKER_TLS_VERIFY: "1"
    DOCKER_CERT_PATH: /certs/client
"""
SCHEMA = "deploy.schema.json"
# A requirement that a Dockerfile can hold as it is: a name with extras, versions, markers; no address, no variable.
NEEDED = r"[A-Za-z0-9][A-Za-z0-9.,;<>=!~*+()'\"\[\] _-]*"


@dataclass(frozen=True)
class Answers:
    """What the files say.

    data: files, folders and patterns, the training data first. image: a build context, or empty with `uri`;
    dockerfile: in it.
    """

    name: str
    region: str
    account: str = ""
    data: tuple[str, ...] = ()
    image: str = "."
    dockerfile: str = "Dockerfile"
    uri: str = ""
    repository: str = ""
    branch: str = "main"
    owner_id: str = ""
    repository_id: str = ""
    project: str = ""  # on GitLab
    url: str = ""  # of a GitLab that isn't gitlab.com


def deploy_yaml(answers: Answers) -> str:
    """deploy.yaml: what was asked for, and what is worth knowing early."""
    account = f'account: "{answers.account}"' if answers.account else '# account: "123456789012"'
    data = _entry(answers.data[0]) if len(answers.data) == 1 else f"[{', '.join(map(_entry, answers.data))}]"
    data_use = "read as it is" if answers.data and answers.data[0].startswith(SCHEME) else "uploaded"
    parts = [
        f"# yaml-language-server: $schema={SCHEMA}",
        "#",
        "# One training pipeline in AWS. What isn't said here has a default: `python -m reconciler show` prints all.",
        "# ${NAME} and ${NAME:-default} are environment variables, ${git.sha} is the commit.",
        "",
        f"name: {answers.name} # other names follow from it",
        f"region: {answers.region}",
        f"{account} # refuse to work with credentials of any other account",
        "",
        f"data: {data} # {data_use}; the program finds {_where(answers)}"
        if answers.data
        else "# data: data/prices.csv # is uploaded; the program finds it at s3://$S3_BUCKET/$S3_KEY",
        _image(answers),
        "",
        "task:",
        "  cpu: 1 vCPU",
        "  memory: 2GB",
        "  # environment: {EPOCHS: 20} # not for secrets, which go under `secrets:` by ARN",
        "",
        "run: # launched when the image, the data, the command, the environment or the size changed",
        "  max_duration: 2h # a task is stopped after this long, even when nobody watches it",
    ]
    if answers.repository:
        branch = "" if answers.branch == "main" else f"\n    branch: {_found(answers.branch)}"
        parts += [
            "",
            "ci: # GitHub Actions of this repository: `apply` on the branch, `plan` in pull requests; no stored key",
            "  github:",
            f"    repository: {answers.repository}{branch}",
            *([f'    owner_id: "{answers.owner_id}"'] if answers.owner_id else []),
            *([f'    repository_id: "{answers.repository_id}"'] if answers.repository_id else []),
            "    pull_requests: true",
            "    drift: true # a nightly `plan`, which keeps an issue while something differs",
        ]
    if answers.project:
        branch = "" if answers.branch == "main" else f"\n    branch: {_found(answers.branch)}"
        url = f"\n    url: {answers.url}" if answers.url else ""
        if not answers.repository:
            parts += ["", "ci: # GitLab CI/CD of this project: `apply` on the branch; no stored key"]
        parts += ["  gitlab:", f"    project: {answers.project}{url}{branch}"]
    return typed_comments("\n".join(parts) + "\n")


def _where(answers: Answers) -> str:
    """Where the program finds the data."""
    first = DataFile(file=answers.data[0])
    if first.place.is_folder if first.given else first.tree:
        return "its files below s3://$S3_BUCKET/$S3_PREFIX"
    return f"{'it' if len(answers.data) < 2 else 'the first'} at s3://$S3_BUCKET/$S3_KEY"


def _image(answers: Answers) -> str:
    if answers.uri:
        return f"image: {{uri: {_scalar(answers.uri)}}} # used as it is; nothing is built"
    if answers.dockerfile == "Dockerfile":
        return f"image: {_found(answers.image)} # the folder with the Dockerfile"
    inside = f"context: {_found(answers.image)}, dockerfile: {_found(answers.dockerfile)}"
    return f"image: {{{inside}}} # the build context, and the Dockerfile in it"


def dockerignore(data: Sequence[str], dockerfile: str) -> str:
    """.dockerignore of a build context. data: files in it, which are left out unless the Dockerfile copies them."""
    lines = [
        "# What the image isn't made from: a change of these builds nothing.",
        ".git", ".gitignore", ".github", ".reconciler", ".venv", "venv", "**/__pycache__", "**/*.pyc", ".*_cache",
        "results", "output", "*.log", "nohup.out", ".env", ".env.*", "deploy.yaml", SCHEMA,
    ]  # fmt: skip
    lines += [path for path in data if not copies(dockerfile, path)]
    return "\n".join(lines) + "\n"


def gitignore(results: str) -> str:
    """.gitignore of a project. results: the folder that runs are copied to, or empty."""
    lines = ["# What runs and Python leave behind.", ".reconciler/", *([f"{results}/"] if results else [])]
    return "\n".join([*lines, ".venv/", "__pycache__/"]) + "\n"


def dependencies(project: str) -> tuple[str, ...]:
    """What a pyproject.toml says that the program needs, as pip takes it. project: its text."""
    section = _parsed(project).get("project", {})
    requirements = section.get("dependencies", []) if isinstance(section, dict) else []
    if not isinstance(requirements, list) or not all(
        isinstance(requirement, str) and re.fullmatch(NEEDED, requirement) for requirement in requirements
    ):
        return ()
    return tuple(requirements)


def is_package(project: str) -> bool:
    """Whether a pyproject.toml is of something to install, and not only a list of what a program needs.

    Without a [build-system], pip takes setuptools, which refuses a folder with several others in it.
    """
    parsed = _parsed(project)
    tools = parsed.get("tool", {})
    poetry, uv = (tools.get(tool) if isinstance(tools, dict) else None for tool in ("poetry", "uv"))
    if (isinstance(poetry, dict) and poetry.get("package-mode") is False) or (
        isinstance(uv, dict) and uv.get("package") is False
    ):
        return False
    return "build-system" in parsed


def _parsed(project: str) -> dict[str, Any]:
    try:
        refuse_deep(project)
        return tomllib.loads(project)
    except ValueError:
        return {}


def dockerfile(program: str, requirements: str, packages: Sequence[str] = (), *, package: bool = True) -> str:
    """A Dockerfile for a Python program with its requirements, which come first, since they change least.

    packages: those of a pyproject.toml. package: whether the project is one too, and is installed with the program.
    """
    why = (
        "keep the two equal, so that a change of the program alone installs nothing again"
        if package
        else "keep the two equal"
    )
    first = (
        f"# As in pyproject.toml: {why}.\n"
        f"RUN python -m pip install --no-cache-dir {' '.join(map(shlex.quote, packages))}\n"
        if packages
        else ""
    )
    itself = "RUN python -m pip install --no-cache-dir .\n" if package else ""
    install = {
        "requirements.txt": "COPY requirements.txt .\n"
        "RUN python -m pip install --no-cache-dir -r requirements.txt\n"
        "COPY . .\n",
        "pyproject.toml": f"{first}COPY . .\n{itself}",
    }.get(requirements, "COPY . .\n")
    return (
        "FROM python:3.13-slim\n"
        "ENV HOME=/tmp PYTHONUNBUFFERED=1\n"
        "WORKDIR /app\n"
        f"{install}"
        "# No name and no home of its own: it reads and writes in S3, and in /tmp.\n"
        "USER 10001:10001\n"
        f'CMD ["python", {_quoted(program)}]\n'
    )


def workflow(
    answers: Answers,
    *,
    file: str,
    install: str,
    results: str,
    arm: bool,
    environment: str = "",
    template: Path = WORKFLOW,
) -> str:
    """A workflow of GitHub Actions. file, results: relative to the repository. install: what pip installs, or empty."""
    arguments = _word(file) + (f" --env {_word(environment)}" if environment else "")
    values = {
        "NAME": answers.name,
        "BRANCH": line(answers.branch),
        "BRANCHES": _value(re.sub(r"([*?+\[\]!])", r"\\\1", answers.branch)),  # patterns
        "CONDITION": _value(f"github.event_name != 'pull_request' && github.ref == {_expression(answers.branch)}"),
        "BRANCHED": _value(f"github.ref == {_expression(answers.branch)}"),
        "MINUTE": str(crc32(answers.name.encode()) % 60),  # not all at the full hour
        "FILE": line(file),
        "PLAN": _literal(f"exec python -m reconciler plan {arguments}"),
        "PLANNED": _literal(f'python -m reconciler plan {arguments} --markdown > "$RUNNER_TEMP/plan.md"'),
        "APPLY": _literal(f"exec python -m reconciler apply {arguments} --wait-for-lock 600"),
        "INSTALL": _quoted(_unexpanded(install)) if install else "${{ vars.RECONCILER }}",
        "RUNNER": "ubuntu-24.04-arm" if arm else "ubuntu-24.04",
        "RESULTS": _literal(f"{results}/"),
    }
    return _filled(template, values)


def check_gitlab_branch(branch: str) -> None:
    """Raises UserError for a branch that no condition of GitLab's can name: it has no escapes in its texts."""
    if re.search(r'["$\\]', branch):
        raise UserError(
            f"the branch {branch} can't be named in .gitlab-ci.yml", hint='give it a name without ", $ and \\'
        )


def gitlab_ci(
    answers: Answers, *, file: str, install: str, results: str, arm: bool, builds: bool, environment: str = ""
) -> str:
    """.gitlab-ci.yml. builds: whether an image is built there; the rest as of a workflow.

    Raises UserError for a branch that can't be written there.
    """
    check_gitlab_branch(answers.branch)
    condition = f'$CI_COMMIT_BRANCH == "{answers.branch}"'
    arguments = _word(file) + (f" --env {_word(environment)}" if environment else "")
    values = {
        "NAME": answers.name,
        "BRANCH": line(answers.branch),
        "CONDITION": f"'{condition}'" if re.fullmatch(r"[\w./+@#=,-]+", answers.branch, re.A) else _quoted(condition),
        "FILE": line(file),
        "IMAGE": "docker:28" if builds else "python:3.13",
        "SERVICES": (DOCKER if builds else "") + ("  tags: [saas-linux-small-arm64]\n" if arm and builds else ""),
        "DOCKER": OF_DOCKER if builds else "",
        "SYSTEM": "    - apk add --no-cache git python3\n" if builds else "",
        "APPLY": _value(f"/tmp/reconciler/bin/python -m reconciler apply {arguments} --wait-for-lock 600"),  # noqa: S108  # nosec B108
        "INSTALL": _quoted(install.replace("$", "$$")),
        "RESULTS": _value(f"{results}/"),
    }
    return _filled(GITLAB, values)


def _filled(template: Path, values: Mapping[str, str]) -> str:
    text = typed_comments(template.read_text(encoding="utf-8"))
    return re.sub(r"<<([A-Z]+)>>", lambda match: values[match[1]], text)


def _word(text: str) -> str:
    """`text` as one word for a shell, and no option."""
    text = f"./{text}" if text.startswith("-") else text
    return f'"{text}"' if " " in text and re.fullmatch(r"[A-Za-z0-9_./ -]+", text) else shlex.quote(text)


def _expression(branch: str) -> str:
    """The ref of a branch as a string in one of GitHub's expressions, in which `${{` would begin another."""
    name = branch.replace("'", "''")
    if "$" not in name:
        return f"'refs/heads/{name}'"
    name = name.replace("{", "{{").replace("}", "}}").replace("$", "{0}")
    return f"format('refs/heads/{name}', '$')"


def _literal(text: str) -> str:
    """`text` as the value of a key in a workflow: neither YAML nor GitHub finds anything else in it."""
    return _value(_unexpanded(text))


def _unexpanded(text: str) -> str:
    """`text` in which GitHub finds no expression: that which begins one is what an expression gives."""
    return text.replace("${{", "${{ '${{' }}")


def _value(text: str) -> str:
    """`text` as the value of a key in YAML, in quotes where it needs them."""
    plain = re.fullmatch(r"[A-Za-z0-9_./](?:[A-Za-z0-9_./$'\"()&|!=@+ -]*[A-Za-z0-9_./'\")])?", text)
    return text if plain else _quoted(text)


def _quoted(text: str) -> str:
    """`text` in YAML's double quotes, which know every escape of JSON's."""
    return dumps(text, ascii_only=False)


def _entry(text: str) -> str:
    """An entry of `data:`: a name that was found, or a pattern or an address, as they were asked for."""
    return _scalar(text) if text.startswith(SCHEME) or WILD.search(text) else _found(text)


def _found(name: str) -> str:
    """The name of something that is there: what looks like a variable in it is none."""
    return _scalar(name.replace("${", "$${"))


def _scalar(text: str) -> str:
    """`text` as a YAML scalar, in quotes where it needs them."""
    return text if re.fullmatch(r"[A-Za-z0-9_.][A-Za-z0-9_./@:-]*(?<!:)", text) else _quoted(text)
