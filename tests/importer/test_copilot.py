"""`import --copilot`: each manifest of AWS Copilot's becomes a deploy.yaml that loads, or what can't is named."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NoReturn

import pytest
import yaml

from reconciler.cli import import_
from reconciler.config.loader import load
from reconciler.core.errors import UserError
from reconciler.importer.copilot import FromCopilot, import_job, job_of, remaining_problems
from reconciler.importer.copilot_schedule import duration, expression, seconds
from tests.command import main

START = "name: report\ntype: Scheduled Job\non: {schedule: '@daily'}\n"
ALWAYS = {
    "name": "report", "region": "eu-west-1", "image": {"context": "."}, "task": {"cpu": 256, "memory": 512},
    "run": {"when": "never"}, "schedule": {"when": "cron(0 0 * * ? *)"},
}  # fmt: skip
PROD = 'environments:\n  prod:\n    account: "000000000000"\n'


def workspace(folder: Path, manifest: str, **environments: str) -> Path:
    """Copilot's files of one job, and a Dockerfile in each folder that a manifest may name."""
    job = folder / "copilot" / "report"
    job.mkdir(parents=True)
    (folder / "copilot" / ".workspace").write_text("application: demo\n")
    (job / "manifest.yml").write_text(manifest)
    for name, text in environments.items():
        (folder / "copilot" / "environments" / name).mkdir(parents=True)
        (folder / "copilot" / "environments" / name / "manifest.yml").write_text(text)
    for place in (".", "jobs/report"):
        (folder / place).mkdir(parents=True, exist_ok=True)
        for file in ("Dockerfile", "train.Dockerfile"):
            (folder / place / file).write_text("FROM scratch\n")
    return folder


def made(folder: Path, **more: str) -> FromCopilot:
    base = Path(os.path.relpath(folder))
    return import_job(base, take=more.get("take", ""), region="eu-west-1", data=None, base=base,
                      environ={"TAG": "v1"}, name="deploy.yaml")  # fmt: skip


