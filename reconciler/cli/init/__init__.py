"""`init`: the first files of a project, from what is in the folder. Never overwrites one."""

from __future__ import annotations

import json
import os
import re
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
from reconciler.config.rule import Rule
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
    done = Written()
    deploy, answers = _deploy(options, terminal, folder, file, facts, done)
    if answers.project:
        files.check_gitlab_branch(_gitlab_branch(deploy, answers))
    if facts.dockerfiles or answers.uri or deploy is not None:
        start = ""
    else:
        needed: tuple[str, ...] = ()
        if facts.requirements == "pyproject.toml":
            needed = files.dependencies((folder / facts.requirements).read_text(encoding="utf-8", errors="replace"))
        start = files.dockerfile(facts.program, facts.requirements, needed)
    text = files.deploy_yaml(answers)
    if deploy is None:
        deploy = _check(text)
    done.write(file, text, folder)
    done.write(folder / files.SCHEMA, SCHEMA.read_text(encoding="utf-8"), folder)
    if start:
        done.write(folder / "Dockerfile", start, folder)
        done.notes.append(f"the Dockerfile starts {facts.program}: look whether that is the program")
        if not facts.requirements:
            done.notes.append(
                "it installs nothing besides: write a requirements.txt, and a line for it in the Dockerfile"
            )
    if deploy.image.context is not None:
        _dockerignore(deploy, folder, done)
    _workflow(options, deploy, answers, facts, folder, done)
    _tell(terminal, options, folder, deploy, answers, done)
    return 0


