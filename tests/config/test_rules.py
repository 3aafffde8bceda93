"""The rules for names and sizes, each with texts that AWS takes and texts that it refuses."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.config import names
from reconciler.config.rule import TextRule
from reconciler.config.task_size import check_size, nearest
from reconciler.core.fargate import SIZES

GOOD = {
    "DEPLOY": ["ab", "aig130-p2", "a" * 40],
    "BUCKET": ["abc", "x-an-b", "my-123456789012-us-west-2-an", "my.bucket", "1-2-3", "a" * 63, "1.1.1.1.1"],
    "OBJECT_KEY": ["a", "data/btc_1h_data_2018_to_2025.csv", "a b/ü(1).csv", "..a/b..", "x" * 1024],
    "BUCKET_PATH": ["*", "data/*", "a/*/b?.csv", "runs/${aws:username}/*"],
    "REPOSITORY": ["ab", "aig130-p2-ml-pipeline-ecr", "team/ml_pipeline", "a__b", "a--b", "a.b", "a" * 256],
    "IMAGE_TAG": ["latest", "1.10", "_a", "a" * 128, "0123abc-dirty"],
    "IMAGE_URI": [
        "python",
        "python:3.12",
        "ghcr.io/owner/name:1.0",
        "localhost:5000/a/b",
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/a@sha256:" + "0" * 64,
        "a/b:1@sha256:" + "f" * 64,
    ],
    "ROLE": ["aig130-p2-ecs-task-role", "a+=,.@_-Z", "a" * 64],
    "USER": ["github-actions-aig130-p2", "me@example.com"],
    "POLICY": ["a" * 128],
    "ACCESS_KEY": ["AKIAIOSFODNN7EXAMPLE", "AKIA" + "A" * 124],
    "ECS": ["ml_task-1", "A" * 255],
    "ENV": ["A", "_a1", "AWS_DEFAULT_REGION"],
    "SECRET": [
        "arn:aws:ssm:us-east-1:123456789012:parameter/a/b",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a/b-AbCdEf",
        "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:a-AbCdEf:user:AWSCURRENT:",
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0f1e2d3c-4b5a-AbCdEf:password::",
    ],
    "KMS_KEY": [
        "arn:aws:kms:us-east-1:123456789012:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
        "arn:aws-cn:kms:cn-north-1:123456789012:alias/mine",
    ],
    "LOG_GROUP": ["/ecs/aig130-p2-ml-task", "/aws/ecs/x", "a.b", "a" * 512],
    "IAM_TEXT": ["", "Für é und ü", "two\nlines\t~", "x" * 1000],
    "SECURITY_GROUP": ["aig130-p2-ml-sg", "my group (1)", "default-2"],
    "SECURITY_GROUP_TEXT": ["Security group for AIG130 P2 ML ECS tasks"],
    "VPC": ["default", "vpc-01234567", "vpc-0123456789abcdef0"],
    "SUBNET": ["subnet-01234567", "subnet-0123456789abcdef0"],
    "TAG_PATTERN": ["latest", "v*", "*-*", "a" * 128],
    "GITHUB_ID": ["1", "1234567", "9" * 20],
    "GITHUB": ["owner/name", "mona_octo/name", "o-1/.github", "A/a_b.c-d"],
    "GITLAB": ["group/project", "g/sub.group/a_b-c.d", "_a/9"],
    "GITLAB_URL": ["https://gitlab.com", "https://git.example.com/gitlab"],
    "BRANCH": ["main", "feature/x-1", "release@2"],
    "REGION": ["us-east-1", "eu-central-2", "ap-southeast-7", "us-gov-west-1", "cn-north-1", "mx-central-1",
               "eusc-de-east-1"],
    "ACCOUNT": ["123456789012", "000000000000"],
    "ENVIRONMENT": ["dev", "prod", "eu-1", "a" * 16],
    "EXPRESSION": [
        "rate(1 day)", "rate(15 minutes)", "cron(0 6 * * ? *)", "cron(0/15 8-17 ? * MON-FRI *)", "cron(0 0 L * ? *)",
        "cron(0 9 ? * 2#1 *)", "cron(30 4 1,15 JAN-MAR ? 2026-2030)",
    ],
    "SCHEDULE": ["my-schedule", "a.b_c", "a" * 64],
    "TOPIC": ["my-topic_1", "a" * 256],
    "EMAIL": ["a@example.com", "first.last+tag@sub.example.co.uk"],
    "SUBSCRIBER": ["arn:aws:sqs:us-east-1:123456789012:q", "arn:aws-cn:lambda:cn-north-1:123456789012:function:f:1"],
    "WEBHOOK": ["arn:aws:ssm:us-east-1:123456789012:parameter/a/b",
                "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf:url::"],
    "TAG_KEY": ["team", "a b_.:/=+-@", "größe", "x" * 128],
    "TAG_VALUE": ["", "1.10", "x" * 256],
}  # fmt: skip

BAD = {
    "DEPLOY": ["", "a", "A", "sg-x", "a--b", "-a", "a-", "a_b", "a" * 41, "a\n"],
    "BUCKET": ["ab", "-ab", "ab-", "a" * 64, "a_b", "A-b", "a..b", "1.1.1.1", "xn--a", "sthree-a", "a--ol-s3", "ab\n",
               "prices-an", "-123456789012-us-west-2-an", "a-12345678901-us-west-2-an", "a-123456789012-an"],
    "OBJECT_KEY": ["", "/a", "a/", "s3://b/a", "a/../b", "./a", "..", "a*", "a?", "${a}", "a\nb", "данные", "x" * 1025],
    "BUCKET_PATH": ["", "/a", "a/", "s3://b/*", "arn:aws:s3:::b/*", "a\tb", "данные/*", "x" * 1025],
    "REPOSITORY": ["a", "A", "-a", "a-", "a..b", "a//b", "/ab", "a___b", "a" * 257],
    "IMAGE_TAG": ["", ".a", "-a", "a/b", "a:b", "a" * 129],
    "IMAGE_URI": ["", "https://a/b", "A/B", "a b", "a:b:c", "a@sha256:12", "a/"],
    "ROLE": ["", "a/b", "a b", "a" * 65, "ü"],
    "USER": ["", "a:b", "a" * 65],
    "POLICY": ["", "a*", "a" * 129],
    "ACCESS_KEY": ["", "current", "AKIA", "akiaiosfodnn7example", "ASIAIOSFODNN7EXAMPLE", "AKIA" + "A" * 125],
    "ECS": ["", "a.b", "a b", "a" * 256],
    "ENV": ["", "1A", "A-B", "A.B", "A=B", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"],
    "SECRET": ["", "name", "arn:aws:s3:::b", "arn:aws:ssm:us-east-1:1:parameter/a",
               "arn:aws:ssm:us-east-1:123456789012:a"],
    "KMS_KEY": ["", "alias/a", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"],
    "IAM_TEXT": ["a \u2013 dash", "\u2603", "\x7f", "\x00", "x" * 1001],
    "LOG_GROUP": ["", "aws/ecs", "a b", "a:b", "a#b", "a*", "a" * 513],
    "SECURITY_GROUP": ["", "sg-1", "SG-1", "default", "a'b", "a" * 256, "ü", " a", "a "],
    "SECURITY_GROUP_TEXT": ["", "it's", "a\nb", "a" * 256, " a", "a "],
    "VPC": ["", "main", "vpc-", "vpc-0123456789", "vpc-0123456G"],
    "SUBNET": ["", "default", "subnet-1", "vpc-01234567"],
    "TAG_PATTERN": ["", "a b", "a/b", "***", "a" * 129],
    "GITHUB_ID": ["", "0", "01", "a", "-1", "9" * 21],
    "GITHUB": ["", "name", "a/b/c", "https://github.com/a/b", "-a/b", "a/..", "a b/c"],
    "GITLAB": ["", "name", "group/*", "a b/c", "/a/b", "a//b", "a/b:ref", "https://gitlab.com/a/b", "a/b.", "-a/b"],
    "GITLAB_URL": ["", "gitlab.com", "http://gitlab.com", "https://gitlab.com:443", "https://x/?a", "https://*.a.com"],
    "BRANCH": ["", "*", "a b", "a..b", "refs/heads/a", "a/", "/a", "a.lock", "-a", "a~1", "a\\b"],
    "REGION": ["", "us-east", "us-east-1a", "US-EAST-1", "useast1", "us-esat-1", "us-east-0", "global"],
    "ACCOUNT": ["", "12345678901", "1234567890123", "1234-5678-9012", "\u0661" * 12],
    "ENVIRONMENT": ["", "Dev", "1a", "a_b", "a--b", "a-", "a" * 17],
    "EXPRESSION": [
        "", "daily", "0 6 * * *", "rate(0 days)", "rate(1.5 hours)", "at(2026-01-01T00:00:00)", "cron(0 6 * * *)",
        "cron(0 6 * * * *)", "cron(0 6 ? * ? *)", "cron(60 6 * * ? *)", "cron(0 24 * * ? *)", "cron(0 6 ? * 0 *)",
        "cron(0 6 * * ? 1969)", "cron(0/0 6 * * ? *)", "cron(a 6 * * ? *)",
    ],
    "SCHEDULE": ["", "a b", "a/b", "a" * 65],
    "TOPIC": ["", "a.fifo", "a b", "a" * 257],
    "EMAIL": ["", "a", "a@b", "@example.com", "a b@example.com", "a@example.com, b@example.com"],
    "SUBSCRIBER": ["", "https://example.com", "q", "arn:aws:sns:us-east-1:123456789012:t"],
    "WEBHOOK": ["", "https://hooks.slack.com/services/T0/B0/x", "/my/parameter"],
    "TAG_KEY": ["", "aws:x", "AWS:x", "reconciler:deploy", "a&b", "x" * 129, "a\nb", " a", "a ", " "],
    "TAG_VALUE": [" a", "a ", " ", "a&b", "x" * 257, "a\nb"],
}  # fmt: skip

RULES = {name: rule for name, rule in vars(names).items() if isinstance(rule, TextRule)}


def test_every_rule_is_in_the_tables() -> None:
    assert GOOD.keys() == BAD.keys() == RULES.keys()


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in GOOD.items() for t in texts])
def test_right(name: str, text: str) -> None:
    assert RULES[name].check(text) == text


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in BAD.items() for t in texts])
def test_refused(name: str, text: str) -> None:
    assert RULES[name].problem(text)
    better = RULES[name].better(text)
    assert better is None or RULES[name].problem(better) is None


@pytest.mark.share(4)
@pytest.mark.parametrize("name", RULES)
@given(text=st.text(max_size=80) | st.from_regex(r"[A-Za-z0-9_. /:*-]{0,80}", fullmatch=True))
def test_a_suggestion_is_right_or_none(name: str, text: str) -> None:
    better = RULES[name].better(text)
    assert better is None or RULES[name].problem(better) is None


def test_derived_names_of_every_deploy_are_right() -> None:
    for deploy in GOOD["DEPLOY"]:
        for suffix in ("task-role", "task-execution-role", "ci"):
            assert RULES["ROLE"].problem(f"{deploy}-{suffix}") is None
        assert RULES["BUCKET"].problem(f"{deploy}-data-123456789012") is None
        assert RULES["REPOSITORY"].problem(deploy) is None
        assert RULES["SECURITY_GROUP"].problem(deploy) is None
        assert RULES["SECURITY_GROUP_TEXT"].problem(f"{deploy} tasks, egress only") is None
        assert RULES["LOG_GROUP"].problem(f"/ecs/{deploy}") is None


def test_fargate_has_these_sizes() -> None:
    """The table of the ECS documentation, in GB."""
    published = {
        256: [0.5, 1, 2],
        512: range(1, 5),
        1024: range(2, 9),
        2048: range(4, 17),
        4096: range(8, 31),
        8192: range(16, 61, 4),
        16384: range(32, 121, 8),
        32768: [60, 120, 244],
    }
    assert {cpu: [m / 1024 for m in row] for cpu, row in SIZES.items()} == {
        c: list(row) for c, row in published.items()
    }


@given(cpu=st.sampled_from(sorted(SIZES)), memory=st.integers(1, 200_000))
def test_sizes_that_are_named_exist(cpu: int, memory: int) -> None:
    wrong = check_size(cpu, memory)
    assert (wrong is None) == (memory in SIZES[cpu])
    if wrong:
        named = [int(n) for n in re.findall(r"\d+", wrong[1].split(",")[0].split("(")[0])]
        assert named
        assert set(named) <= set(SIZES[cpu])
        meant = memory * 1024 if memory <= 64 else memory  # nobody means 12 MiB by `memory: 12`
        assert min(abs(n - meant) for n in named) == min(abs(n - meant) for n in SIZES[cpu])


def test_nearest() -> None:
    assert nearest(5, (1, 4, 6)) == (4, 6)
    assert nearest(4, (1, 4, 6)) == (4,)
    assert nearest(0, (1, 4, 6)) == (1,)
    assert nearest(9, (1, 4, 6)) == (6,)
