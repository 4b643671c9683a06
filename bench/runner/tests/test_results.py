"""Medians, ratios and verdicts."""

import pytest

from runner.results import Row, over, pick, rise, rows
from runner.tests.data import level, results, run


def named(rows, part):
    (row,) = [row for row in rows if part in row.name]
    return row


def test_a_figure_is_the_median_of_its_rounds():
    assert results().cpu_per_connect("rollcall") == 22
    assert results().cpu_per_connect("nestjs") == 700
    assert results().cpu_per_connect("bun") is None


def test_a_round_that_failed_counts_for_nothing_and_says_why():
    more = [run("storm", "python", 1, error="it fell over"), run("storm", "python", 2, seconds=4.0)]
    assert results(*more).figure("storm", "python", "seconds") == 4.0
    assert results(*more).error("storm", "python") == "it fell over"
    assert results().error("storm", "python") is None


def test_ratios_are_of_medians():
    reached = rows(results())
    assert named(reached, "against the floor").figure == pytest.approx(22 / 11)
    assert named(reached, "NestJS").figure == pytest.approx(700 / 22)
    assert named(reached, "socketioxide").figure == pytest.approx(130 / 22)


def test_a_verdict_says_whether_the_bar_and_the_goal_are_reached():
    check = lambda figure, more, verdict: (  # noqa: E731
        Row("x", figure, 25.0 if more else 2.5, 35.0 if more else 1.8, str, more).verdict() == verdict
    )
    assert check(None, False, "not measured")
    assert check(1.8, False, "goal met")
    assert check(2.0, False, "bar met, goal not")
    assert check(2.51, False, "**not met**")
    assert check(36, True, "goal met")
    assert check(30, True, "bar met, goal not")
    assert check(24.9, True, "**not met**")
    assert Row("x", 5, 5, None, str).verdict() == "met"


def test_the_rise_of_a_curve_is_that_of_its_highest_later_point():
    assert rise([(1_000, 20.0), (5_000, 22.0), (10_000, 19.0)]) == pytest.approx(10)
    assert rise([(1_000, 20.0), (5_000, 19.0)]) == pytest.approx(-5)
    assert rise([(1_000, 20.0)]) is None
    assert rise([(1_000, 20.0), (5_000, None)]) is None


def test_memory_at_the_most_sessions_comes_from_the_curve_where_it_was_not_idled():
    curve = run("curve", "nestjs", levels=[level(1_000, 700, 30_000), level(19_000, 800, 18_000)])
    idle = run("idle-most", "rollcall", rounds=[level(19_000, 20, 990)])
    own = run("curve", "rollcall", levels=[level(19_000, 20, 1_200)])
    measured = results(curve, idle, own)
    assert measured.bytes_per_session("nestjs", most=True) == 18_000
    assert measured.bytes_per_session("rollcall", most=True) == 990
    assert measured.curve("nestjs", "resident_bytes_per_session") == [(1_000, 30_000), (19_000, 18_000)]


def test_a_storm_that_leaves_one_out_is_not_met():
    storm = [run("storm", "rollcall", 1, cut=1_000, ready=1_000), run("storm", "rollcall", 2, cut=1_000, ready=999)]
    assert named(rows(results(storm[0])), "return at once").verdict() == "met"
    row = named(rows(results(*storm)), "return at once")
    assert (row.figure, row.verdict()) == (pytest.approx(99.9), "**not met**")


def test_every_broken_rule_of_anybody_counts():
    broken = run("relay", "bun", violations=[{"violation": "lost", "count": 3}])
    row = named(rows(results(broken)), "broken")
    assert (row.figure, row.verdict()) == (3, "**not met**")
    assert results(broken).violations() == [("relay", "bun", "lost", 3)]


def test_what_is_missing_is_none_and_not_an_error():
    assert pick({"a": [{"b": 1}]}, ("a", 0, "b")) == 1
    assert pick({"a": None}, ("a", 0, "b")) is None
    assert pick({"a": []}, ("a", 0)) is None
    assert (over(1, None), over(None, 1), over(1, 0), over(3, 2)) == (None, None, None, 1.5)
