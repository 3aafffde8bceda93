"""The fixtures of these tests."""

from tests.local_fixtures import embedded_aws as embedded_aws
from tests.local_fixtures import embedded_aws_session as embedded_aws_session
