"""Tables, and their places in a document."""

from runner import tables
from runner.tests.data import hold, level, results, run

DOCUMENT = """# Title

<!-- bench:rows -->
old
<!-- /bench -->

By hand.

<!-- bench:churn -->
kept
<!-- /bench -->
"""


def test_only_marked_places_are_rewritten_and_only_by_what_was_measured():
    new = tables.rewrite(DOCUMENT, {"rows": "| a |", "peers": "nowhere"})
    assert "old" not in new and "<!-- bench:rows -->\n\n| a |\n\n<!-- /bench -->" in new
    assert "By hand." in new and "kept" in new and "nowhere" not in new
    assert tables.rewrite(new, {"rows": "| a |"}) == new


def test_rows_carry_figure_bar_goal_verdict_and_why():
    text = tables.reached(results())
    assert text.startswith("| figure | measured | bar | goal | verdict | why |")
    assert "the floor | 2.00 × (2.00 to 3.00) | ≤ 2.50 × | ≤ 1.80 × | bar met, goal not |  |" in text
    assert "| the same, NestJS against Rollcall | 31.8 × (7.9 to 35.0) | ≥ 25.0 × | ≥ 35.0 × | bar met, goal not |" in text
    growth = "| growth of bytes a session, round 10 of connect and leave against the first |"
    assert f"{growth} – | ≤ 5.0 % |  | not measured |  |" in text
    spoilt = tables.reached(results(run("growth", "rollcall", error="gone")))
    assert f"{growth} – | ≤ 5.0 % |  | **not met** | rollcall: growth, round 1: gone |" in spoilt


def test_peers_stand_beside_rollcall():
    idle = run("idle", "rollcall", rounds=[level(8_000, 20, 1_400) | {"hold": hold(16_000)}])
    text = tables.peers(results(idle)).splitlines()
    assert len(text) == 2 + 4
    assert text[3] == (
        "| **Rollcall** | 22.0 µs (20.0 to 90.0) | 1.00 × | 45,455 | 1.0 / 9.0 ms | 900 | – | 0.50 µs |"
    )
    assert text[4].startswith("| NestJS + socket.io | 700.0 µs (690.0 to 710.0) | 31.82 × | 1,429 |")


def test_a_failed_round_is_shown_beside_the_name_and_a_system_without_any_says_why():
    gone = [run("connect", "rollcall", 4, error="x"), run("curve", "nestjs", error="a | b\nc")]
    text = tables.peers(results(*gone)).splitlines()
    assert text[3].startswith("| **Rollcall** (3 of 4 rounds of `connect`) | 22.0 µs")
    assert text[4].startswith("| NestJS + socket.io (failed of `curve`: a / b) | 700.0 µs")
    for step, table in tables.STEPS.items():
        text = table(results(run(step, "bun", error="it fell over"))).splitlines()
        assert len(text) == 3 and "uWebSockets inside (failed: it fell over) |" in text[2], step


def test_a_storm_shows_who_was_turned_away():
    away = {"shed": 5, "told": 1, "broken": 2, "late": 0, "other": 0}
    times = {"p50_ms": 10, "p90_ms": 20, "p99_ms": 1_234.5, "max_ms": 2_000}
    storm = run(
        "storm", "rollcall", sessions=19_000, cut=18_999, ready=18_999, turned_away=away, to_ready=times, seconds=3.2
    )
    line = tables.storm(results(storm)).splitlines()[-1]
    assert line == "| **Rollcall** | 18,999 of 19,000 | 10 ms | 20 ms | 1,234 ms | 2,000 ms | 3.2 s | 5 | 3 |"


def test_rates_are_shown_as_asked_and_had():
    churn = run("churn", "bun", rate=400, returns_per_second=311.4)
    assert "| 400 / 311 |" in tables.churn(results(churn))
    relay = run("relay", "bun", rate=200, joins_per_second=199.6, sends_per_second=151.0)
    assert "| 200 / 200, 151 |" in tables.relay(results(relay))


def test_what_was_not_measured_has_no_table():
    assert set(tables.all_tables(results())) == {"about", "rows", "peers"}


def test_versions_and_machine_are_told_and_what_disturbed():
    text = tables.about(results())
    assert "commit `abc1234`, command `make bench`, 3 rounds, medians" in text
    assert "2 cores of a CPU, 24 GiB" in text and "- bun: 1.2" in text
    assert "on one core" not in text and "the host took" not in text and "broke a rule" not in text
    broken = run("relay", "bun", violations=[{"violation": "lost", "count": 3}])
    disturbed = results(broken | {"steal_percent": 0.2}, run("storm", "bun", error="x") | {"steal_percent": 4.0})
    disturbed.data["machine"]["pinned"] = True
    text = tables.about(disturbed)
    assert "the server on one core, the load client on the other" in text
    assert "at most 4.0 % of a run's time" in text
    assert "- socket.io on Bun, uWebSockets inside broke a rule of the contract in `relay`: lost (3 ×)" in text