PLACEMENT = (
    "4: network.vpc.placement (which subnets these are isn't in Copilot's files: write network.subnets, "
    "and public_ip: false if they are private)"
)
GIVEN = "platform: linux/arm64\nstorage: {ephemeral: 50}\nlogging: {retention: 7}\nretries: 2\n"
BACK = "{test: {platform: linux/x86_64, storage: {ephemeral: 20}, logging: {retention: 30}, retries: 0}}"
OURS = "task: {platform: ARM64, ephemeral_storage: 50}\nlogs: {retention_days: 7}\nrun: {retry: {error: 2}}\n"
OURS_BACK = (
    "{test: {task: {platform: X86_64, ephemeral_storage: null}, run: {retry: {error: 0}}, logs: {retention_days: 30}}}"
)
# What a manifest adds to START, what that adds to the deploy.yaml (null takes away), and what isn't carried over.
KEYS: list[tuple[str, str, list[str]]] = [
    ("", "", []),
    ("cpu: 1024\nmemory: 4096", "task: {cpu: 1024, memory: 4096}", []),
    ("platform: linux/arm64", "task: {platform: ARM64}", []),
    ("platform: {osfamily: linux, architecture: x86_64}", "task: {platform: X86_64}", []),
    ("platform: windows/x86_64", "", ["4: platform (tasks run on Linux, X86_64 or ARM64)"]),
    ("image: {build: ./jobs/report/Dockerfile}", "image: {context: jobs/report}", []),
    ("image: {build: jobs/report/train.Dockerfile}", "image: {context: jobs/report, dockerfile: train.Dockerfile}", []),
    ("image: {build: {context: ., dockerfile: jobs/report/Dockerfile, target: run, args: {A: 1.10}}}",
     "image: {context: ., dockerfile: jobs/report/Dockerfile, target: run, build_args: {A: '1.10'}}", []),
    ("image: {build: {dockerfile: jobs/report/Dockerfile}}", "image: {context: jobs/report}", []),
    ("image: {build: {context: jobs/report}}", "image: {context: jobs/report}", []),
    ("image: {build: {context: ., cache_from: [a]}}", "",
     ["4: image.build.cache_from (the image's own layers are the cache)"]),
    ("image: {location: 'public.ecr.aws/docker/library/busybox:1.37'}",
     "image: {context: null, uri: 'public.ecr.aws/docker/library/busybox:1.37'}", []),
    ("image: {location: 'r.example/report:${TAG}'}", "image: {context: null, uri: 'r.example/report:${TAG}'}", []),
    ("image:\n  build: Dockerfile\n  labels: {a: b}\n  depends_on: {nginx: start}", "",
     ["6: image.labels (deploy.yaml has nothing like it)", "7: image.depends_on (deploy.yaml has nothing like it)"]),
    ("retries: 3", "run: {retry: {error: 3}}", []),
    ("timeout: 1h30m", "run: {max_duration: 90m}", []),
    ("timeout: 90s", "run: {max_duration: 90s}", []),
    ("timeout: 30s", "run: {max_duration: 1m}",
     ["4: timeout (the shortest max_duration is 60 seconds, which it is here)"]),
    ("timeout: soon", "", ["4: timeout (it is not a duration, such as 1h30m)"]),
    ("command: python -m report 'a b'", "task: {command: [python, -m, report, a b]}", []),
    ("command: [a, 1.10]\nentrypoint: /run --p1", "task: {entrypoint: [/run, --p1], command: [a, '1.10']}", []),
    ("command: \"echo 'a\"", "", ["4: command (a quote in it is never closed)"]),
    ("variables: {A: 1.10, B: yes, C: 'a # b', D: '\\${A} ${'}",
     "task: {environment: {A: '1.10', B: 'yes', C: 'a # b', D: '$${A} $${'}}", []),
    ("variables:\n  A: 'x ${TAG}: \\${B} ${'\n  C: ${TAG}",
     "task: {environment: {A: 'x ${TAG}: $${B} $${', C: '${TAG}'}}", []),
    ("variables: {A: '${COPILOT_APPLICATION_NAME}'}", "task: {environment: {A: demo}}", []),
    ("variables: {A: '${COPILOT_ENVIRONMENT_NAME}'}", "",
     ["4: variables.A (it has the name of the application or environment in it, which isn't known)"]),
    ("variables: {A: {from_cfn: X}, B: b}", "task: {environment: {B: b}}",
     ["4: variables.A (the outputs of a CloudFormation stack aren't read: write the value)"]),
    ("env_file: .env", "", ["4: env_file (write its lines to task.environment, and what is secret to task.secrets)"]),
    ("secrets: {A: /demo/a}", "parameters: {A: {name: /demo/a, secure: true}}", []),
    ("secrets: {A: \"'arn:aws:ssm:us-east-1:123456789012:parameter/a'\"}",
     "task: {secrets: {A: 'arn:aws:ssm:us-east-1:123456789012:parameter/a'}}", []),
    ("secrets: {A: a}", "",
     ["4: secrets.A (deploy.yaml needs its ARN: write arn:aws:ssm:REGION:ACCOUNT:parameter/a to task.secrets)"]),
    ("secrets: {A: {secretsmanager: 'mysql:password::'}}", "",
     ["4: secrets.A (deploy.yaml needs its ARN: write it to task.secrets)"]),
    ("secrets: {A: /aws/a}", "",
     ["4: secrets.A (its name is none that deploy.yaml can have: write its ARN to task.secrets)"]),
    ("storage: {ephemeral: 100}", "task: {ephemeral_storage: 100}", []),
    ("storage:\n  volumes: {v: {path: /x, efs: true}}\n  readonly_fs: true", "",
     ["5: storage.volumes (a task has no volumes: write what has to stay to S3)",
      "6: storage.readonly_fs (deploy.yaml has nothing like it)"]),
    ("logging: {retention: 7}", "logs: {retention_days: 7}", []),
    ("logging: {retention: 7, image: a}", "logs: {retention_days: 7}",
     ["4: logging.image (the log goes to CloudWatch by the awslogs driver, not by FireLens)"]),
    ("network: {vpc: {placement: public}}", "", []),
    ("network: {vpc: {placement: {subnets: [subnet-0123456789abcdef0]}}}",
     "network: {subnets: [subnet-0123456789abcdef0], public_ip: false}", []),
    ("network: {vpc: {placement: private, security_groups: [sg-1]}}", "",
     [PLACEMENT,
      "4: network.vpc.security_groups (the task has the security group that this deploy makes, and no other)"]),
    ("sidecars: {nginx: {port: 80}}", "", ["4: sidecars (a task has one container)"]),
    ("count: 1\nexec: false", "", []),
    ("count: 2\nexec: true", "", ["4: count (one task runs at a time)", "5: exec (deploy.yaml has nothing like it)"]),
    ("publish: {topics: [{name: a}]}", "",
     ["4: publish (make the topics elsewhere, and let task.role.policy allow sns:Publish)"]),
    ("taskdef_overrides: [{path: a, value: b}]\nsurprise: 1", "",
     ["4: taskdef_overrides (deploy.yaml has nothing like it)", "5: surprise (deploy.yaml has nothing like it)"]),
    ("environments: {test: {cpu: 512, memory: 1024}}",
     "environments: {test: {task: {cpu: 512, memory: 1024}}}", []),
    (f"{GIVEN}environments: {BACK}", f"{OURS}environments: {OURS_BACK}", []),
    ("environments: {test: {on: {schedule: none}}}",
     "environments: {test: {run: {when: changed}, schedule: null}}", []),
    ("image: {build: Dockerfile}\nenvironments: {test: {image: {location: 'r.example/a:1'}}}",
     "environments: {test: {image: {context: null, uri: 'r.example/a:1'}}}", []),
    ("environments: {prod: null}", PROD, []),
    ("environments: {test: {sidecars: {a: {}}, variables: {A: '${COPILOT_ENVIRONMENT_NAME}'}}}",
     "environments: {test: {task: {environment: {A: test}}}}",
     ["4: environments.test.sidecars (a task has one container)"]),
]  # fmt: skip


