"""What must be reached, and what stands against it."""

import pytest

from runner import reasons
from runner.rows import Row, rows
from runner.tests.data import level, results, run


def row(key, *more):
    (found,) = [row for row in rows(results(*more)) if row.key == key]
    return found


def test_ratios_are_of_medians_and_their_spreads_of_rounds():
    assert row("floor").figure == pytest.approx(22 / 11)
    assert row("floor").spread == pytest.approx((2, 3))
    assert row("nestjs").figure == pytest.approx(700 / 22)
    assert row("socketioxide").figure == pytest.approx(130 / 22)


def test_a_verdict_says_whether_the_bar_and_the_goal_are_reached():
    check = lambda figure, more, verdict: (  # noqa: E731
        Row("x", "x", figure, 25.0 if more else 2.5, 35.0 if more else 1.8, str, more).verdict() == verdict
    )
    assert check(None, False, "not measured")
    assert check(1.8, False, "goal met")
    assert check(2.0, False, "bar met, goal not")
    assert check(2.51, False, "**not met**")
    assert check(36, True, "goal met")
    assert check(30, True, "bar met, goal not")
    assert check(24.9, True, "**not met**")
    assert Row("x", "x", 5, 5, None, str).verdict() == "met"


def test_a_reason_is_told_where_something_is_not_reached(monkeypatch):
    monkeypatch.setitem(reasons.REASONS, "x", "a hash a join")
    why = lambda figure, goal=1.8, **more: Row("x", "x", figure, 2.5, goal, str, **more).why()  # noqa: E731
    assert (why(2.0), why(3.0)) == ("a hash a join", "a hash a join")
    assert (why(1.0), why(2.0, None), why(None)) == ("", "", "")
    assert why(1.0, failed="round 2 fell over") == "round 2 fell over"
    assert why(3.0, premise="not the same") == "not the same"


def test_every_row_has_its_place_among_the_reasons():
    assert [row.key for row in rows(results())] == list(reasons.REASONS)


def test_a_failed_run_of_rollcall_or_the_floor_is_not_met_however_good_the_others_are():
    for system in ("rollcall", "floor"):
        spoilt = row("floor", run("connect", system, 4, error="no port\nand more"))
        assert spoilt.verdict() == "**not met**"
        assert spoilt.why() == f"{system}: connect, round 4: no port"
    assert row("floor", run("connect", "nestjs", 4, error="no port")).verdict() == "bar met, goal not"
    assert row("floor", run("idle", "rollcall", 4, error="no port")).verdict() == "bar met, goal not"
    twice = [run("growth", "rollcall", number, error="gone") for number in (1, 2)]
    assert row("growth", *twice).why() == "rollcall: growth, round 1: gone; and 1 more"


def test_a_floor_that_tells_less_than_rollcall_is_no_floor():
    short = [run("connect", "floor", number, levels=[level(8_000, 11) | {"bytes_per_update": 619.0}])
             for number in (4, 5, 6, 7)]
    assert row("floor", *short).verdict() == "not measured"
    assert "an update of the floor has 619 bytes and one of Rollcall 640" in row("floor", *short).why()
    near = [one | {"report": one["report"] | {"levels": [level(8_000, 11) | {"bytes_per_update": 625.0}]}}
            for one in short]
    assert row("floor", *near).verdict() == "bar met, goal not"


def test_a_burst_that_took_its_time_is_none():
    burst = lambda number, seconds: run(  # noqa: E731
        "fanout", "rollcall", number, burst={"seconds": seconds, "frames_per_socket": 20.0}
    )
    assert row("burst", burst(1, 1.1)).verdict() == "met"
    slow = row("burst", burst(1, 1.1), burst(2, 1.55))
    assert (slow.verdict(), slow.why()) == ("not measured", "they took 1.55 s to join")


def test_a_storm_that_leaves_one_out_or_never_cut_one_is_not_met():
    storm = lambda number, cut, ready: run(  # noqa: E731
        "storm", "rollcall", number, sessions=1_000, cut=cut, ready=ready
    )
    assert row("storm", storm(1, 1_000, 1_000)).verdict() == "met"
    for other in (storm(2, 1_000, 999), storm(2, 999, 999)):
        spoilt = row("storm", storm(1, 1_000, 1_000), other)
        assert (spoilt.figure, spoilt.verdict()) == (pytest.approx(99.9), "**not met**")
    assert row("storm", storm(1, 1_000, 1_000), run("storm-polling", "rollcall", error="x")).verdict() == "**not met**"


def test_only_rules_that_rollcall_broke_are_held_against_it():
    broken = lambda system: run("relay", system, violations=[{"violation": "lost", "count": 3}])  # noqa: E731
    assert row("rules", broken("bun")).verdict() == "met"
    assert (row("rules", broken("rollcall")).figure, row("rules", broken("rollcall")).verdict()) == (3, "**not met**")
    assert results(broken("bun")).violations() == [("relay", "bun", "lost", 3)]
