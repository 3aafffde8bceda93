"""`init`: the first files of a project, from what is in the folder. Never overwrites one."""

from __future__ import annotations

import json
import os
import re
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from reconciler.cli.answer import Answer
from reconciler.cli.init import files, questions, subject
from reconciler.cli.init.files import Answers
from reconciler.cli.init.look import ProjectFacts, context_of, entries, look
from reconciler.cli.options import Output
from reconciler.cli.program_name import program
from reconciler.cli.terminal import Terminal, attended
from reconciler.config import ConfigErrors, Deploy, load
from reconciler.config import names as rules
from reconciler.config.publish import SCHEMA
from reconciler.config.rule import TextRule
from reconciler.config.schema import GitHub
from reconciler.config.storage import WILD
from reconciler.core.errors import UserError
from reconciler.core.given_data import SCHEME
from reconciler.image.dockerfile import copies

MARK = "-m reconciler"  # in a workflow that runs this program
WORKFLOW, DRIFT = Path(".github", "workflows", "pipeline.yml"), Path(".github", "workflows", "drift.yml")


@dataclass(frozen=True)
class Arguments(Output):
    """What `init` is asked. environment: which of the file's, where it is there already. None: not given."""

    folder: str
    environment: str
    name: str | None
    data: str | None
    region: str | None
    account: str | None
    image: str | None
    github: str | None
    gitlab: str | None
    install: str | None
    yes: bool


@dataclass
class Written:
    """What was written, what was there already, and what there is to say of it."""

    wrote: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def write(self, path: Path, text: str, folder: Path) -> None:
        """Write a new file. Raises UserError when that can't be done."""
        name = os.path.relpath(path, folder)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            self.left.append(name)
        except OSError as error:
            raise UserError(f"{name} can't be written: {error.strerror}") from None
        else:
            self.wrote.append(name)


@dataclass(frozen=True)
class Begun(Answer):
    """What was written."""

    wrote: Annotated[Sequence[str], "new files, relative to the folder"]
    left: Annotated[Sequence[str], "files that existed already and weren't changed"]
    notes: Annotated[Sequence[str], "what to know besides"]


ANSWERS = (Begun,)


def run(options: Arguments, terminal: Terminal) -> int:
    """Write what is missing. Returns 0; raises UserError before anything is written when something is wrong."""
    folder = Path(options.folder)
    if not folder.is_dir():
        raise UserError(f"{options.folder}: there is no such folder", hint="make it, or leave it out for this one")
    facts = look(folder.resolve())
    file = folder / "deploy.yaml"
    output = Written()
    deploy, answers = _deploy(options, terminal, folder, file, facts, output)
    if answers.project:
        files.check_gitlab_branch(_gitlab_branch(deploy, answers))
    if facts.dockerfiles or answers.uri or (deploy is not None and not _lacks_dockerfile(deploy, facts)):
        start = ""
    else:
        packages: tuple[str, ...] = ()
        package = False
        if facts.requirements == "pyproject.toml":
            project = (folder / facts.requirements).read_text(encoding="utf-8", errors="replace")
            packages, package = files.dependencies(project), files.is_package(project) or (folder / "src").is_dir()
        start = files.dockerfile(facts.program, facts.requirements, packages, package=package)
    text = files.deploy_yaml(answers)
    if deploy is None:
        deploy = _check(text)
    output.write(file, text, folder)
    output.write(folder / files.SCHEMA, SCHEMA.read_text(encoding="utf-8"), folder)
    if start:
        output.write(folder / "Dockerfile", start, folder)
        output.notes.append(f"the Dockerfile starts {facts.program}: check that this is the program to run")
        if "pip install" not in start:
            output.notes.append(
                "the Dockerfile installs no packages: if the program needs some, write them into requirements.txt, "
                "delete the Dockerfile and run `init` again"
            )
    if deploy.image.context is not None:
        _dockerignore(deploy, folder, output)
    _workflow(options, deploy, answers, facts, folder, output)
    _tell(terminal, options, folder, deploy, answers, output)
    return 0


def _lacks_dockerfile(deploy: Deploy, facts: ProjectFacts) -> bool:
    """Whether a file that is there builds its folder by a Dockerfile, which isn't there, for a program that is."""
    image = deploy.image
    return bool(facts.program) and image.context == "." and image.dockerfile == "Dockerfile"


