"""How much `make test` tries of what there is much of; `make check` tries all of it.

Of what can be tried without end (hypothesis's examples) a quarter; of a table (the rows of a parametrized test) that is
marked `share(n)` each n-th row, and so many rows at most as `--rows` says; of a file that is dear each n-th test of
each table, where its tests without parameters are a table too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent

# Files of tests that are alike and whose tests cost a second of processors and more: whole they are the half of all.
DEAR: Mapping[str, int] = {
    "bench/test_requests.py": 2,
    "checks/doctor/test_doctor.py": 2,
    "checks/verify/test_verify.py": 2,
    "cli/init/test_drift.py": 2,
    "cli/init/test_gitlab.py": 2,
    "cli/init/test_plan_role.py": 3,
    "cli/init/test_workflow.py": 4,
    "cli/test_end_to_end.py": 4,
    "cli/test_foreign.py": 6,
    "cli/test_promote.py": 2,
    "cli/test_secrets.py": 6,
    "cli/test_walks.py": 2,
    "config/test_git.py": 3,
    "config/test_limits.py": 3,
    "drift/test_drift.py": 8,
    "drift/test_function.py": 3,
    "engine/test_apply_file.py": 5,
    "engine/test_destroy.py": 2,
    "engine/test_environments.py": 3,
    "engine/test_folders.py": 4,
    "engine/test_forged_record.py": 4,
    "engine/test_given_data.py": 3,
    "engine/test_json.py": 3,
    "engine/test_large.py": 3,
    "engine/test_protect.py": 4,
    "engine/test_shared_provider.py": 2,
    "faults/test_answers.py": 4,
    "faults/test_credentials.py": 6,
    "faults/test_cut.py": 8,
    "faults/test_interrupt.py": 5,
    "faults/test_lock.py": 4,
    "faults/test_managed_stopped.py": 4,
    "faults/test_missing.py": 3,
    "faults/test_permissions.py": 6,
    "faults/test_workers.py": 2,
    "image/test_without_docker.py": 5,
    "importer/test_import.py": 4,
    "importer/test_recover.py": 4,
    "local/test_idle.py": 3,
    "local/test_kept.py": 3,
    "local/test_lifecycle.py": 2,
    "local/test_links.py": 4,
    "local/test_schedules.py": 2,
    "local/test_task_life.py": 2,
    "model/test_beyond.py": 2,
    "model/test_cheats.py": 2,
    "model/test_checkpoint.py": 2,
    "model/test_cli.py": 4,
    "model/test_promotion.py": 4,
    "model/test_s3.py": 4,
    "model/test_tracking.py": 2,
    "model/test_train.py": 3,
    "model/test_use.py": 2,
    "permissions/test_enforced.py": 4,
    "run/test_checkpoint.py": 2,
    "run/test_coming_back.py": 3,
    "run/test_containers.py": 2,
    "run/test_diagnoses.py": 3,
    "run/test_explain.py": 2,
    "run/test_fleet.py": 2,
    "run/test_flows.py": 3,
    "run/test_forged.py": 5,
    "run/test_given_data.py": 3,
    "run/test_launch.py": 2,
    "run/test_managed_instances.py": 3,
    "run/test_max_cost.py": 2,
    "run/test_measure.py": 6,
    "run/test_memory_ladder.py": 4,
    "run/test_parameters.py": 2,
    "run/test_results.py": 4,
    "run/test_scheduled.py": 3,
    "run/test_service.py": 2,
    "run/test_stored.py": 4,
    "run/test_sweep.py": 2,
    "run/test_terminal.py": 2,
    "run/test_unattended.py": 2,
}
_one_of = 1
# How long an example takes to be made or tried is the machine's load.
settings.register_profile("whole", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("whole")


def take() -> None:
    """From now on a share is what is wanted: before the tests are loaded."""
    global _one_of
    _one_of = 4
    settings.register_profile("share", settings.get_profile("whole"), max_examples=25)
    settings.load_profile("share")


def examples(count: int) -> int:
    """Of so many examples, those to try."""
    return max(count // _one_of, 2)


def of_file(path: Path) -> int:
    """Of the tests of a file, each n-th."""
    return DEAR.get(path.relative_to(TESTS).as_posix(), 1)
