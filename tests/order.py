"""The order in which files are tested: long ones first, so that no worker ends long after the others."""

import pytest

SECONDS = {
    "tests/features/test_events.py": 100,
    "tests/warehouse/test_builds.py": 100,
    "tests/warehouse/test_planted.py": 70,
    "tests/warehouse/test_warehouse.py": 80,
    "tests/ingest/test_collector.py": 60,
    "tests/features/test_materialize.py": 50,
    "tests/serving/test_page.py": 40,
    "tests/serving/test_final_fit.py": 60,
    "tests/models/test_final.py": 25,
    "tests/serving/test_newest_films.py": 40,
    "tests/serving/test_keys.py": 30,
    "tests/features/test_online_writes.py": 30,
    "tests/warehouse/test_event_segments.py": 30,
    "tests/serving/test_workers.py": 35,
    "tests/models/test_two_tower.py": 30,
    "tests/serving/test_doctor_steps.py": 30,
    "tests/serving/test_lists.py": 30,
    "tests/models/test_rank_evaluation.py": 25,
    "tests/serving/test_http.py": 25,
    "tests/warehouse/test_collected.py": 25,
    "tests/features/test_feast_commands.py": 20,
    "tests/features/test_truth.py": 20,
    "tests/models/test_rankers.py": 20,
    "tests/serving/test_bench_serve.py": 20,
    "tests/serving/test_doctor_features.py": 20,
    "tests/serving/test_faults.py": 20,
    "tests/serving/test_loop.py": 20,
    "tests/serving/test_served_log.py": 20,
    "tests/synth/test_command.py": 20,
    "tests/warehouse/test_film_features.py": 20,
    "tests/features/test_no_leak.py": 15,
    "tests/models/test_sequence.py": 15,
}
"""Files that take long, with about their seconds beside each other; all others have 1."""


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """One file that needs the shared workspace first, to build it; meanwhile those without; then the rest."""
    needs = {item.location[0] for item in items if "demo" in getattr(item, "fixturenames", ())}
    # no set: every worker has to find the same order
    files = sorted(dict.fromkeys(item.location[0] for item in items), key=lambda file: -SECONDS.get(file, 1))
    first = [file for file in files if file in needs][:1]
    place = {file: (file not in first, file in needs, n) for n, file in enumerate(files)}
    return sorted(items, key=lambda item: place[item.location[0]])
