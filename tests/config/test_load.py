"""What a good file means, and files that are no YAML at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.config import ConfigErrors, Deploy, load

ROOT = Path(__file__).parents[2]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Deploy]:
    def loaded(text: str, sha: str | None = None, **environ: str) -> Deploy:
        path = tmp_path / "deploy.yaml"
        path.write_text(text, encoding="utf-8")
        return load(path, environ=environ, git_sha=lambda: sha, files=False)

    return loaded


def fails(path: Path) -> str:
    with pytest.raises(ConfigErrors) as caught:
        load(path, environ={})
    return str(caught.value).replace(str(path.parent), "DIR")


def test_a_name_is_enough(write: Callable[..., Deploy]) -> None:
    deploy = write("name: forecast\n")
    assert deploy.region == "us-east-1"
    assert deploy.data.bucket.name is None
    assert deploy.task.role.name == "forecast-task-role"
    assert deploy.task.role.policy_name == "forecast-task-policy"
    assert deploy.task.role.read == ("runs/*/output/*",)
    assert deploy.task.role.write == ("runs/*/output/*",)
    assert deploy.task.execution_role.name == "forecast-task-execution-role"
    assert deploy.image.repository
    assert deploy.image.repository.name == deploy.cluster.name == deploy.task.family == "forecast"
    assert deploy.logs.group == "/ecs/forecast"
    assert deploy.network.security_group.description == "forecast tasks, egress only"
    assert deploy.ci is None


def test_names_follow_from_each_other(write: Callable[..., Deploy]) -> None:
    deploy = write("name: a1\ntask: {family: other}\nci: {github: {repository: o/n}, user: {}}\n")
    assert deploy.logs.group == "/ecs/other"
    assert deploy.ci
    assert deploy.ci.github
    assert deploy.ci.user
    assert (deploy.ci.policy_name, deploy.ci.github.role, deploy.ci.user.name) == ("a1-ci-policy", "a1-ci", "a1-ci")


@pytest.mark.parametrize(
    "data",
    [
        "a/b.csv",
        "[a/b.csv]",
        "{files: a/b.csv}",
        "{files: [a/b.csv]}",
        "{files: [{file: a/b.csv}]}",
        "[{file: a/b.csv, key: data/b.csv}]",
    ],
)
def test_short_forms_of_data(write: Callable[..., Deploy], data: str) -> None:
    deploy = write(f"name: ok\ndata: {data}\n")
    assert [(f.file, f.key) for f in deploy.data.files] == [("a/b.csv", "data/b.csv")]
    assert deploy.task.role.read == ("data/b.csv", "runs/*/output/*")


def test_other_short_forms(write: Callable[..., Deploy]) -> None:
    deploy = write(
        "name: ok\nimage: training\nrun: {capacity: FARGATE_SPOT}\n"
        "network: {subnets: subnet-01234567}\ntask: {role: {read: data/*}}\n"
    )
    assert deploy.image.context == "training"
    assert deploy.run.capacity == ("FARGATE_SPOT",)
    assert deploy.network.subnets == ("subnet-01234567",)
    assert deploy.task.role.read == ("data/*",)
    assert write("name: ok\nimage: {tags: v1}\n").image.tags == ("v1",)


def test_text_stays_as_written(write: Callable[..., Deploy]) -> None:
    deploy = write(
        "name: ok\naccount: 012345678901\ntags: {version: 1.10, on: off}\n"
        "image: {build_args: {PYTHON: 3.10}, tags: [1.10]}\n"
        "task:\n  entrypoint: [env, 007]\n  command: [python, 1.0, yes, 1e3, 0x1F, ~x]\n"
        "  environment: {A: 1.10, B: true, C: No, D: 0o17, E: 1_000, F: 2024-01-01, G: 12:30:00, H: '', I: .5}\n"
    )
    assert deploy.account == "012345678901"
    assert deploy.tags == {"version": "1.10", "on": "off"}
    assert deploy.image.build_args == {"PYTHON": "3.10"}
    assert deploy.image.tags == ("1.10",)
    assert deploy.task.entrypoint == ("env", "007")
    assert deploy.task.command == ("python", "1.0", "yes", "1e3", "0x1F", "~x")
    assert deploy.task.environment == {
        "A": "1.10", "B": "true", "C": "No", "D": "0o17", "E": "1_000", "F": "2024-01-01", "G": "12:30:00",
        "H": "", "I": ".5",
    }  # fmt: skip


def test_conditions_are_as_written(write: Callable[..., Deploy]) -> None:
    """IAM takes numbers and truth as text, in lists too."""
    keys = "{s3:max-keys: [10, 20]}, Bool: {'aws:SecureTransport': true}, NumericEquals: {'aws:x': 1.50}"
    statement = f"{{Effect: Allow, Action: 's3:*', Resource: 'arn:*:s3:::b', Condition: {{NumericLessThan: {keys}}}}}"
    policy = write(f"name: ok\ntask: {{role: {{policy: {{Statement: [{statement}]}}}}}}\n").task.role.policy
    assert policy is not None
    assert policy.Statement[0].Condition == {
        "NumericLessThan": {"s3:max-keys": ("10", "20")},
        "Bool": {"aws:SecureTransport": "true"},
        "NumericEquals": {"aws:x": "1.50"},
    }


def test_an_old_bucket_of_others(write: Callable[..., Deploy]) -> None:
    """us-east-1 took such names until 2018, but takes none now."""
    assert write("name: ok\ndata: s3://My_Company.Data/prices/\n").data.files[0].place.bucket == "My_Company.Data"
    with pytest.raises(ConfigErrors, match="lower-case letters"):
        write("name: ok\ndata: {bucket: {name: My_Company.Data}}\n")


def test_variables(write: Callable[..., Deploy]) -> None:
    deploy = write(
        "name: ${PROJECT}\nregion: ${REGION:-eu-central-1}\naccount: ${ACCOUNT:-}\ndata: ${DIR}/${FILE:-x.csv}\n"
        "image: {tags: ['${git.sha}']}\nlogs: {retention_days: '${DAYS}'}\n"
        "task:\n  cpu: ${CPU}\n  memory: ${MEMORY:-4 GB}\n"
        "  environment: {A: '$${A}', B: '${EMPTY}', C: $A, D: '$$', E: '${X:-$1}'}\n",
        "abc123-dirty",
        PROJECT="ok", DIR="in", FILE="", DAYS="7", CPU="1 vCPU", EMPTY="",
    )  # fmt: skip
    assert (deploy.name, deploy.region, deploy.account) == ("ok", "eu-central-1", None)
    assert deploy.data.files[0].file == "in/x.csv"
    assert deploy.image.tags == ("abc123-dirty",)
    assert deploy.logs.retention_days == 7
    assert (deploy.task.cpu, deploy.task.memory) == (1024, 4096)
    assert deploy.task.environment == {"A": "${A}", "B": "", "C": "$A", "D": "$$", "E": "$1"}


def test_a_variable_holds_a_value_and_no_yaml(write: Callable[..., Deploy]) -> None:
    deploy = write("name: ok\ntask: {environment: {A: '${A}', B: '${B}'}}\n", A="{x: 1}\nregion: eu-west-1", B="${C}")
    assert deploy.task.environment == {"A": "{x: 1}\nregion: eu-west-1", "B": "${C}"}


def test_sections_with_everything_commented_out(write: Callable[..., Deploy]) -> None:
    text = "name: ok\ntask:\n  # cpu: 512\ntags:\ndata:\n  files:\n  bucket:\nci:\nrun: null\n"
    assert write(text) == write("name: ok\n")


def test_anchors_aliases_and_merges(write: Callable[..., Deploy]) -> None:
    deploy = write(
        "name: &n pipe\nimage: {tags: [*n]}\nlogs: &l {retention_days: 7}\ncluster: {name: *n}\n"
        "task:\n  environment: &e {A: 1}\n  role: {read: &r [a/*], write: *r}\ntags: {<<: *e, B: 2}\n"
    )
    assert deploy.image.tags == (deploy.cluster.name,) == ("pipe",)
    assert deploy.tags == {"A": "1", "B": "2"}
    assert deploy.task.role.read == deploy.task.role.write == ("a/*",)


def test_git_is_asked_only_when_needed_and_once(tmp_path: Path) -> None:
    asked: list[int] = []

    def sha() -> str:
        asked.append(1)
        return "0" * 40

    path = tmp_path / "deploy.yaml"
    path.write_text("name: ok\n")
    load(path, environ={}, git_sha=sha, files=False)
    assert not asked
    path.write_text("name: ok\nimage: {tags: ['${git.sha}', 'v-${git.sha}']}\n")
    assert load(path, environ={}, git_sha=sha, files=False).image.tags == ("0" * 40, "v-" + "0" * 40)
    assert asked == [1]


def test_git_says_dirty(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
        return subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    def tag() -> str:
        return load(path, environ={}, files=False).image.tags[0]

    path = tmp_path / "deploy.yaml"
    path.write_text("name: ok\nimage: {tags: '${git.sha:-none}'}\n")
    git("init", "-q")
    assert tag() == "none"
    git("add", ".")
    git("commit", "-qm", "x")
    head = git("rev-parse", "HEAD").strip()
    assert tag() == head
    (tmp_path / "new").write_text("x")
    assert tag() == f"{head}-dirty"
    (tmp_path / ".gitignore").write_text("new\n.gitignore\n")
    assert tag() == head
    path.write_text(path.read_text() + "region: us-west-2\n")
    assert tag() == f"{head}-dirty"


def test_no_git_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "deploy.yaml"
    path.write_text("name: ok\nimage: {tags: '${git.sha:-none}'}\n")
    assert load(path, environ={}, files=False).image.tags == ("none",)


def test_no_such_file(tmp_path: Path) -> None:
    assert (
        fails(tmp_path / "deploy.yaml")
        == "DIR/deploy.yaml: there is no such file\n    check the path; `init` writes a file"
    )
    (tmp_path / "deploy.yml").write_text("name: ok\n")
    assert fails(tmp_path / "deploy.yaml").endswith("did you mean DIR/deploy.yml?")
    assert fails(tmp_path / "no" / "deploy.yaml").endswith("check the path")


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert fails(tmp_path / "a") == "DIR/a: this is a folder\n    name the file in it: FOLDER/deploy.yaml"
    (tmp_path / "a" / "deploy.yaml").write_text("name: ok\n")
    assert fails(tmp_path / "a").endswith("name the file in it: DIR/a/deploy.yaml")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "deploy.yaml"
    path.write_text("name: ok\n")
    path.chmod(0)
    assert "can't be read: Permission denied" in fails(path)


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        (b"name: ok\0\n", "", "the file is binary"),
        (b"\x7fELF\x02\x01\x01\0\0\0", "", "the file is binary"),
        ("name: ok\n".encode("utf-16"), "", "the file is UTF-16"),
        (b"name: ok\nregion: caf\xe9\n", ":2:12", "the byte 0xe9 is not UTF-8"),
        (b"# " + b"x" * (1 << 18), "", "the file has more than 256 KiB"),
        (b"name: " + b"[" * 5000, "", "the file is nested too deeply, or its aliases multiply"),
        (b"name: " + b"[" * 100 + b"]" * 100, "", "the file is nested too deeply, or its aliases multiply"),
        (
            b"name: ok\na: &a %s\nb: &b %s\nc: %s\n"
            % (b"[" * 90 + b"]" * 90, b"[" * 90 + b"*a" + b"]" * 90, b"[" * 90 + b"*b" + b"]" * 90),
            "",
            "the file is nested too deeply, or its aliases multiply",
        ),
        (
            b"name: ok\na: &a [x]\n" + b"".join(b"%c: &%c [%s]\n" % (c, c, b"*%c," % (c - 1) * 9) for c in b"bcdefghi"),
            "",
            "the file is nested too deeply, or its aliases multiply",
        ),
        (
            b"name: ok\na: &a {%s}\nb: {<<: [%s]}\n" % (b"".join(b"k%d: 1, " % n for n in range(300)), b"*a," * 300),
            "",
            "the file is nested too deeply, or its aliases multiply",
        ),
    ],
    ids=[
        "null byte", "program", "utf-16", "latin-1", "large", "deep", "101 deep", "by aliases", "billion laughs",
        "billion merges",
    ],
)  # fmt: skip
def test_no_text(tmp_path: Path, content: bytes, place: str, message: str) -> None:
    path = tmp_path / "deploy.yaml"
    path.write_bytes(content)
    assert fails(path).startswith(f"DIR/deploy.yaml{place}: {message}\n")


def test_a_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    path = tmp_path / "deploy.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: ok\r\nregion: no\r\n")
    assert ":2:9: region: no is true or false" in fails(path)


def test_wide_characters_are_pointed_at(tmp_path: Path) -> None:
    path = tmp_path / "deploy.yaml"
    path.write_text("name: ok\ntags: {a: 価格, b: a&b}\n", encoding="utf-8")
    assert fails(path).split("\n")[1:3] == ["    tags: {a: 価格, b: a&b}", "                       ^^^"]


def test_nothing_of_the_file_reaches_the_terminal_raw(tmp_path: Path) -> None:
    path = tmp_path / "deploy\x1b[31m.yaml"
    path.write_text('name: "\\e[31mred"\n"\\e[2J": 1\nregion: ${REGION}\n')
    with pytest.raises(ConfigErrors) as caught:
        load(path, environ={"REGION": "a\x1bb"})
    assert "\x1b" not in str(caught.value)
    assert len(caught.value.errors) == 3


def test_loading_needs_little(tmp_path: Path) -> None:
    """A bad file ends with its message and exit code, without the libraries of the rest."""
    (tmp_path / "deploy.yaml").write_text("name: no\n")
    program = (
        "import os, sys; from pathlib import Path; from reconciler.config import load, ConfigErrors\n"
        "try: load(Path('deploy.yaml'), environ=os.environ)\n"
        "except ConfigErrors as e:\n"
        "  heavy = {'boto3', 'botocore', 'rich', 'structlog', 'tenacity', 'asyncio'} & set(sys.modules)\n"
        "  print(e, sorted(heavy)); sys.exit(e.exit_code)\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == ""
    assert done.stdout.startswith("deploy.yaml:1:7: name: no is true or false in YAML")
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize("text", ["data: link.csv\n", "data: prices.csv\nimage: {dockerfile: link.csv}\n"])
def test_a_link_to_nothing_is_told_as_such(tmp_path: Path, text: str) -> None:
    for name in ("Dockerfile", "prices.csv"):
        (tmp_path / name).write_text("FROM scratch\n")
    (tmp_path / "link.csv").symlink_to("gone.csv")
    (tmp_path / "link2.csv").symlink_to("gone.csv")
    (tmp_path / "deploy.yaml").write_text(f"name: ok\n{text}")
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path / "deploy.yaml", environ={}, git_sha=lambda: None)
    (error,) = caught.value.errors
    assert error.message == "'link.csv' is a link to 'gone.csv', which is not there"
    assert error.fix == "mend the link, or name another path"