def _deploy(
    options: Arguments, terminal: Terminal, folder: Path, file: Path, facts: ProjectFacts, output: Written
) -> tuple[Deploy | None, Answers]:
    """What is there, or the answers for what is to be written."""
    if file.exists():
        deploy = load(file, environ=os.environ, files=False, environment=options.environment)
        github, gitlab = (deploy.ci.github, deploy.ci.gitlab) if deploy.ci else (None, None)
        if github:
            _named(github.repository, output, github)
        return deploy, Answers(
            deploy.name,
            deploy.region,
            repository=github.repository if github else "",
            branch=github.branch if github else gitlab.branch if gitlab else facts.branch,
            project=gitlab.project if gitlab else "",
        )
    if options.environment:
        raise UserError(f"--env {options.environment}: there is no deploy.yaml here yet", hint="leave it out")
    data = _data(options, folder, facts, output)
    image, dockerfile, uri = _image(options, folder, facts, output)
    project, url = _project(options.gitlab) if options.gitlab else ("" if options.github else facts.project, "")
    answers = Answers(
        name=options.name or _name(folder.resolve().name),
        region=options.region or _region(),
        account=options.account or "",
        data=data,
        image=image,
        dockerfile=dockerfile,
        uri=uri,
        repository=options.github or ("" if options.gitlab else facts.repository),
        branch=facts.branch,
        project=project,
        url=url,
    )
    if attended() and terminal.live and not options.yes:
        answers = questions.ask(
            terminal,
            folder,
            answers,
            name=options.name,
            region=options.region,
            data=options.data,
            github=options.github,
        )
    for option, rule, value in (
        ("--name", rules.DEPLOY, answers.name),
        ("--region", rules.REGION, answers.region),
        ("--account", rules.ACCOUNT, answers.account),
        ("--github", rules.GITHUB, answers.repository),
        ("--gitlab", rules.GITLAB, answers.project),
        ("--gitlab", rules.GITLAB_URL, answers.url),
        ("--image", rules.IMAGE_URI, answers.uri),
    ):
        _valid(option, rule, value)
    for path in answers.data:
        if not path.startswith(SCHEME) and not WILD.search(path) and not (folder / path).exists():
            raise UserError(f"--data {path}: there is no such file in {folder}")
    if answers.repository:
        github_subject = _named(answers.repository, output)
        answers = replace(answers, owner_id=github_subject.owner_id, repository_id=github_subject.repository_id)
    return None, answers


def _project(text: str) -> tuple[str, str]:
    """GROUP/PROJECT, and the address of a GitLab that isn't gitlab.com. text: the first, or the project's address."""
    match = re.fullmatch(r"(https://[^/]+)/(.+?)(?:\.git)?/?", text)
    if match is None:
        return text, ""
    return match[2], "" if match[1] == "https://gitlab.com" else match[1]


def _named(repository: str, output: Written, github: GitHub | None = None) -> subject.Subject:
    """How GitHub names the repository, and what is to be known of that. github: what the file says already."""
    if github is not None and github.owner_id:
        return subject.Subject()
    try:
        github_subject = subject.ask(repository)
    except subject.NoAnswer as error:
        output.notes.append(subject.by_hand(repository, str(error)))
        return subject.Subject()
    if github_subject.template:
        output.notes.append(
            f"{repository} has a template of its own for the subjects of its tokens ({github_subject.template}), which "
            f"the roles don't trust: `gh api -X PUT repos/{repository}/actions/oidc/customization/sub "
            "-F use_default=true` ends that"
        )
    elif github is not None and github_subject.owner_id:
        output.notes.append(
            f"GitHub names {repository} with ids, so its workflows may not assume the roles: write under ci.github "
            f'owner_id: "{github_subject.owner_id}" and repository_id: "{github_subject.repository_id}"'
        )
    return github_subject


def _name(folder: str) -> str:
    near = rules.DEPLOY.suggest(folder) or ""
    return near if near and not rules.DEPLOY.problem(near) else "my-pipeline"


def _valid(option: str, rule: TextRule, value: str) -> None:
    if value and (problem := rule.problem(value)):
        better = rule.better(value)
        raise UserError(f"{option} {value}: {problem}", hint=f"for instance {better}" if better else "")


