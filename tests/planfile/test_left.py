"""What left the file: shown as a deletion, deleted with --prune, and nothing of it stays."""

from __future__ import annotations

from tests.planfile.project import Project


def test_a_users_secret_goes_with_it(project: Project) -> None:
    project.change("ci: {user: {}}", "ci: {user: {access_keys: 1}}")
    project.ok("apply")
    ssm = project.lab.client("ssm")
    secret = "/reconciler/tiny/users/tiny-ci/access-key"
    assert ssm.get_parameters(Names=[secret])["Parameters"]
    project.change("ci: {user: {access_keys: 1}}", "")
    project.ok("apply", "--prune")
    assert ssm.get_parameters(Names=[secret])["Parameters"] == []
