"""Scan findings: ECR as moto has it where it can, and prepared answers on the wire where it can't."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.aws.calls import Aws
from reconciler.core.errors import ReconcilerError
from reconciler.image.scan import PAUSE_SECONDS, check, look
from tests.lab_client import LabHandle, SkippingClock

DIGEST = "sha256:" + "1" * 64
RULE = {"service": "ecr", "op": "DescribeImageScanFindings"}
Answer = tuple[str, dict[str, int]] | None  # the scan's status and what it found; None is no scan


def asking(lab: LabHandle, *answers: Answer) -> tuple[Aws, SkippingClock]:
    """A way to an ECR whose scan answers with these, one after another, and its clock."""
    rules: list[dict[str, Any]] = []
    for answer in answers:
        if answer is None:
            rules.append(RULE | {"do": "error", "code": "ScanNotFoundException"})
        else:
            body = {"imageScanStatus": {"status": answer[0]}, "imageScanFindings": {"findingSeverityCounts": answer[1]}}
            rules.append(RULE | {"do": "answer", "type": "application/x-amz-json-1.1", "body": json.dumps(body)})
    lab.rules(*rules)
    clock = SkippingClock()
    return lab.aws(clock=clock), clock


def asked(lab: LabHandle) -> int:
    return sum(row["op"] == RULE["op"] for row in lab.log())


def test_it_waits_for_the_scan_and_passes(lab: LabHandle) -> None:
    said: list[str] = []
    aws, clock = asking(lab, None, ("PENDING", {}), ("IN_PROGRESS", {}), ("COMPLETE", {"HIGH": 2, "LOW": 1}))
    check(aws, "trainer", DIGEST, "critical", said.append)
    assert (asked(lab), clock.waits) == (4, [PAUSE_SECONDS] * 3)
    assert said == [f"waiting for the scan of trainer@{DIGEST}", "vulnerabilities: 2 high, 1 low"]


@pytest.mark.parametrize(("fail_on", "count"), [("critical", 1), ("high", 3)])
def test_severe_findings_forbid_the_image(lab: LabHandle, fail_on: Any, count: int) -> None:
    aws, _ = asking(lab, ("COMPLETE", {"CRITICAL": 1, "HIGH": 2}))
    with pytest.raises(ReconcilerError, match=f"has {count} vulnerabilities of severity {fail_on}") as error:
        check(aws, "trainer", DIGEST, fail_on, print)
    assert "describe-image-scan-findings" in error.value.hint


@pytest.mark.parametrize("status", ["FAILED", "UNSUPPORTED_IMAGE"])
def test_an_image_that_can_not_be_scanned_does_not_pass(lab: LabHandle, status: str) -> None:
    aws, _ = asking(lab, (status, {}))
    with pytest.raises(ReconcilerError, match=rf"no finished scan \({status}\)"):
        check(aws, "trainer", DIGEST, "high", print)


def test_without_a_scan_it_says_what_to_set(lab: LabHandle) -> None:
    aws, _ = asking(lab, *[None] * 12)
    with pytest.raises(ReconcilerError) as error:
        check(aws, "trainer", DIGEST, "high", print)
    assert "scan_on_push" in error.value.hint


def test_without_fail_on_nothing_is_asked(lab: LabHandle) -> None:
    said: list[str] = []
    aws, clock = asking(lab, ("IN_PROGRESS", {}), None)
    check(aws, "trainer", DIGEST, None, said.append)
    assert (asked(lab), clock.waits, said) == (0, [], [])


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
