"""A run that hangs or falls over is a failed one, and not the end of all."""

import json
import subprocess

import pytest

from runner import __main__ as command
from runner import client, machine, plan, run, servers
from runner.tests.data import hold, level, results
from runner.tests.data import run as made

JOB = plan.Job(1, "idle", "fake", "idle", (), 0, 0)


class Standing:
    """A server that is there."""

    name, secret, port, pid = "fake", "s", 1, 1

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def restart(self):
        pass


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Puts a shell script in the place of the load client."""

    def make(script):
        program = tmp_path / "rollcall-bench"
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)

    monkeypatch.setattr(client, "RELEASE", tmp_path)
    monkeypatch.setattr(servers, "RELEASE", tmp_path / "release")
    monkeypatch.setattr(run, "Server", Standing)
    return make


def test_a_storm_that_never_stands_is_ended(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "RUN_MAX", 0.2)
    bench("exec sleep 60")
    with pytest.raises(servers.Failed, match="storm: not done after 0.2 s"):
        client.measure(Standing(), "storm", (), tmp_path / "log")


def test_a_client_that_falls_over_or_writes_nonsense_fails_its_run_alone(bench):
    # The last argument is the file of the report.
    write = 'for file; do :; done; echo {} > "$file"'
    bench("echo standing; exec <&-; exit 3")
    assert "exit 3" in run.run_one(plan.Job(1, "storm", "fake", "storm", (), 0, 0))["error"]
    bench(write.replace("{}", "nonsense"))
    assert run.run_one(JOB)["error"].startswith("JSONDecodeError")
    bench("exit 0")
    assert "idle: exit 0" in run.run_one(JOB)["error"]
    report = {"violations_total": 0, "rounds": [level(8_000, 20) | {"hold": hold(13_333)}]}
    bench(write.replace("{}", f"'{json.dumps(report)}'"))
    result = run.run_one(JOB)
    assert "due were 16,000" in result["error"] and result["report"] == report
    report["rounds"][0]["hold"] = hold(16_000)
    bench(write.replace("{}", f"'{json.dumps(report)}'"))
    assert "error" not in run.run_one(JOB)


def test_a_system_that_cannot_be_started_fails_its_run_alone(bench, monkeypatch):
    monkeypatch.setattr(run, "Server", servers.Server)
    monkeypatch.setattr(servers, "pins", lambda: False)
    assert run.run_one(JOB)["error"].startswith("FileNotFoundError")


def test_stock_clients_that_are_not_there_or_not_content_stop_all(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "PEERS", tmp_path)
    with pytest.raises(servers.Failed, match="check"):
        run.ask_stock_clients(["bun"])
    (tmp_path / "check").write_text("#!/bin/sh\necho $1 differs; exit 1\n", encoding="utf-8")
    (tmp_path / "check").chmod(0o755)
    with pytest.raises(servers.Failed, match="bun differs"):
        run.ask_stock_clients(["bun"])


def test_time_that_the_host_took_is_told_in_percent():
    assert machine.steal_percent((10, 1_000), (15, 1_200)) == 2.5
    assert machine.steal_percent(None, (15, 1_200)) is None
    assert machine.steal_percent((10, 1_000), (10, 1_000)) is None


def test_a_file_that_was_added_to_what_is_built_makes_a_checkout_dirty(tmp_path):
    git = lambda *words: subprocess.run(  # noqa: E731
        ["git", "-c", "user.name=x", "-c", "user.email=x", *words], cwd=tmp_path, check=True, capture_output=True
    )
    git("init")
    git("commit", "--allow-empty", "--message", "first")
    for name in ("crates", "bench/results", "docs"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "bench/results/x.json").touch()
    (tmp_path / "docs/x.svg").touch()
    assert not machine.commit(tmp_path).endswith("-dirty")
    (tmp_path / "crates/x.rs").touch()
    assert machine.commit(tmp_path).endswith("-dirty")


def test_nothing_is_published_of_a_dirty_checkout_or_with_a_failed_run_of_what_is_judged():
    assert command.unpublishable(results()) == ""
    assert command.unpublishable(results(made("storm", "bun", error="gone"))) == ""
    assert command.unpublishable(results(made("storm", "floor", error="gone"))) == "floor, storm, round 1: gone"
    dirty = results()
    dirty.data["commit"] += "-dirty"
    assert command.publish(dirty) == 1
