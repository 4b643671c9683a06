"""Medians, spreads, and what failed."""

import pytest

from runner.results import over, pick, rise, spread
from runner.tests.data import hold, level, results, run


def test_a_figure_is_the_median_of_its_rounds():
    assert results().cpu_per_connect("rollcall") == 22
    assert results().cpu_spread("rollcall") == (20, 90)
    assert results().cpu_per_connect("nestjs") == 700
    assert results().cpu_per_connect("bun") is None
    assert results().cpu_spread("bun") is None


def test_the_spread_of_a_ratio_is_that_of_the_same_rounds():
    assert results().cpu_ratios(("rollcall", "connect"), ("floor", "connect")) == (2, 3)
    assert results().cpu_ratios(("bun", "connect"), ("floor", "connect")) is None
    assert (spread([3, None, 1]), spread([3, None])) == ((1, 3), None)


def test_a_round_that_failed_counts_for_nothing_and_is_not_lost():
    more = [run("storm", "python", 1, error="it fell over"), run("storm", "python", 2, seconds=4.0)]
    late = run("storm", "python", 3, seconds=9.0) | {"error": "too late"}
    measured = results(*more, late, run("storm", "bun", error="gone"))
    assert measured.figure("storm", "python", "seconds") == 4.0
    assert measured.failures("storm", "python") == ["it fell over", "too late"]
    assert (measured.systems("storm"), measured.measured("storm")) == (["python", "bun"], ["python"])
    assert [run["error"] for run in measured.failed(["bun"])] == ["gone"]
    assert results().failures("storm", "python") == []


def test_the_rise_of_a_curve_is_that_of_its_highest_later_point():
    assert rise([(1_000, 20.0), (5_000, 22.0), (10_000, 19.0)]) == pytest.approx(10)
    assert rise([(1_000, 20.0), (5_000, 19.0)]) == pytest.approx(-5)
    assert rise([(1_000, 20.0)]) is None
    assert rise([(1_000, 20.0), (5_000, None)]) is None


def test_memory_is_that_of_the_end_of_a_hold_where_there_was_one():
    held = run("idle", "rollcall", 1, rounds=[level(8_000, 20, 1_400) | {"hold": hold(16_000)}])
    short = run("idle", "nestjs", 1, rounds=[level(8_000, 700, 30_000)])
    measured = results(held, short)
    assert measured.bytes_per_session("rollcall") == 900
    assert measured.bytes_per_session("nestjs") == 30_000
    assert measured.bytes_per_session("floor") == 1_000


def test_memory_at_the_most_sessions_is_of_the_same_step_for_everybody():
    curve = run("curve", "nestjs", levels=[level(1_000, 700, 30_000), level(19_000, 800, 18_000)])
    idle = run("idle-most", "rollcall", rounds=[level(19_000, 20, 990)])
    own = run("curve", "rollcall", levels=[level(19_000, 20, 1_200)])
    measured = results(curve, idle, own)
    assert measured.bytes_at_most("nestjs") == 18_000
    assert measured.bytes_at_most("rollcall") == 1_200
    assert measured.curve("nestjs", "resident_bytes_per_session") == [(1_000, 30_000), (19_000, 18_000)]


def test_what_is_missing_is_none_and_not_an_error():
    assert pick({"a": [{"b": 1}]}, ("a", 0, "b")) == 1
    assert pick({"a": None}, ("a", 0, "b")) is None
    assert pick({"a": []}, ("a", 0)) is None
    assert (over(1, None), over(None, 1), over(1, 0), over(3, 2)) == (None, None, None, 1.5)