def _deploy(
    options: Arguments, terminal: Terminal, folder: Path, file: Path, facts: ProjectFacts, done: Written
) -> tuple[Deploy | None, Answers]:
    """What is there, or the answers for what is to be written."""
    if file.exists():
        deploy = load(file, environ=os.environ, files=False, environment=options.environment)
        github, gitlab = (deploy.ci.github, deploy.ci.gitlab) if deploy.ci else (None, None)
        if github:
            _named(github.repository, done, github)
        return deploy, Answers(
            deploy.name,
            deploy.region,
            repository=github.repository if github else "",
            branch=github.branch if github else gitlab.branch if gitlab else facts.branch,
            project=gitlab.project if gitlab else "",
        )
    if options.environment:
        raise UserError(f"--env {options.environment}: there is no deploy.yaml here yet", hint="leave it out")
    data = _data(options, folder, facts, done)
    image, dockerfile, uri = _image(options, folder, facts)
    project, url = _project(options.gitlab) if options.gitlab else ("" if options.github else facts.project, "")
    asked = Answers(
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
        asked = questions.ask(
            terminal, folder, asked, name=options.name, region=options.region, data=options.data, github=options.github
        )
    for option, rule, value in (
        ("--name", rules.DEPLOY, asked.name),
        ("--region", rules.REGION, asked.region),
        ("--account", rules.ACCOUNT, asked.account),
        ("--github", rules.GITHUB, asked.repository),
        ("--gitlab", rules.GITLAB, asked.project),
        ("--gitlab", rules.GITLAB_URL, asked.url),
        ("--image", rules.IMAGE_URI, asked.uri),
    ):
        _valid(option, rule, value)
    for path in asked.data:
        if not path.startswith(SCHEME) and not WILD.search(path) and not (folder / path).exists():
            raise UserError(f"--data {path}: there is no such file in {folder}")
    if asked.repository:
        named = _named(asked.repository, done)
        asked = replace(asked, owner_id=named.owner_id, repository_id=named.repository_id)
    return None, asked


def _project(given: str) -> tuple[str, str]:
    """GROUP/PROJECT, and the address of a GitLab that isn't gitlab.com. given: the first, or the project's address."""
    match = re.fullmatch(r"(https://[^/]+)/(.+?)(?:\.git)?/?", given)
    if match is None:
        return given, ""
    return match[2], "" if match[1] == "https://gitlab.com" else match[1]


def _named(repository: str, done: Written, there: GitHub | None = None) -> subject.Subject:
    """How GitHub names the repository, and what is to be known of that. there: what the file says already."""
    if there is not None and there.owner_id:
        return subject.Subject()
    try:
        named = subject.ask(repository)
    except subject.NoAnswer as error:
        done.notes.append(subject.by_hand(repository, str(error)))
        return subject.Subject()
    if named.own:
        done.notes.append(
            f"{repository} has a template of its own for the subjects of its tokens ({named.own}), which the roles "
            f"don't trust: `gh api -X PUT repos/{repository}/actions/oidc/customization/sub -F use_default=true` "
            "ends that"
        )
    elif there is not None and named.owner_id:
        done.notes.append(
            f"GitHub names {repository} with ids, so its workflows may not assume the roles: write under ci.github "
            f'owner_id: "{named.owner_id}" and repository_id: "{named.repository_id}"'
        )
    return named


def _name(folder: str) -> str:
    near = rules.DEPLOY.suggest(folder) or ""
    return near if near and not rules.DEPLOY.problem(near) else "my-pipeline"


def _valid(option: str, rule: Rule, value: str) -> None:
    if value and (problem := rule.problem(value)):
        better = rule.better(value)
        raise UserError(f"{option} {value}: {problem}", hint=f"for instance {better}" if better else "")


def _data(options: Arguments, folder: Path, facts: ProjectFacts, done: Written) -> tuple[str, ...]:
    """What was named, or the files that look like data and have a key of their own."""
    if options.data:
        if options.data.startswith(SCHEME) or not (here := Path(options.data)).exists():
            return (options.data,)
        return (Path(os.path.relpath(here, folder)).as_posix() + ("/" if here.is_dir() else ""),)
    taken, out = entries(folder, facts.data)
    files_ = len(facts.data) - len(out)
    if set(taken) - set(facts.data):
        done.notes.append(f"{files_} files are the data ({', '.join(taken)}), and the first is S3_KEY: look at `data:`")
    elif files_ > 1:
        done.notes.append(f"{files_} files are the data, and the first, {taken[0]}, is S3_KEY: look at `data:`")
    if out:
        done.notes.append(f"{len(out)} more files look like data and aren't in deploy.yaml: {_first_names(out)}")
    build = (folder / facts.dockerfiles[0]).read_text(encoding="utf-8", errors="replace") if facts.dockerfiles else ""
    if others := [name for name in facts.others if not copies(build, name)]:
        done.notes.append(f"left out of `data:`, where those belong that are data: {_first_names(others)}")
    return taken


def _first_names(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")


def _image(options: Arguments, folder: Path, facts: ProjectFacts) -> tuple[str, str, str]:
    """The build context and the Dockerfile in it, or the image that is there. Raises UserError if there is neither."""
    if options.image:
        return "", "Dockerfile", options.image
    if facts.dockerfiles:
        return *context_of(folder, facts.dockerfiles[0]), ""
    if facts.program:
        return ".", "Dockerfile", ""
    raise UserError(
        "there is no Dockerfile here, and no Python program to write one for (train.py, main.py, app.py, run.py)",
        hint="write a Dockerfile, or name an image that exists: --image URI",
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


def _dockerignore(deploy: Deploy, folder: Path, done: Written) -> None:
    context = folder / str(deploy.image.context)
    file = context / deploy.image.dockerfile
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    named = [upload.outside_image for upload in deploy.data.uploads if upload.outside_image]
    inside = [os.path.relpath(folder / path, context) for path in named]
    data = [Path(path).as_posix() for path in inside if not path.startswith("..")]
    done.write(context / ".dockerignore", files.dockerignore(data, text), folder)


def _workflow(
    options: Arguments, deploy: Deploy, answers: Answers, facts: ProjectFacts, folder: Path, done: Written
) -> None:
    here = folder.resolve()
    install = options.install or _install(facts.root)
    given: dict[str, Any] = {
        "file": Path(os.path.relpath(here / "deploy.yaml", facts.root)).as_posix(),
        "install": install,
        "environment": options.environment,
        "results": Path(os.path.relpath(here / (deploy.run.results or "results"), facts.root)).as_posix(),
        "arm": deploy.task.platform == "ARM64",
    }
    github = deploy.ci.github if deploy.ci else None
    if answers.project:
        named = replace(answers, branch=_gitlab_branch(deploy, answers))
        text = files.gitlab_ci(named, **given, builds=deploy.image.context is not None)
        done.write(facts.root / ".gitlab-ci.yml", text, here)
        if not install:
            done.notes.append(
                "the job installs what the CI/CD variable RECONCILER names (not `reconciler` alone: on PyPI that is "
                "another project)"
            )
    if answers.repository:
        _github(answers, github, facts, here, given, done)
    if answers.project or answers.repository:
        done.write(here / ".gitignore", files.gitignore(deploy.run.results or ""), here)
    else:
        unknown = "no repository on GitHub or GitLab is known, so no workflow was written"
        done.notes.append(f"{unknown}: --github OWNER/NAME, --gitlab GROUP/PROJECT")


def _gitlab_branch(deploy: Deploy | None, answers: Answers) -> str:
    """The branch of whose jobs GitLab's role is, which may be another than GitHub's."""
    gitlab = deploy.ci.gitlab if deploy and deploy.ci else None
    return gitlab.branch if gitlab else answers.branch


def _github(
    answers: Answers, github: GitHub | None, facts: ProjectFacts, here: Path, given: Mapping[str, Any], done: Written
) -> None:
    """The workflows that aren't there."""
    wanted = {WORKFLOW: files.WORKFLOW} | ({DRIFT: files.DRIFT} if github and github.drift else {})
    there = [
        path
        for path in sorted((facts.root / WORKFLOW.parent).glob("*.y*ml"))
        if MARK in path.read_text("utf-8", "replace")
    ]
    done.left += [os.path.relpath(path, here) for path in there]
    if facts.root / DRIFT in there:
        wanted.pop(DRIFT, None)
    if set(there) - {facts.root / DRIFT}:
        del wanted[WORKFLOW]
    if not wanted:
        return
    if not given["install"]:
        done.notes.append(
            "the workflow installs what the repository's variable RECONCILER names (not `reconciler` alone: on PyPI "
            "that is another project); gh variable set RECONCILER --body git+https://…@COMMIT"
        )
    for path, template in wanted.items():
        done.write(facts.root / path, files.workflow(answers, **given, template=template), here)
    if DRIFT in wanted and answers.branch != facts.branch:
        done.notes.append(
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
    terminal: Terminal, options: Arguments, folder: Path, deploy: Deploy, answers: Answers, done: Written
) -> None:
    if options.json:
        terminal.json(Begun(done.wrote, done.left, done.notes))
        return
    for name in done.wrote:
        terminal.print(f"wrote       {name}")
    for name in done.left:
        terminal.print(f"left alone  {name}")
    for note in done.notes:
        terminal.print(terminal.fold("note: ", note))
    where = "" if options.folder == "." else f" {folder / 'deploy.yaml'}"
    where += f" --env {options.environment}" if options.environment else ""
    terminal.say()
    terminal.say("Next:")
    terminal.say(f"  {program()} apply{where} --local   the whole job on this machine, without AWS")
    terminal.say(f"  {program()} plan{where}            what apply would make in AWS; only reads")
    terminal.say(f"  {program()} apply{where}           make it and run it")
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
