"""What is measured, of whom, in which order."""

import pytest

from runner import plan, premises
from runner.progress import Progress, clock
from runner.tests.data import hold, level


def test_systems_take_turns_within_a_step_and_rounds_follow_each_other():
    jobs = plan.jobs(plan.FULL, False, plan.SYSTEMS)
    connects = [(job.round, job.system) for job in jobs if job.step == "connect"]
    assert connects == [(number, system) for number in (1, 2, 3) for system in plan.SYSTEMS]
    first = [job.system for job in jobs[: len(plan.SYSTEMS)]]
    assert first == plan.SYSTEMS
    assert [job.round for job in jobs] == sorted(job.round for job in jobs)


def test_the_floor_is_measured_where_nothing_has_to_be_understood():
    steps = {job.step for job in plan.jobs(plan.FULL, False, [plan.FLOOR])}
    assert steps == {"connect", "idle", "curve"}


def test_ten_rounds_are_made_once_and_peers_idle_for_long_once():
    jobs = plan.jobs(plan.FULL, False, plan.SYSTEMS)
    assert [(job.system, job.round) for job in jobs if job.step == "growth"] == [("rollcall", 1)]
    held = [(job.system, job.round) for job in jobs if job.step == "idle" and "50" in job.flags]
    assert [number for system, number in held if system == "rollcall"] == [1, 2, 3]
    assert [number for system, number in held if system == "bun"] == [1]


def test_a_hold_lasts_whole_ping_intervals_and_counts_only_with_the_pings_that_are_due():
    assert plan.FULL.hold % premises.PING_INTERVAL == plan.QUICK.hold % premises.PING_INTERVAL == 0
    idle = lambda pings: {"rounds": [level(8_000, 20) | {"hold": hold(pings)}, level(8_000, 20)]}  # noqa: E731
    assert [premises.broken("idle", idle(pings)) for pings in (15_700, 16_000, 16_300)] == ["", "", ""]
    few = premises.broken("idle", idle(13_333))
    assert few.startswith("13,333 pings in 50 s of 8,000 sessions, due were 16,000")
    assert premises.broken("idle", idle(16_400)) != "" and premises.broken("storm", {}) == ""


def test_the_order_of_systems_is_always_the_same_and_unknown_names_are_told():
    assert plan.choose("", "") == plan.SYSTEMS
    assert plan.choose("bun floor", "") == ["floor", "rollcall", "bun"]
    assert plan.choose("", "bun,rollcall") == ["rollcall", "bun"]
    with pytest.raises(ValueError, match="given deno, allowed are floor"):
        plan.choose("deno", "")
    with pytest.raises(ValueError, match="given sleep, allowed are connect"):
        plan.jobs(plan.QUICK, True, plan.SYSTEMS, ["sleep"])


def test_a_quick_run_is_planned_to_end_within_five_minutes():
    jobs = plan.jobs(plan.QUICK, True, plan.SYSTEMS)
    assert sum(map(plan.estimate, jobs)) < 300


def test_what_is_left_is_judged_by_what_was_passed():
    progress = Progress(100.0, [10.0, 10.0, 20.0])
    assert progress.remaining() == 40
    progress.done(20.0)
    assert progress.remaining() == 60
    job = plan.jobs(plan.FULL, False, ["rollcall"])[0]
    assert progress.line(120.0, job) == "[0:20 passed, about 1:00 left] round 1: connect, rollcall"
    assert clock(3_725.9) == "62:05"
