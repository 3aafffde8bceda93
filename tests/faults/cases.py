"""All fault cases."""

from tests.faults.case import Case
from tests.faults.cases_ecs import ECS
from tests.faults.cases_iam import IAM
from tests.faults.cases_others import OTHERS
from tests.faults.cases_s3 import S3

CASES: tuple[Case, ...] = (*IAM, *ECS, *S3, *OTHERS)
