"""Scan findings, against ECR as moto has it where it can, and against prepared answers where it can't."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.stub import Stubber

from reconciler.aws.calls import Aws
from reconciler.errors import ReconcilerError
from reconciler.image.scan import PAUSE_SECONDS, check, look

DIGEST = "sha256:" + "1" * 64


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def answers(aws: Aws, *found: tuple[str, dict[str, int]] | None) -> Stubber:
    """Have ECR's scan answer with these, one after another; None is no scan."""
    stub = Stubber(aws.client("ecr"))
    for one in found:
        if one is None:
            stub.add_client_error("describe_image_scan_findings", "ScanNotFoundException")
        else:
            body: dict[str, Any] = {
                "imageScanStatus": {"status": one[0]},
                "imageScanFindings": {"findingSeverityCounts": one[1]},
            }
            stub.add_response("describe_image_scan_findings", body)
    stub.activate()
    return stub


@pytest.fixture
def timed(aws: Aws) -> Aws:
    aws.clock = Clock()
    return aws


def test_it_waits_for_the_scan_and_passes(timed: Aws) -> None:
    said: list[str] = []
    with answers(timed, None, ("PENDING", {}), ("IN_PROGRESS", {}), ("COMPLETE", {"HIGH": 2, "LOW": 1})) as stub:
        check(timed, "trainer", DIGEST, "critical", said.append)
        stub.assert_no_pending_responses()
    assert timed.clock.now() == 3 * PAUSE_SECONDS
    assert said == [f"waiting for the scan of trainer@{DIGEST}", "vulnerabilities: 2 high, 1 low"]


@pytest.mark.parametrize(("fail_on", "count"), [("critical", 1), ("high", 3)])
def test_severe_findings_forbid_the_image(timed: Aws, fail_on: Any, count: int) -> None:
    with (
        answers(timed, ("COMPLETE", {"CRITICAL": 1, "HIGH": 2})),
        pytest.raises(ReconcilerError, match=f"has {count} vulnerabilities of severity {fail_on}") as error,
    ):
        check(timed, "trainer", DIGEST, fail_on, print)
    assert "describe-image-scan-findings" in error.value.hint


@pytest.mark.parametrize("status", ["FAILED", "UNSUPPORTED_IMAGE"])
def test_an_image_that_can_not_be_scanned_does_not_pass(timed: Aws, status: str) -> None:
    with answers(timed, (status, {})), pytest.raises(ReconcilerError, match=rf"no finished scan \({status}\)"):
        check(timed, "trainer", DIGEST, "high", print)


def test_without_a_scan_it_says_what_to_set(timed: Aws) -> None:
    with answers(timed, *[None] * 12), pytest.raises(ReconcilerError) as error:
        check(timed, "trainer", DIGEST, "high", print)
    assert "scan_on_push" in error.value.hint


def test_without_fail_on_nothing_is_waited_for(timed: Aws) -> None:
    said: list[str] = []
    with answers(timed, ("IN_PROGRESS", {}), None):
        check(timed, "trainer", DIGEST, None, said.append)
        check(timed, "trainer", DIGEST, None, said.append)
    assert timed.clock.now() == 0
    assert said == ["vulnerabilities: the scan is under way"]


def test_on_the_wire(aws: Aws) -> None:
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + "0" * 64, "size": 2}
    text = json.dumps(
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": []}
    )
    image = aws.call("ecr", "PutImage", repositoryName="trainer", imageTag="a", imageManifest=text)["image"]
    digest = image["imageId"]["imageDigest"]
    assert look(aws, "trainer", digest).status == "NO_SCAN"
    aws.call("ecr", "StartImageScan", repositoryName="trainer", imageId={"imageDigest": digest})
    assert look(aws, "trainer", digest).counts == {"HIGH": 1}