def laid(base: object, over: object) -> object:
    """The tree with another laid over it; null takes away, but for what an environment says."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    tree = dict(base)
    for key, value in over.items():
        tree[key] = value if key == "environments" else laid(tree.get(key), value)
    return tree


@pytest.mark.parametrize(("more", "adds", "left"), KEYS, ids=[case[0][:40] for case in KEYS])
def test_each_key_is_carried_over_or_named(
    more: str, adds: str, left: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace(tmp_path, START + more))
    imported = made(Path())
    expected = laid(ALWAYS, yaml.safe_load(adds) or {})
    assert isinstance(expected, dict)
    expected["image"] = {key: value for key, value in expected["image"].items() if value is not None}
    assert yaml.safe_load(imported.text) == expected
    assert [line.removeprefix("copilot/report/manifest.yml:") for line in imported.omissions] == left
    assert all(f"#   {line}" in imported.text for line in imported.omissions)
    out = tmp_path / "deploy.yaml"
    out.write_text(imported.text)
    for environment in imported.environments or ("",):
        load(out, environ={"TAG": "v1"}, environment=environment)


SCHEDULES = {
    "@hourly": "cron(0 * * * ? *)",
    "@daily": "cron(0 0 * * ? *)",
    "@midnight": "cron(0 0 * * ? *)",
    "@weekly": "cron(0 0 ? * 1 *)",
    "@monthly": "cron(0 0 1 * ? *)",
    "@yearly": "cron(0 0 1 1 ? *)",
    "@annually": "cron(0 0 1 1 ? *)",
    "@every 1m": "rate(1 minute)",
    "@every 1h30m": "rate(90 minutes)",
    "@every 1.5h": "rate(90 minutes)",
    "rate(5 minutes)": "rate(5 minutes)",
    "cron(0 9 ? * 2-6 *)": "cron(0 9 ? * 2-6 *)",
    "0 9 * * 1-5": "cron(0 9 ? * 2-6 *)",
    "0 9 * * MON-FRI": "cron(0 9 ? * MON-FRI *)",
    "0 9 * * 0,6": "cron(0 9 ? * 1,7 *)",
    "0 9 * * 1-5/2": "cron(0 9 ? * 2-6/2 *)",
    "0 9 * * */2": "cron(0 9 ? * 1/2 *)",
    "0 9 */2 * *": "cron(0 9 1/2 * ? *)",
    "*/15 */2 1 */3 ?": "cron(0/15 0/2 1 1/3 ? *)",
    "none": "",
}


@pytest.mark.parametrize(("copilot", "ours"), SCHEDULES.items())
def test_schedules(copilot: str, ours: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert expression(copilot) == ours
    monkeypatch.chdir(workspace(tmp_path, START.replace("@daily", copilot)))
    imported = made(Path())
    assert not imported.omissions
    assert yaml.safe_load(imported.text).get("schedule") == ({"when": ours} if ours else None)
    steps = copilot in ("0 9 */2 * *", "0 9 * * */2")
    assert any("Copilot made" in note for note in imported.notes) is steps


@pytest.mark.parametrize(
    "text",
    ["", "@sometimes", "@every 30s", "@every 90s", "@every 1d", "@every -1h", "0 9 1 * 1", "0 9 * *", "0 9 * * * *",
     "a;b * * * *", "rate(0 minutes)", "cron(0 9 * * * *)", "cron(nonsense)", "61 9 * * *"],
)  # fmt: skip
def test_a_wrong_schedule_is_left_out_and_named(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace(tmp_path, START.replace("@daily", text)))
    imported = made(Path())
    assert "schedule" not in yaml.safe_load(imported.text)
    assert [line for line in imported.omissions if ":3: on.schedule (" in line]


@pytest.mark.parametrize(("text", "count"), [("1h30m", 5400), ("90s", 90), ("1.5h", 5400), ("1000ms", 1)])
def test_durations(text: str, count: int) -> None:
    assert seconds(text) == count
    assert seconds(duration(count)) == count


@pytest.mark.parametrize("text", ["", "1", "h", "1.5s", "1h 30m", "-1h", "1d", "9" * 99 + "h"])
def test_wrong_durations(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|seconds"):
        seconds(text)


def test_what_an_environment_has_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = START + "environments: {prod: {network: {vpc: {placement: private}}}}\n"
    place = (
        "name: prod\ntype: Environment\ncdn: true\nobservability: {container_insights: true}\nnetwork:\n  vpc:\n"
        "    id: vpc-0123456789abcdef0\n    subnets:\n      public: [{id: subnet-0123456789abcdef0}]\n"
        "      private: [{id: subnet-0123456789abcdef1}]\n"
    )
    monkeypatch.chdir(workspace(tmp_path, manifest, prod=place, test="name: test\ntype: Environment\n"))
    imported = made(Path())
    assert imported.environments == ("prod", "test")
    assert imported.omissions == ("copilot/environments/prod/manifest.yml:3: cdn (deploy.yaml has nothing like it)",)
    assert yaml.safe_load(imported.text)["environments"] == {
        "prod": {
            "account": "000000000000",
            "cluster": {"container_insights": True},
            "network": {"vpc": "vpc-0123456789abcdef0", "subnets": ["subnet-0123456789abcdef1"], "public_ip": False},
        },
        "test": {},
    }


def test_secrets_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = "hunter2-" + "x" * 12
    manifest = (
        START + f"variables: {{DB_PASSWORD: {hidden}}}\nimage: {{build: {{context: ., args: {{KEY: {hidden}}}}}}}\n"
    )
    monkeypatch.chdir(workspace(tmp_path, manifest))
    imported = made(Path())
    assert hidden not in imported.text + str(imported)
    assert yaml.safe_load(imported.text)["task"]["environment"] == {"DB_PASSWORD": "${DB_PASSWORD}"}
    assert (
        "task.environment.DB_PASSWORD looks like a secret, so its value isn't written"
        in imported.notes[1] + imported.notes[0]
    )


def test_each_secret_of_a_command_and_of_the_variables_is_in_a_variable_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = "t https://me:planted3xy@a/ https://me:planted4xy@b/"
    words = (
        "--token", "planted1xy", "--password=planted2xy", "https://me:planted3xy@host/", several, "--token=planted5xy",
        "--api-key=planted1xy",
    )  # fmt: skip
    manifest = START + f"command: {json.dumps(['python', 't.py', *words])}\nvariables: {{TOKEN: planted6xy}}\n"
    monkeypatch.chdir(workspace(tmp_path, manifest + "image: {build: {context: ., args: {TOKEN: planted7xy}}}\n"))
    imported = made(Path())
    assert "planted" not in (imported.text + str(imported)).lower()
    values = yaml.safe_load(imported.text)
    assert values["task"]["command"][2:] == [
        "--token", "${TOKEN_2}", "--password=${PASSWORD}", "https://me:${SECRET}@host/", "${SECRET_2}",
        "--token=${TOKEN_3}", "--api-key=${API_KEY}",
    ]  # fmt: skip
    assert values["image"]["build_args"] == {"TOKEN": "${TOKEN}"}
    assert values["task"]["environment"] == {"TOKEN": "${TOKEN_4}"}


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ("", "the file is empty"),
        ("- a", "the file is a list"),
        ("a: [", "is missing here"),
        ("a: &a [*a]\ntype: Scheduled Job", "part of the value that it stands for"),
        (START + "a: !!python/object/apply:os.system x", "is not supported"),
        (START + "name: again", "is given twice"),
        ("a: " + "[" * 2000, "nested too deeply|not closed"),
        ("l: &l [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"l{n}: &l{n} [{', '.join([f'*l{n - 1 or str()}'] * 10)}]\n" for n in range(1, 9)), "aliases multiply"),
        ("a: " + "x" * (1 << 18), "more than 256 KiB"),
        ("a: \x00", "binary"),
        ("a: \x07", "control character"),
        ("type: Load Balanced Web Service\nname: a", "no scheduled job; it has report, which are services"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(
    manifest: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace(tmp_path, manifest))
    with pytest.raises(UserError, match=words):
        made(Path())


@pytest.mark.parametrize("value", ["12", "[a]", "{a: b}", "[[a]]", "{a: {b: [c]}}", "null", "'\U0001f600'", '"a\\nb"'])
def test_a_value_of_any_shape_is_no_crash(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ("name", "on", "cpu", "memory", "platform", "image", "retries", "timeout", "variables", "secrets", "command",
            "entrypoint", "storage", "logging", "network", "environments", "count")  # fmt: skip
    monkeypatch.chdir(workspace(tmp_path, START))
    for key in keys:
        start = "".join(f"{k}: {v}\n" for k, v in (("name", "report"), ("type", "Scheduled Job")) if k != key)
        for text in (f"{key}: {value}", f"{key}: {{x: {value}}}", f"environments: {{test: {{{key}: {value}}}}}"):
            Path("copilot/report/manifest.yml").write_text(f"{start}{text}\n")
            assert made(Path()).text


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(workspace(tmp_path, START + "variables: {A: '${NOWHERE}'}\nsidecars: {a: {}}\n"))
    monkeypatch.delenv("AWS_REGION", raising=False)
    second = tmp_path / "copilot" / "other"
    second.mkdir()
    (second / "manifest.yml").write_text(START.replace("report", "other"))
    with pytest.raises(UserError, match="several scheduled jobs: other, report"):
        made(Path())
    assert main(["import", "--copilot", ".", "--take", "job.report"]) == 0
    out = capsys.readouterr().out
    assert "Not carried over:\n  copilot/report/manifest.yml:5: sidecars (a task has one container)" in out
    assert ": task.environment.A: the variable NOWHERE is not defined" in out
    assert main(["import", "--copilot", ".", "--take", "job.report"]) == 2  # it is never overwritten
    capsys.readouterr()
    assert main(["import", "--copilot", "copilot/other", "-o", "the other.yaml", "--local"]) == 0
    assert not remaining_problems(Path("the other.yaml"), (), {})
    typed = "python -m reconciler plan 'the other.yaml'"
    assert f"wrote the other.yaml: {typed} --local\n" in capsys.readouterr().out
    assert f"`{typed}` shows what" in Path("the other.yaml").read_text()
    assert main(["import", "--copilot", ".", "--prefix", "x"]) == 2
    assert main(["import"]) == 2
    assert main(["import", "--copilot", "nowhere", "-o", "x.yaml"]) == 2


@pytest.mark.parametrize("source", [["--prefix", "x", "--local"], ["--copilot", "."]])
def test_the_folder_of_the_new_file_is_not_made(
    source: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def reach(*_: object, **__: object) -> NoReturn:
        pytest.fail("an embedded AWS was started in a folder that isn't there")

    monkeypatch.setattr(import_, "reach", reach)
    monkeypatch.chdir(tmp_path)
    assert main(["import", *source, "-o", "nowhere/deploy.yaml"]) == 2
    assert capsys.readouterr().err == "error: -o nowhere/deploy.yaml: there is no folder nowhere\n  make it first\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("take", [("a.b", "c.d"), ("cluster.x",), ("job",), ("job.",)])
def test_take_names_a_job(take: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match=r"write job\.NAME"):
        job_of(take)
