"""What the repository's scanner found in an image, and whether that forbids its use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from reconciler.aws.calls import Aws
from reconciler.core.errors import ReconcilerError

SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNDEFINED")
UNDER_WAY = ("IN_PROGRESS", "PENDING")
FINISHED = ("COMPLETE", "ACTIVE")  # ACTIVE: Amazon Inspector goes on looking, and has looked
NO_SCAN = "NO_SCAN"
SCAN_SECONDS = 600.0
APPEARS_SECONDS = 30.0  # a scan on push is not seen at once
PAUSE_SECONDS = 3.0


@dataclass(frozen=True)
class Findings:
    """The state of an image's scan (ECR's word for it, or NO_SCAN) and how much was found, by severity."""

    status: str
    counts: Mapping[str, int]

    def __str__(self) -> str:
        if self.status in FINISHED:
            parts = [
                f"{self.counts[severity]} {severity.lower()}" for severity in SEVERITIES if self.counts.get(severity)
            ]
            return f"vulnerabilities: {', '.join(parts) or 'none found'}"
        if self.status in UNDER_WAY:
            return "vulnerabilities: the scan is under way"
        return "vulnerabilities: not scanned" + ("" if self.status == NO_SCAN else f" ({self.status})")

    def at_least(self, severity: str) -> int:
        """How many findings are as severe as this or more."""
        return sum(self.counts.get(level, 0) for level in SEVERITIES[: SEVERITIES.index(severity.upper()) + 1])


def look(aws: Aws, repository: str, digest: str) -> Findings:
    """The findings as they are now. Raises AwsError."""
    answer = aws.find(
        "ecr", "DescribeImageScanFindings", repositoryName=repository, imageId={"imageDigest": digest}, maxResults=1
    )
    if answer is None:
        return Findings(NO_SCAN, {})
    status = (answer.get("imageScanStatus") or {}).get("status", NO_SCAN)
    return Findings(str(status), dict((answer.get("imageScanFindings") or {}).get("findingSeverityCounts") or {}))


def check(
    aws: Aws, repository: str, digest: str, fail_on: Literal["critical", "high"] | None, report: Callable[[str], None]
) -> None:
    """With `fail_on`, wait for the findings, report them, and raise ReconcilerError where they forbid the image.

    Without it nothing is asked, since nothing hangs on it: a scan takes a minute, and ECR's console shows its result.
    Called before each launch, since an image that a scan forbids stays in the repository.
    """
    if fail_on is None:
        return
    findings = _wait(aws, repository, digest, report)
    report(str(findings))
    image = f"{repository}@{digest}"
    if findings.status not in FINISHED:
        raise ReconcilerError(
            f"image.fail_on is {fail_on!r}, and {image} has no finished scan ({findings.status})",
            hint="set image.repository.scan_on_push, look at the image in the ECR console, or leave out image.fail_on; "
            "if the scanner can't read its layers, set image.compression: gzip",
        )
    if count := findings.at_least(fail_on):
        raise ReconcilerError(
            f"{image} has {count} vulnerabilities of severity {fail_on} or more, and image.fail_on forbids that",
            hint=f"renew the base image and the dependencies; `aws ecr describe-image-scan-findings --repository-name "
            f"{repository} --image-id imageDigest={digest}` lists them",
        )


def _wait(aws: Aws, repository: str, digest: str, report: Callable[[str], None]) -> Findings:
    started, announced = aws.clock.now(), False
    while True:
        findings = look(aws, repository, digest)
        waited = aws.clock.now() - started
        if findings.status == NO_SCAN:
            going_on = waited < APPEARS_SECONDS
        else:
            going_on = findings.status in UNDER_WAY and waited < SCAN_SECONDS
        if not going_on:
            return findings
        if not announced:
            report(f"waiting for the scan of {repository}@{digest}")
            announced = True
        aws.clock.sleep(PAUSE_SECONDS)