def _data(options: Arguments, folder: Path, facts: ProjectFacts, output: Written) -> tuple[str, ...]:
    """What was named, or the files that look like data and have a key of their own."""
    if options.data:
        if options.data.startswith(SCHEME) or not (path := Path(options.data)).exists():
            return (options.data,)
        return (Path(os.path.relpath(path, folder)).as_posix() + ("/" if path.is_dir() else ""),)
    names, out = entries(folder, facts.data)
    files_ = len(facts.data) - len(out)
    if set(names) - set(facts.data):
        output.notes.append(
            f"{files_} files are the data ({', '.join(names)}), and the first is S3_KEY: look at `data:`"
        )
    elif files_ > 1:
        output.notes.append(f"{files_} files are the data, and the first, {names[0]}, is S3_KEY: look at `data:`")
    if out:
        output.notes.append(
            f"{len(out)} more files look like data and aren't in deploy.yaml: {_first_names(out)} (another file has "
            "the key, or none can be made of the name: `{file: NAME, key: KEY}` gives one)"
        )
    build = (folder / facts.dockerfiles[0]).read_text(encoding="utf-8", errors="replace") if facts.dockerfiles else ""
    if other_names := [name for name in facts.possible_data if not copies(build, name)]:
        output.notes.append(f"not in `data:`: {_first_names(other_names)}; add those that are data")
    return names


