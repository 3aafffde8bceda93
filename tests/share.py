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

# Files whose tests, all of them, cost more than two seconds of processors: a share costs about two.
DEAR: Mapping[str, int] = {
    "bench/test_requests.py": 5,
    "checks/doctor/test_doctor.py": 3,
    "checks/verify/test_verify.py": 6,
    "cli/init/test_drift.py": 9,
    "cli/init/test_gitlab.py": 2,
    "cli/init/test_init.py": 3,
    "cli/init/test_plan_role.py": 6,
    "cli/init/test_workflow.py": 13,
    "cli/test_end_to_end.py": 25,
    "cli/test_foreign.py": 34,
    "cli/test_hints.py": 2,
    "cli/test_json.py": 12,
    "cli/test_output.py": 3,
    "cli/test_promote.py": 2,
    "cli/test_secrets.py": 32,
    "cli/test_walks.py": 7,
    "config/test_git.py": 3,
    "config/test_limits.py": 3,
    "config/test_properties.py": 2,
    "docs/test_checkpoints.py": 2,
    "docs/test_docs.py": 12,
    "drift/test_drift.py": 60,
    "drift/test_function.py": 6,
    "drift/test_unattended.py": 5,
    "engine/test_apply_file.py": 22,
    "engine/test_destroy.py": 4,
    "engine/test_environments.py": 5,
    "engine/test_folders.py": 14,
    "engine/test_forged_record.py": 8,
    "engine/test_given_data.py": 8,
    "engine/test_json.py": 4,
    "engine/test_large.py": 6,
    "engine/test_left.py": 2,
    "engine/test_protect.py": 17,
    "engine/test_shared_provider.py": 4,
    "faults/test_answers.py": 4,
    "faults/test_cases.py": 10,
    "faults/test_credentials.py": 16,
    "faults/test_cut.py": 8,
    "faults/test_foreign.py": 2,
    "faults/test_function.py": 4,
    "faults/test_interrupt.py": 45,
    "faults/test_job_role.py": 4,
    "faults/test_lock.py": 6,
    "faults/test_managed_stopped.py": 2,
    "faults/test_missing.py": 4,
    "faults/test_permissions.py": 10,
    "faults/test_unattended.py": 6,
    "faults/test_workers.py": 4,
    "image/test_immutable_tags.py": 3,
    "image/test_in_use.py": 2,
    "image/test_process_engine.py": 2,
    "image/test_without_docker.py": 19,
    "importer/test_copilot.py": 2,
    "importer/test_guide.py": 3,
    "importer/test_import.py": 6,
    "importer/test_recover.py": 19,
    "kinds/test_allowed.py": 2,
    "kinds/test_contract.py": 12,
    "kinds/test_object_content.py": 2,
    "local/test_behaviour.py": 3,
    "local/test_corrections_needed.py": 3,
    "local/test_idle.py": 4,
    "local/test_kept.py": 3,
    "local/test_lifecycle.py": 8,
    "local/test_links.py": 40,
    "local/test_roles.py": 2,
    "local/test_s3_content.py": 4,
    "local/test_schedules.py": 2,
    "local/test_task_life.py": 4,
    "model/test_beyond.py": 2,
    "model/test_cheats.py": 3,
    "model/test_checkpoint.py": 60,
    "model/test_cli.py": 7,
    "model/test_harmless.py": 3,
    "model/test_missing_outcomes.py": 3,
    "model/test_parts.py": 6,
    "model/test_promotion.py": 17,
    "model/test_s3.py": 15,
    "model/test_stats.py": 2,
    "model/test_tracking.py": 3,
    "model/test_train.py": 8,
    "model/test_use.py": 3,
    "permissions/test_enforced.py": 60,
    "permissions/test_keys.py": 2,
    "permissions/test_many.py": 2,
    "permissions/test_policies.py": 2,
    "run/test_checkpoint.py": 9,
    "run/test_coming_back.py": 13,
    "run/test_containers.py": 3,
    "run/test_cost.py": 3,
    "run/test_deadline.py": 2,
    "run/test_diagnoses.py": 18,
    "run/test_exec.py": 4,
    "run/test_explain.py": 3,
    "run/test_fleet.py": 3,
    "run/test_flows.py": 7,
    "run/test_forged.py": 30,
    "run/test_given_data.py": 7,
    "run/test_handed_over.py": 23,
    "run/test_index.py": 3,
    "run/test_last_lines.py": 2,
    "run/test_launch.py": 16,
    "run/test_like.py": 12,
    "run/test_managed_instances.py": 8,
    "run/test_max_cost.py": 11,
    "run/test_measure.py": 56,
    "run/test_memory_ladder.py": 19,
    "run/test_parameters.py": 3,
    "run/test_results.py": 9,
    "run/test_rollback.py": 7,
    "run/test_scheduled.py": 30,
    "run/test_service.py": 6,
    "run/test_stored.py": 4,
    "run/test_sweep.py": 18,
    "run/test_sweep_at_size.py": 8,
    "run/test_terminal.py": 7,
    "run/test_unattended.py": 2,
    "run/test_usage.py": 3,
    "run/test_watcher.py": 24,
    "run/test_webhook.py": 2,
    "run/test_workers.py": 24,
    "scheduled/test_look.py": 4,
    "test_architecture.py": 2,
    "test_converges.py": 4,
    "test_guide.py": 4,
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
