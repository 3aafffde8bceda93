"""`init` in folders of many kinds: what it writes loads and plans, what is there stays, what is wrong is said first."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.cli.init import files
from reconciler.cli.init.look import context_of, entries, look, path_on
from reconciler.config import load
from reconciler.image.dockerfile import copies
from reconciler.local.package_commands import installation
from tests.cli.conftest import Project
from tests.cli.test_json import holds
from tests.lab_client import ROOT
from tests.waiting import LONG
from tests.work import assert_linear


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A folder without a deploy.yaml."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("RECONCILER_LOCAL_ENGINE", "process")
    folder = tmp_path / "My Project"
    folder.mkdir()
    return Project(folder)


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def listed(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and ".git" not in p.parts}


def test_a_program_and_data_are_enough(fresh: Project, tmp_path: Path) -> None:
    (tmp_path / "aws-config").write_text("[default]\nregion = eu-central-1\n")
    git(fresh.folder, "init", "-b", "main")
    git(fresh.folder, "remote", "add", "origin", "https://github.com/owner/my-project.git")
    (fresh.folder / "data").mkdir()
    fresh.write("data/prices.csv", "a,b\n1,2\n")
    fresh.write("train.py", "print('hello')\n")
    fresh.write("requirements.txt", "")
    ended = fresh.run("init")
    assert ended.code == 0, ended.err
    new = {
        "deploy.yaml", "deploy.schema.json", "Dockerfile", ".dockerignore", ".gitignore",
        ".github/workflows/pipeline.yml", ".github/workflows/drift.yml",
    }  # fmt: skip
    assert listed(fresh.folder) == new | {"data/prices.csv", "train.py", "requirements.txt"}
    deploy = load(fresh.folder / "deploy.yaml", environ={})
    assert (deploy.name, deploy.region, deploy.data.files[0].file) == ("my-project", "eu-central-1", "data/prices.csv")
    assert deploy.ci
    assert deploy.ci.github
    assert (deploy.ci.github.repository, deploy.ci.github.branch) == ("owner/my-project", "main")
    text = (fresh.folder / "deploy.yaml").read_text()
    assert text.startswith(f"# yaml-language-server: $schema={files.SCHEMA}\n")
    json.loads((fresh.folder / files.SCHEMA).read_text())
    assert "data/prices.csv" in (fresh.folder / ".dockerignore").read_text().splitlines()
    assert "-r requirements.txt" in (fresh.folder / "Dockerfile").read_text()
    assert "AWS_PLAN_ROLE_ARN --body arn:aws:iam::ACCOUNT:role/my-project-ci-plan" in ended.out
    planned = fresh.run("plan", "--local")
    assert planned.code == 0, planned.err
    assert "skipped" not in planned.out
    (fresh.folder / "results").mkdir()
    (fresh.folder / "results" / "metrics.json").touch()
    git(fresh.folder, "add", ".")  # as the README has it: nothing that runs leave behind is in it
    staged = subprocess.run(["git", "-C", str(fresh.folder), "ls-files"], capture_output=True, text=True, check=True)
    assert set(staged.stdout.split()) == new | {"data/prices.csv", "train.py", "requirements.txt"}
    (fresh.folder / ".gitignore").write_text("")  # whoever has one of his own
    status = ["git", "-C", str(fresh.folder), "status", "--porcelain", "--untracked-files=all", ".reconciler"]
    assert subprocess.run(status, capture_output=True, text=True, check=True).stdout == ""
    fresh.run("local", "stop")


@pytest.mark.parametrize(
    ("arguments", "there", "missing"),
    [
        (["--gitlab", "group/tiny"], [".gitlab-ci.yml"], [".github"]),
        (["--gitlab", "group/tiny", "--github", "o/n"], [".gitlab-ci.yml", ".github"], []),
        ([], [".github"], [".gitlab-ci.yml"]),
    ],
)
def test_both_kinds_of_ci(fresh: Project, arguments: list[str], there: list[str], missing: list[str]) -> None:
    """In a clone from GitHub; what is asked for is what there is."""
    git(fresh.folder, "init", "-b", "main")
    git(fresh.folder, "remote", "add", "origin", "https://github.com/owner/my-project.git")
    fresh.write("train.py", "print('hello')\n")
    ended = fresh.run("init", *arguments)
    assert ended.code == 0, ended.err
    assert [(fresh.folder / path).exists() for path in (*there, *missing)] == [True] * len(there) + [False] * len(
        missing
    )
    assert fresh.run("show").code == 0
    assert ended.out.count(".gitignore") == 1
    assert ("RECONCILER" in ended.out) is bool(there)


def test_nothing_is_overwritten(fresh: Project) -> None:
    fresh.write("Dockerfile", "FROM python:3.13-slim\n")
    fresh.write("deploy.yaml", "name: mine\nregion: eu-west-1\n")
    fresh.write(".dockerignore", "mine\n")
    before = {name: (fresh.folder / name).read_text() for name in listed(fresh.folder)}
    ended = fresh.run("init", "--name", "other", "--json")
    assert ended.code == 0, ended.err
    answer = holds("init", ended.out)
    assert answer["wrote"] == ["deploy.schema.json"]
    assert answer["left"] == ["deploy.yaml", ".dockerignore"]
    assert {name: (fresh.folder / name).read_text() for name in before} == before


def test_a_workflow_that_runs_it_already_is_left_alone(fresh: Project) -> None:
    fresh.write("Dockerfile", "FROM python:3.13-slim\n")
    (fresh.folder / ".github" / "workflows").mkdir(parents=True)
    fresh.write(".github/workflows/mine.yaml", "run: python -m reconciler apply\n")
    ended = fresh.run("init", "--github", "owner/name")
    assert "left alone  .github/workflows/mine.yaml" in ended.out
    assert not (fresh.folder / ".github" / "workflows" / "pipeline.yml").exists()


def test_a_folder_inside_a_repository(fresh: Project, tmp_path: Path) -> None:
    git(tmp_path, "init", "-b", "main")
    git(tmp_path, "remote", "add", "origin", "git@github.com:owner/mono.git")
    (fresh.folder / "docker").mkdir()
    fresh.write("docker/Dockerfile", "FROM python:3.13-slim\nCOPY data data\n")
    (fresh.folder / "docker" / "data").mkdir()
    fresh.write("docker/data/a.csv", "a\n")
    assert fresh.run("init", "--install", "tool @ git+https://example.com/tool@0123abc").code == 0
    deploy = load(fresh.folder / "deploy.yaml", environ={})
    assert deploy.image.context == "docker"
    # The Dockerfile copies the data, so leaving it out would break the build.
    assert "data/a.csv" not in (fresh.folder / "docker" / ".dockerignore").read_text()
    workflow = (tmp_path / ".github" / "workflows" / "pipeline.yml").read_text()
    assert 'run: exec python -m reconciler plan "My Project/deploy.yaml"' in workflow
    assert "path: My Project/results/" in workflow
    assert 'RECONCILER: "tool @ git+https://example.com/tool@0123abc"' in workflow


def test_comments_name_the_command_that_was_typed(fresh: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh.write("Dockerfile", "FROM x\n")
    monkeypatch.setattr(sys, "argv", ["/home/ada/.local/bin/reconciler", "init"])
    fresh.ok("init", "--github", "owner/name")
    assert "`reconciler show` prints all" in (fresh.folder / "deploy.yaml").read_text()
    workflow = (fresh.folder / ".github" / "workflows" / "pipeline.yml").read_text()
    assert "`reconciler apply deploy.yaml --skip-run`" in workflow
    assert "exec python -m reconciler plan deploy.yaml" in workflow, "what a job runs is installed with pip"


def test_every_data_file_is_used_or_named(fresh: Project) -> None:
    (fresh.folder / "old").mkdir()
    for name in ("Dockerfile", "a.csv", "b, c.parquet", "old/a.csv"):
        fresh.write(name, "FROM x\n")
    ended = fresh.run("init")
    assert "2 files are the data, and the first, a.csv, is S3_KEY" in ended.out
    assert "1 more files look like data and aren't in deploy.yaml: old/a.csv" in ended.out
    assert [file.file for file in load(fresh.folder / "deploy.yaml", environ={}).data.files] == [
        "a.csv",
        "b, c.parquet",
    ]
    ignored = (fresh.folder / ".dockerignore").read_text().splitlines()
    assert {"a.csv", "b, c.parquet", "*.log"} <= set(ignored)


@pytest.mark.parametrize(
    ("there", "data"),
    [
        (["a.csv"], ["a.csv"]),
        (["data/a.csv", "data/b.parquet"], ["data/a.csv", "data/b.parquet"]),
        ([f"{n:02}.csv" for n in range(60)], ["*.csv"]),
        ([f"{n}.csv" for n in range(9)] + ["x.parquet"], ["*.csv", "x.parquet"]),
        ([f"data/parts/{n}.csv" for n in range(50)], ["data/parts/"]),
        ([f"data/parts/{n}.csv" for n in range(50)] + ["data/large.bin"], ["data/"]),
        ([f"data/cats/a/b/{n}.png" for n in range(5)] + [f"data/dogs/{n}.png" for n in range(5)], ["data/"]),
        ([f"src/pkg/{n}.csv" for n in range(9)] + ["src/pkg/a.py"], ["src/pkg/**/*.csv"]),
        (["datasets/text.txt", "datasets/README.md", "datasets/load.py", "datasets/.gitkeep"], ["datasets/text.txt"]),
        (["inputs/my data.tsv", "notes.txt"], ["inputs/my data.tsv"]),
        ([f"data/{n}.csv" for n in range(9)] + ["other/z.csv"], ["data/", "other/z.csv"]),
        ([f"a/{n}.csv" for n in range(9)] + [f"b/{n}.npy" for n in range(9)], ["a/", "b/"]),
    ],
)
def test_many_data_files_are_a_folder_or_a_pattern(there: list[str], data: list[str], tmp_path: Path) -> None:
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1\n")
    assert entries(tmp_path, look(tmp_path).data) == (tuple(data), ())


@pytest.mark.parametrize(
    ("there", "data", "out"),
    [
        ([f"{n}.csv" for n in range(5)] + [f"{n}.npy" for n in range(6)], ["*.csv"], [f"{n}.npy" for n in range(6)]),
        ([f"data/{n}.csv" for n in range(9)] + ["data/README", "data/a.py"], ["data/**/*.csv"], ["data/README"]),
        ([f"{n}.csv" for n in range(9)] + [f"data/{n}.csv" for n in range(4)], ["*.csv"],
         [f"data/{n}.csv" for n in range(4)]),
        ([f"{top}/x/{n}.csv" for top in "ab" for n in range(5)] + ["a/x/p.py", "b/x/p.py"], ["a/x/**/*.csv"],
         [f"b/x/{n}.csv" for n in range(5)]),
    ],
)  # fmt: skip
def test_of_many_data_files_with_one_key_the_others_are_named(
    there: list[str], data: list[str], out: list[str], fresh: Project
) -> None:
    for name in (*there, "Dockerfile"):
        (fresh.folder / name).parent.mkdir(parents=True, exist_ok=True)
        fresh.write(name, "FROM x\n")
    assert entries(fresh.folder, look(fresh.folder).data) == (tuple(data), tuple(out))
    said = fresh.ok("init").out
    assert f"{len(out)} more files look like data and aren't in deploy.yaml: {out[0]}" in said
    assert [file.file for file in load(fresh.folder / "deploy.yaml", environ={}).data.files] == data


ODD = ["p ${HOME} #: {a}.csv", "数据.csv", "line\nfeed.csv", "order\u202e.csv", "$${x}.csv"]


@pytest.mark.parametrize("names", [ODD, [*ODD, "a.csv"]])
def test_data_whose_name_can_be_no_key_is_left_out_and_named(names: list[str], fresh: Project) -> None:
    for name in (*names, "Dockerfile"):
        fresh.write(name, "FROM x\n")
    ended = fresh.ok("init")
    assert "5 more files look like data and aren't in deploy.yaml" in ended.out
    assert "{file: NAME, key: KEY}" in " ".join(ended.out.split())
    assert [file.file for file in load(fresh.folder / "deploy.yaml", environ={}).data.files] == names[5:]


def test_data_whose_name_is_not_utf_8_is_left_out(tmp_path: Path) -> None:
    assert entries(tmp_path, ("M\udce4rz.csv", "a.csv")) == (("a.csv",), ("M\udce4rz.csv",))


def test_names_that_were_found_stay_as_they_are(fresh: Project) -> None:
    fresh.write("${HOME}.Dockerfile", "FROM x\n")
    fresh.ok("init", "--data", str(fresh.folder))
    assert load(fresh.folder / "deploy.yaml", environ={}).image.dockerfile == "${HOME}.Dockerfile"


def test_a_name_with_a_variable_that_was_asked_for_is_not_another(fresh: Project) -> None:
    for name in ("${HOME}.csv", "Dockerfile"):
        fresh.write(name, "FROM x\n")
    ended = fresh.run("init", "--data", str(fresh.folder / "${HOME}.csv"))
    assert ended.code == 2
    assert "can't be its key" in ended.err


@pytest.mark.parametrize(
    ("there", "others"),
    [
        (["a.csv", "b.parquet", "raw/c.json", "labels.txt"], ["labels.txt", "raw/c.json"]),
        (["data.xlsx", "labels.txt", "photos/1.jpg", "x.unheard-of"],
         ["data.xlsx", "labels.txt", "x.unheard-of", "photos/1.jpg"]),
        (["config.json", "raw/c.json", "raw/d.json", "m.pkl", "n.pkl", "o.pkl"],
         ["m.pkl", "n.pkl", "o.pkl", "raw/c.json", "raw/d.json"]),
        (["train.py", "README.md", "readme.txt", "LICENSE", "requirements.txt", "requirements-dev.txt", "package.json",
          "uv.lock", "Makefile", "setup.cfg", "run.sh", "src/a.c", "x.schema.json", "config.json", "apply.log"], []),
    ],
)  # fmt: skip
def test_what_may_be_data_and_is_left_out_is_named(there: list[str], others: list[str], fresh: Project) -> None:
    for name in there:
        (fresh.folder / name).parent.mkdir(parents=True, exist_ok=True)
        fresh.write(name, "x\n")
    fresh.write("Dockerfile", "FROM x\nCOPY config.json .\n")
    said = fresh.ok("init").out.replace("\n", " ")
    some = ", ".join(others[:4]) + (" and 1 more" if len(others) > 4 else "")
    assert (f"not in `data:`: {some}; add those that are data " in said) is bool(others)
    assert ("not in `data:`" in said) is bool(others)


def test_a_folder_of_very_many_files_hides_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[look.__module__], "MANY", 20)
    (tmp_path / "data").mkdir()
    for number in range(30):
        (tmp_path / "data" / f"{number}.csv").touch()
    for name in ("train.py", "requirements.txt"):
        (tmp_path / name).touch()
    facts = look(tmp_path)
    assert (facts.program, facts.requirements) == ("train.py", "requirements.txt")
    assert entries(tmp_path, facts.data) == (("data/",), ())


@pytest.mark.parametrize(
    ("there", "program"),
    [
        (["a.py", "main.py"], "main.py"),
        (["train model.py", "data.csv", "setup.py"], "train model.py"),
        (["a.py", "b.py"], ""),
        (["src/app.py", "src/b.py"], "src/app.py"),
        (["src/b.py"], ""),
        (["a.py", "src/main.py"], "src/main.py"),
    ],
)
def test_the_program_is_the_usual_one_or_the_only_one(there: list[str], program: str, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for name in there:
        (tmp_path / name).touch()
    assert look(tmp_path).program == program


@pytest.mark.parametrize(
    ("there", "copies", "context", "dockerfile"),
    [
        (["Dockerfile", "main.py"], "COPY main.py .", ".", "Dockerfile"),
        (["docker/Dockerfile", "src/a.py"], "COPY src/ src/", ".", "docker/Dockerfile"),
        (["docker/Dockerfile", "requirements.txt"], "COPY requirements.txt .\nCOPY . .", ".", "docker/Dockerfile"),
        (["docker/Dockerfile", "main.py"], "COPY . /app", ".", "docker/Dockerfile"),
        (["docker/Dockerfile", "docker/main.py", "main.py"], "COPY main.py .", "docker", "Dockerfile"),
        (["docker/Dockerfile", "docker/main.py"], "COPY . .", "docker", "Dockerfile"),
        (["docker/Dockerfile"], "RUN true", "docker", "Dockerfile"),
        (["a/b/Dockerfile", "a/src/x.py"], "COPY ./src /src", "a", "b/Dockerfile"),
        (["docker/Dockerfile", "src/a.py"], 'COPY ["src", "/src"]', ".", "docker/Dockerfile"),
        (["docker/Dockerfile", "src/a.py"], "COPY --chown=1:1 s*/*.py /", ".", "docker/Dockerfile"),
        (
            ["docker/Dockerfile", "x.py"],
            "COPY --from=build /x.py /\nADD https://example.com/x /",
            "docker",
            "Dockerfile",
        ),
        (["docker/Dockerfile", "x.py"], "COPY nowhere.py .", "docker", "Dockerfile"),
        (["docker/Dockerfile", "x.py"], "COPY $FILE .", "docker", "Dockerfile"),
        (["docker/Dockerfile", "x.py"], "COPY <<EOF /x\nCOPY x.py\nEOF", "docker", "Dockerfile"),
        (["docker/Dockerfile", "x.py"], "COPY", "docker", "Dockerfile"),
        (["Containerfile", "x.py"], "COPY x.py .", ".", "Containerfile"),
        (["docker/train.Dockerfile", "x.py"], "COPY x.py .", ".", "docker/train.Dockerfile"),
        (["Dockerfile.train", "Dockerfile", "x.py"], "COPY x.py .", ".", "Dockerfile"),
    ],
)
def test_the_context_is_the_folder_that_has_what_the_dockerfile_copies(
    there: list[str], copies: str, context: str, dockerfile: str, tmp_path: Path
) -> None:
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"FROM python:3.13\n{copies}\n")
    assert context_of(tmp_path, look(tmp_path).dockerfiles[0]) == (context, dockerfile)


def test_a_dockerfile_in_a_folder_of_its_own_and_many_files(fresh: Project) -> None:
    for name in ("docker/Dockerfile", "src/train.py", *(f"data/parts/{number}.csv" for number in range(50))):
        (fresh.folder / name).parent.mkdir(parents=True, exist_ok=True)
        fresh.write(name, "FROM python:3.13-slim\nCOPY src/ src/\n")
    ended = fresh.run("init")
    assert "50 files are the data (data/parts/), and the first is S3_KEY" in ended.out, ended.err
    text = (fresh.folder / "deploy.yaml").read_text()
    assert "data: data/parts/ # uploaded; the program finds its files below s3://$S3_BUCKET/$S3_PREFIX\n" in text
    assert "image: {context: ., dockerfile: docker/Dockerfile} # the build context, and the Dockerfile in it\n" in text
    deploy = load(fresh.folder / "deploy.yaml", environ={})
    assert (deploy.image.context, deploy.image.dockerfile) == (".", "docker/Dockerfile")
    assert "data/parts" in (fresh.folder / ".dockerignore").read_text().splitlines()


def test_data_may_be_a_folder(fresh: Project) -> None:
    (fresh.folder / "pictures").mkdir()
    for name in ("pictures/1.png", "Dockerfile"):
        fresh.write(name, "FROM x\n")
    assert fresh.run("init", "--data", "pictures").code == 0
    assert [file.file for file in load(fresh.folder / "deploy.yaml", environ={}).data.files] == ["pictures/"]


def test_an_image_that_exists_needs_no_dockerfile(fresh: Project) -> None:
    assert fresh.run("init", "--image", "python:3.13-slim").code == 0
    assert listed(fresh.folder) == {"deploy.yaml", "deploy.schema.json"}
    assert load(fresh.folder / "deploy.yaml", environ={}).image.uri == "python:3.13-slim"


@pytest.mark.parametrize(
    ("uri", "path", "where"),
    [
        ("s3://my-datasets/prices/", "prices/", "its files below s3://$S3_BUCKET/$S3_PREFIX"),
        ("s3://my-datasets", "", "its files below s3://$S3_BUCKET/$S3_PREFIX"),
        ("s3://my-datasets/prices.csv", "prices.csv", "it at s3://$S3_BUCKET/$S3_KEY"),
    ],
)
def test_data_that_is_in_s3_already(uri: str, path: str, where: str, fresh: Project) -> None:
    assert fresh.run("init", "--image", "python:3.13-slim", "--data", uri).code == 0
    text = (fresh.folder / "deploy.yaml").read_text()
    assert f"data: {uri} # read as it is; the program finds {where}\n" in text
    (data,) = load(fresh.folder / "deploy.yaml", environ={}).data.given
    assert data.place == ("my-datasets", path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no Dockerfile here, and no Python program"),
        (("--image", "x y"), "--image x y: "),
        (("--image", "python:3", "--name", "No_Good"), "for instance no-good"),
        (("--image", "python:3", "--region", "us-east"), "regions are written like"),
        (("--image", "python:3", "--region", "us-weast-1"), "regions are written like"),
        (("--image", "python:3", "--github", "https://github.com/a/b"), "for instance a/b"),
        (("--image", "python:3", "--account", "123"), "an account id has 12 digits"),
        (("--image", "python:3", "--data", "gone.csv"), "there is no such file"),
        (("--image", "python:3", "--data", "s3://no!bucket/x"), "'no!bucket' is not a bucket's name"),
        (("--image", "python:3", "--data", "s3://my-bucket/*.csv"), "a place in S3 can't be a pattern"),
        (("nowhere",), "there is no such folder"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(
    fresh: Project, arguments: tuple[str, ...], said: str
) -> None:
    ended = fresh.run("init", *arguments)
    assert ended.code == 2
    assert said in ended.err
    assert "/deploy.yaml" not in ended.err, "the file isn't anywhere yet"
    assert listed(fresh.folder) == set()


@pytest.mark.parametrize(
    ("url", "repository"),
    [
        ("https://github.com/owner/name.git", "owner/name"),
        ("https://token@github.com/owner/name", "owner/name"),
        ("git@github.com:owner/na.me.git", "owner/na.me"),
        ("ssh://git@github.com/owner/name/", "owner/name"),
        ("https://gitlab.com/owner/name.git", ""),
        ("https://example.com/github.com/owner/name", ""),
        ("", ""),
    ],
)
def test_repository_of_a_remote(url: str, repository: str) -> None:
    assert path_on("github.com", url, r"[^/\s]+/[^/\s]+?") == repository


def test_data_far_down_and_hidden_is_not_found(tmp_path: Path) -> None:
    for name in ("a/b/c/deep.csv", ".hidden/x.csv", "results/y.csv", "near/z.CSV"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1\n")
    assert look(tmp_path).data == ("near/z.CSV",)


@pytest.mark.parametrize(
    ("line", "copied"),
    [
        ("COPY . .", False),
        ("COPY data/prices.csv /app/", True),
        ("copy ./data/ data/", True),
        ('ADD ["data", "/data"]', True),
        ("COPY model ./model", False),
        ("RUN cp data /x", False),
        ("COPY data/*.csv /app/", True),
        ("COPY * /app/", False),
        ("COPY *.py /app/", False),
        ("COPY train.py \\\n  # the data\n  data/prices.csv \\\n  /app/", True),
        ("COPY --chmod=644 data/prices.csv /app/", True),
        ("ARG FILE=data/prices.csv\nCOPY $FILE /app/", True),
        ("COPY data/${NAME:-prices}.csv /app/", True),
        ("COPY ${NAME}.py /app/", False),
        ('COPY "data/prices.csv" /app/', True),
        ("COPY 'data/prices.csv' /app/", True),
        ("COPY /data/prices.csv /app/", True),
        ("COPY data//prices.csv /app/", True),
        ("COPY ${A:-${B:-data}} /app/", True),
        ("ARG SRC=src\nCOPY $SRC /app/", False),
        ("ARG SRC=src\nENV SRC=data\nCOPY $SRC /app/", True),
        ("FROM x AS second\nCOPY data /app/", True),
        ("COPY --from=build data/prices.csv /app/", False),  # of another stage
        ("COPY <<EOF /app/x\nCOPY data/prices.csv /app/\nEOF", False),  # a file with this in it
        ("COPY <<EOF /app/x", False),  # refused where it is built
    ],
)
def test_data_that_a_dockerfile_copies(line: str, copied: bool) -> None:
    assert copies(f"FROM x\n{line}\n", "data/prices.csv") is copied


def test_empty_lines_of_a_dockerfile_are_looked_at_once() -> None:
    def work(size: int) -> Callable[[], object]:
        text = "\n" * size
        return lambda: copies(text, "data/prices.csv")

    assert_linear(work, 2000)


@pytest.mark.parametrize("requirements", ["", "requirements.txt", "pyproject.toml"])
def test_a_dockerfile_copies_all_once(requirements: str) -> None:
    text = files.dockerfile("train.py", requirements)
    assert text.count("COPY . .") == 1
    assert ("pip install" in text) is bool(requirements)
    assert text.endswith('CMD ["python", "train.py"]\n')


@pytest.mark.parametrize(
    ("project", "needed"),
    [
        ('[project]\ndependencies = ["numpy>=2", "a[b]; python_version > \'3\'"]\n',
         ("numpy>=2", "a[b]; python_version > '3'")),
        ('[project]\ndependencies = ["a", "x @ https://user:planted@host/x.whl"]\n', ()),
        ('[project]\ndependencies = ["--index-url=https://host", "a"]\n', ()),
        ('[project]\ndependencies = ["$TOKEN"]\n', ()),
        ('[project]\ndependencies = "numpy"\n', ()),
        ("[project]\n", ()), ("project = 3\n", ()), ("broken [", ()), ("", ()),
        ('[project]\ndependencies = ["a"]\nx = ' + "[" * 300 + "]" * 300, ()),
    ],
)  # fmt: skip
def test_the_dependencies_of_a_project(project: str, needed: tuple[str, ...]) -> None:
    assert files.dependencies(project) == needed


def test_a_change_of_the_program_does_not_install_its_dependencies_again(fresh: Project) -> None:
    """They are a layer before that of the program, whichever file says them; and an engine of ours runs that line."""
    fresh.write("train.py", "")
    fresh.write(
        "pyproject.toml", "[build-system]\n[project]\nname = 'x'\ndependencies = [\"numpy>=2; python_version > '3'\"]\n"
    )
    fresh.ok("init", "--data", "s3://bucket/prices.csv")
    text = (fresh.folder / "Dockerfile").read_text()
    lines = text.splitlines()
    first = next(line for line in lines if "pip install" in line)
    assert lines.index(first) < lines.index("COPY . .") < lines.index("RUN python -m pip install --no-cache-dir .")
    assert shlex.split(first)[-1] == "numpy>=2; python_version > '3'"
    assert installation(first.removeprefix("RUN "), "/app", {}) is not None
    listed = files.dockerfile("train.py", "requirements.txt").splitlines()
    assert listed.index("RUN python -m pip install --no-cache-dir -r requirements.txt") < listed.index("COPY . .")


@pytest.mark.parametrize(
    ("project", "src", "installs"),
    [
        ("[build-system]\n[project]\ndependencies = ['a']", False, ["a", "."]),
        ("[build-system]\n[tool.poetry.dependencies]\na = '^1'", False, ["."]),
        ("[build-system]\n[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\na = '^1'", False, []),
        ("[build-system]\n[project]\ndependencies = ['a']\n[tool.uv]\npackage = false", False, ["a"]),
        ("[project]\ndependencies = ['a']", False, ["a"]),
        ("[project]\ndependencies = ['a']", True, ["a", "."]),
        ("tool = 3", False, []),
    ],
)
def test_what_is_no_package_is_not_installed(project: str, src: bool, installs: list[str], fresh: Project) -> None:
    """As uv and Poetry do it: pip refuses a folder with several others in it, and Poetry one that is no package."""
    fresh.write("train.py", "")
    fresh.write("pyproject.toml", project)
    if src:
        (fresh.folder / "src").mkdir()
    ended = fresh.ok("init", "--data", "s3://bucket/prices.csv")
    lines = (fresh.folder / "Dockerfile").read_text().splitlines()
    assert [shlex.split(line)[-1] for line in lines if "pip install" in line] == installs
    assert ("the Dockerfile installs no packages" in ended.out.replace("\n", " ")) is not bool(installs)


def test_packages_that_are_named_later_are_installed(fresh: Project) -> None:
    """Done as the note says."""
    fresh.write("train.py", "import numpy\n")
    said = " ".join(fresh.ok("init", "--data", "s3://bucket/prices.csv").out.split())
    assert "write them into requirements.txt, delete the Dockerfile and run `init` again" in said
    fresh.write("requirements.txt", "numpy\n")
    (fresh.folder / "Dockerfile").unlink()
    fresh.ok("init", "--data", "s3://bucket/prices.csv")
    assert "-r requirements.txt" in (fresh.folder / "Dockerfile").read_text()


@pytest.mark.parametrize("names", [["a/Dockerfile", "b/Dockerfile"], ["Dockerfile.dev", "Dockerfile.prod"]])
def test_which_of_several_dockerfiles_is_taken_is_said(names: list[str], fresh: Project) -> None:
    for name in names:
        (fresh.folder / name).parent.mkdir(exist_ok=True)
        fresh.write(name, "FROM x\n")
    assert f"`image:` names {names[0]}; there are others: {names[1]}\n" in fresh.ok("init").out


def test_a_notebook_is_made_a_program_first(fresh: Project) -> None:
    fresh.write("my analysis.ipynb", "{}")
    assert "jupyter nbconvert --to python --output train 'my analysis.ipynb'" in fresh.run("init").err


def test_the_workflow_of_an_environment(fresh: Project) -> None:
    fresh.write("Dockerfile", "FROM python:3.13-slim\n")
    assert "there is no deploy.yaml here yet" in fresh.run("init", "--env", "prod").err
    ci = "{github: {repository: owner/name, pull_requests: true}}"
    prod = f'{{account: "123456789012", region: eu-west-1, ci: {ci}}}'
    fresh.write("deploy.yaml", f"name: tiny\nenvironments:\n  dev: {{}}\n  prod: {prod}\n")
    assert "choose one: --env dev" in fresh.run("init").err
    ended = fresh.run("init", "--env", "prod")
    assert ended.code == 0, ended.err
    assert "AWS_ROLE_ARN --body arn:aws:iam::123456789012:role/tiny-prod-ci\n" in ended.out
    workflow = (fresh.folder / ".github" / "workflows" / "pipeline.yml").read_text()
    assert "run: exec python -m reconciler apply deploy.yaml --env prod --wait-for-lock 600" in workflow
    assert "group: apply-tiny-prod" in workflow
    assert "AWS_ROLE_ARN: ${{ vars.AWS_ROLE_ARN }}" in workflow


def test_a_wrong_answer_is_asked_for_again(fresh: Project) -> None:
    fresh.write("train.py", "")
    fresh.write("prices.csv", "")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "reconciler", "init"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "80"}
    environ.pop("CI", None)
    process = subprocess.Popen(
        command, cwd=fresh.folder, env=environ, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
    )
    os.close(theirs)
    os.write(ours, b"My Prices\nprices\nmars\n\nno.csv\n\nnobody\nme/prices\n")
    shown = ""
    with contextlib.suppress(OSError):  # how a pty says that nothing more comes
        while part := os.read(ours, 4096):
            shown += part.decode()
    os.close(ours)
    assert process.wait(LONG) == 0, shown
    assert "2 to 40 lower-case letters, digits and single hyphens" in shown
    assert "regions are written like" in shown
    assert "there is no such file in" in shown
    assert "OWNER/NAME [none]: " in shown
    assert "the Dockerfile installs no packages: if the program needs some" in " ".join(shown.split())
    deploy = load(fresh.folder / "deploy.yaml", environ={})
    assert (deploy.name, deploy.region, str(deploy.data.files[0].file)) == ("prices", "us-east-1", "prices.csv")
    assert deploy.ci is not None
    assert deploy.ci.github is not None
    assert deploy.ci.github.repository == "me/prices"