def _first_names(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")


def _image(options: Arguments, folder: Path, facts: ProjectFacts, output: Written) -> tuple[str, str, str]:
    """The build context and the Dockerfile in it, or the image that is there. Raises UserError if there is neither."""
    if options.image:
        return "", "Dockerfile", options.image
    if facts.dockerfiles:
        if len(facts.dockerfiles) > 1:
            output.notes.append(
                f"`image:` names {facts.dockerfiles[0]}; there are others: {_first_names(facts.dockerfiles[1:])}"
            )
        return *context_of(folder, facts.dockerfiles[0]), ""
    if facts.program:
        return ".", "Dockerfile", ""
    notebook = next((path.name for path in sorted(folder.glob("*.ipynb"))), "")
    raise UserError(
        "there is no Dockerfile here, and no Python program to write one for (train.py, main.py, app.py, run.py)",
        hint=f"make a program of the notebook: jupyter nbconvert --to python --output train {shlex.quote(notebook)}"
        if notebook
        else "write a Dockerfile, or name an image that exists: --image URI",
    )


def _region() -> str:
    """The region that the AWS CLI would use; us-east-1 where none is set."""
    if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        return region
    profile = os.environ.get("AWS_PROFILE", "default")
    config = ConfigParser(interpolation=None)
    try:
        config.read(Path(os.environ.get("AWS_CONFIG_FILE", "~/.aws/config")).expanduser(), encoding="utf-8")
    except (ConfigParserError, OSError, UnicodeDecodeError):
        return "us-east-1"
    section = profile if profile == "default" else f"profile {profile}"
    return config.get(section, "region", fallback="us-east-1")


def _check(text: str) -> Deploy:
    """The deploy that the new file will be. Raises ConfigErrors, of the file as it will be named."""
    with tempfile.TemporaryDirectory() as beside:
        path = Path(beside, "deploy.yaml")
        path.write_text(text, encoding="utf-8")
        try:
            return load(path, environ=os.environ, git_sha=lambda: None, files=False)
        except ConfigErrors as wrong:
            raise ConfigErrors(replace(error, file=path.name) for error in wrong.errors) from None


def _dockerignore(deploy: Deploy, folder: Path, output: Written) -> None:
    context = folder / str(deploy.image.context)
    file = context / deploy.image.dockerfile
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    upload_paths = [upload.outside_image for upload in deploy.data.uploads if upload.outside_image]
    inside = [os.path.relpath(folder / path, context) for path in upload_paths]
    data = [Path(path).as_posix() for path in inside if not path.startswith("..")]
    output.write(context / ".dockerignore", files.dockerignore(data, text), folder)


def _workflow(
    options: Arguments, deploy: Deploy, answers: Answers, facts: ProjectFacts, folder: Path, output: Written
) -> None:
    folder_path = folder.resolve()
    install = options.install or _install(facts.root)
    template_values: dict[str, Any] = {
        "file": Path(os.path.relpath(folder_path / "deploy.yaml", facts.root)).as_posix(),
        "install": install,
        "environment": options.environment,
        "results": Path(os.path.relpath(folder_path / (deploy.run.results or "results"), facts.root)).as_posix(),
        "arm": deploy.task.platform == "ARM64",
    }
    github = deploy.ci.github if deploy.ci else None
    if answers.project:
        gitlab_answers = replace(answers, branch=_gitlab_branch(deploy, answers))
        text = files.gitlab_ci(gitlab_answers, **template_values, builds=deploy.image.context is not None)
        output.write(facts.root / ".gitlab-ci.yml", text, folder_path)
        if not install:
            output.notes.append(
                "the job installs what the CI/CD variable RECONCILER names (not `reconciler` alone: on PyPI that is "
                "another project)"
            )
    if answers.repository:
        _github(answers, github, facts, folder_path, template_values, output)
    if answers.project or answers.repository:
        output.write(folder_path / ".gitignore", files.gitignore(deploy.run.results or ""), folder_path)
    else:
        unknown = "no repository on GitHub or GitLab is known, so no workflow was written"
        output.notes.append(f"{unknown}: --github OWNER/NAME, --gitlab GROUP/PROJECT")


def _gitlab_branch(deploy: Deploy | None, answers: Answers) -> str:
    """The branch of whose jobs GitLab's role is, which may be another than GitHub's."""
    gitlab = deploy.ci.gitlab if deploy and deploy.ci else None
    return gitlab.branch if gitlab else answers.branch


def _github(
    answers: Answers,
    github: GitHub | None,
    facts: ProjectFacts,
    folder_path: Path,
    template_values: Mapping[str, Any],
    output: Written,
) -> None:
    """The workflows that aren't there."""
    templates = {WORKFLOW: files.WORKFLOW} | ({DRIFT: files.DRIFT} if github and github.drift else {})
    existing = [
        path
        for path in sorted((facts.root / WORKFLOW.parent).glob("*.y*ml"))
        if MARK in path.read_text("utf-8", "replace")
    ]
    output.left += [os.path.relpath(path, folder_path) for path in existing]
    if facts.root / DRIFT in existing:
        templates.pop(DRIFT, None)
    if set(existing) - {facts.root / DRIFT}:
        del templates[WORKFLOW]
    if not templates:
        return
    if not template_values["install"]:
        output.notes.append(
            "the workflow installs what the repository's variable RECONCILER names (not `reconciler` alone: on PyPI "
            "that is another project); gh variable set RECONCILER --body git+https://…@COMMIT"
        )
    for path, template in templates.items():
        output.write(facts.root / path, files.workflow(answers, **template_values, template=template), folder_path)
    if DRIFT in templates and answers.branch != facts.branch:
        output.notes.append(
            f"unless {answers.branch} is the default branch, drift isn't reported: GitHub plans nightly only there"
        )


def _install(root: Path) -> str:
    """What pip would install to have this program again; empty when that can't be told from how it was installed.

    Never by its name alone: on PyPI that name is another project's.
    """
    from importlib.metadata import PackageNotFoundError, distribution

    if (root / "reconciler" / "__main__.py").is_file():
        return "."
    try:
        origin = json.loads(distribution("reconciler").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return ""
    vcs = origin.get("vcs_info") or {}
    return f"reconciler @ {vcs['vcs']}+{origin['url']}@{vcs['commit_id']}" if vcs.get("commit_id") else ""


def _tell(
    terminal: Terminal, options: Arguments, folder: Path, deploy: Deploy, answers: Answers, output: Written
) -> None:
    if options.json:
        terminal.json(Begun(output.wrote, output.left, output.notes))
        return
    for name in output.wrote:
        terminal.print(f"wrote       {name}")
    for name in output.left:
        terminal.print(f"left alone  {name}")
    for note in output.notes:
        terminal.print(terminal.fold("note: ", note))
    command_end = "" if options.folder == "." else f" {folder / 'deploy.yaml'}"
    command_end += f" --env {options.environment}" if options.environment else ""
    terminal.say()
    terminal.say("Next:")
    terminal.say(f"  {program()} apply{command_end} --local   the whole job on this machine, without AWS")
    terminal.say(f"  {program()} plan{command_end}            what apply would make in AWS; only reads")
    terminal.say(f"  {program()} apply{command_end}           make it and run it")
    github, gitlab = (deploy.ci.github, deploy.ci.gitlab) if deploy.ci else (None, None)
    account = deploy.account or "ACCOUNT"
    if gitlab and answers.project:
        terminal.say()
        terminal.say("Then, for GitLab CI/CD, once:")
        terminal.say(f"  glab variable set AWS_ROLE_ARN arn:aws:iam::{account}:role/{gitlab.role} --protected")
    if github and answers.repository:
        terminal.say()
        terminal.say("Then, for GitHub Actions, once:")
        for variable, role, is_there in (
            ("AWS_ROLE_ARN", github.role, True),
            ("AWS_PLAN_ROLE_ARN", github.plan_role, github.pull_requests),
        ):
            if is_there:
                terminal.say(f"  gh variable set {variable} --body arn:aws:iam::{account}:role/{role}")
