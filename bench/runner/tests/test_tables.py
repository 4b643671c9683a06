"""Tables, and their places in a document."""

from runner import tables
from runner.tests.data import level, results, run

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


def test_rows_carry_figure_bar_goal_and_verdict():
    text = tables.reached(results())
    assert "| CPU per connect + `ready` + `update`, against the floor | 2.00 × | ≤ 2.50 × | ≤ 1.80 × | bar met, goal not |" in text
    assert "| the same, NestJS against Rollcall | 31.8 × | ≥ 25.0 × | ≥ 35.0 × | bar met, goal not |" in text
    assert "| growth over 10 rounds of connect and leave | – | ≤ 5.0 % |  | not measured |" in text


def test_peers_stand_beside_rollcall():
    idle = run("idle", "rollcall", rounds=[level(8_000, 20, 1_400) | {"hold": {"cpu_micros_per_session_second": 0.5}}])
    text = tables.peers(results(idle)).splitlines()
    assert len(text) == 2 + 4
    assert text[3] == ("| **Rollcall** | 22.0 µs | 1.00 × | 45,455 | 1.0 / 9.0 ms | 1,400 | – | 0.50 µs |")
    assert text[4].startswith("| NestJS + socket.io | 700.0 µs | 31.82 × | 1,429 |")


def test_a_storm_shows_who_was_turned_away():
    away = {"shed": 5, "told": 1, "broken": 2, "late": 0, "other": 0}
    times = {"p50_ms": 10, "p90_ms": 20, "p99_ms": 1_234.5, "max_ms": 2_000}
    storm = run("storm", "rollcall", cut=19_000, ready=19_000, turned_away=away, to_ready=times, seconds=3.2)
    line = tables.storm(results(storm)).splitlines()[-1]
    assert line == "| **Rollcall** | 19,000 of 19,000 | 10 ms | 20 ms | 1,234 ms | 2,000 ms | 3.2 s | 5 | 3 |"


def test_what_was_not_measured_has_no_table():
    assert set(tables.all_tables(results())) == {"about", "rows", "peers"}


def test_versions_and_machine_are_told():
    text = tables.about(results())
    assert "commit `abc1234`, command `make bench`, 3 rounds, medians" in text
    assert "2 cores of a CPU, 24 GiB" in text and "- bun: 1.2" in text
