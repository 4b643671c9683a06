"""Metrics, alerts and the dashboard name the same things, and each metric is explained."""
import json
import re

import pytest
import yaml

from conftest import run

# Of the text format, not of Rollcall.
SUFFIXES = ("_total", "_bucket", "_sum", "_count", "_info")
# Metrics that a server writes only when something has happened, or is configured.
SOMETIMES = {
    "rollcall_session_ends_total": 'reason="x"',
    "rollcall_closes_total": 'reason="x"',
    "rollcall_refused_requests_total": 'reason="x"',
    "rollcall_tls_handshakes_total": 'result="done"',
    "rollcall_tls_certificate_not_after_seconds": "",
}


@pytest.fixture(scope="module")
def served():
    """The names that a server writes, with the suffix that they are asked for by."""
    import urllib.request

    from support.server import Server

    with Server() as server, urllib.request.urlopen(f"{server.url}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    names = {re.split(r"[{ ]", line)[0] for line in text.splitlines() if not line.startswith("#")}
    families = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M)
    for name, kind in families:
        names |= {name + {"counter": "_total", "info": "_info"}.get(kind, "")}
    return names


@pytest.fixture(scope="module")
def documented(root):
    page = (root / "docs/operate.md").read_text()
    table = page.split("\n## Metrics\n")[1].split("\n## ")[0]
    return set(re.findall(r"`((?:rollcall|process)_[a-z_]+)", table))


def base(name):
    for suffix in ("_bucket", "_sum", "_count"):
        name = name.removesuffix(suffix)
    return name


def test_every_metric_that_is_served_is_explained_and_the_other_way_round(served, documented):
    names = {base(name) for name in served} | SOMETIMES.keys()
    assert names - documented == set(), "without a word in docs/operate.md"
    assert documented - names == set(), "explained, and not there"


def expressions(root):
    rules = yaml.safe_load((root / "deploy/prometheus-alerts.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    dashboard = json.loads((root / "deploy/grafana-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"]


def test_alerts_and_dashboard_ask_for_metrics_that_are_there(root, served):
    known = served | SOMETIMES.keys()
    for where, expression in expressions(root):
        asked = set(re.findall(r"\b(?:rollcall|process)_[a-z_]+", expression))
        assert asked or "up{" in expression, where
        assert {base(name) if name not in known else name for name in asked} <= known, (where, asked - known)


# Metrics that stand on no panel, each for a reason.
OFF_THE_DASHBOARD = {"rollcall_build_info": "says the version, and is joined to other metrics"}


def test_each_metric_that_is_explained_stands_on_a_panel(root, documented):
    dashboard = (root / "deploy/grafana-dashboard.json").read_text()
    shown = {base(name) for name in re.findall(r"\b(?:rollcall|process)_[a-z_]+", dashboard)}
    assert documented - shown - OFF_THE_DASHBOARD.keys() == set()
    assert OFF_THE_DASHBOARD.keys() <= documented - shown


def test_each_panel_has_its_place_and_each_alert_its_advice(root):
    panels = json.loads((root / "deploy/grafana-dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells
    rules = yaml.safe_load((root / "deploy/prometheus-alerts.yml").read_text())["groups"][0]["rules"]
    assert all({"summary", "action"} == rule["annotations"].keys() and rule["labels"]["severity"] for rule in rules)


def test_each_alert_comes_when_it_has_to_and_not_when_all_is_well(root):
    promtool = run(root / "scripts/promtool").stdout.strip()
    run(promtool, "check", "rules", root / "deploy/prometheus-alerts.yml")
    run(promtool, "test", "rules", root / "deploy/prometheus-alerts.test.yml", cwd=root / "deploy")
    rules = yaml.safe_load((root / "deploy/prometheus-alerts.yml").read_text())["groups"][0]["rules"]
    tried = (root / "deploy/prometheus-alerts.test.yml").read_text()
    assert all(f'alertname="{rule["alert"]}"' in tried for rule in rules)


def test_the_expressions_of_the_dashboard_can_be_read_by_prometheus(root, tmp_path):
    promtool = run(root / "scripts/promtool").stdout.strip()
    replaced = {"$job": ".*", "$instance": ".*", "$__rate_interval": "5m"}
    rules = []
    for number, (where, expression) in enumerate(expressions(root)):
        if expression.startswith("label_values("):
            continue
        for name, value in replaced.items():
            expression = expression.replace(name, value)
        rules.append({"record": f"panel_{number}", "expr": expression})
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    run(promtool, "check", "rules", file)
