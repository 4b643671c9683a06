"""Results as Markdown, and into the marked places of a document. Measures nothing."""

import re

from .results import over
from .rows import first_line, rows

NAMES = {
    "floor": "the floor: canned bytes, nothing parsed",
    "rollcall": "**Rollcall**",
    "nestjs": "NestJS + socket.io",
    "bun": "socket.io on Bun, uWebSockets inside",
    "socketioxide": "socketioxide + axum",
    "python": "python-socketio on uvicorn",
}


def all_tables(results):
    """Every table, by the name of its marker."""
    tables = {
        "about": about(results),
        "rows": reached(results),
        "peers": peers(results),
        **{step: of(results) for step, of in STEPS.items()},
    }
    return {name: text for name, text in tables.items() if text}


def rewrite(document, tables):
    """The document with what stands between `<!-- bench:NAME -->` and `<!-- /bench -->` replaced. A table without a
    place is left out; a place without a table stays as it is."""

    def replace(match):
        table = tables.get(match["name"])
        return match[0] if table is None else f"<!-- bench:{match['name']} -->\n\n{table.strip()}\n\n<!-- /bench -->"

    return re.sub(r"<!-- bench:(?P<name>[a-z]+) -->.*?<!-- /bench -->", replace, document, flags=re.DOTALL)


def about(results):
    data = results.data
    machine = data["machine"]
    rounds = data["sizes"]["rounds"]
    lines = [
        f"- {data['date']}, commit `{data['commit']}`, command `{data['command']}`, {rounds} "
        + ("round" if rounds == 1 else "rounds, medians"),
        f"- {machine['cores']} cores of {machine['cpu']}, {machine['memory_gib']} GiB, {machine['system']}, "
        f"Linux {machine['kernel']}"
        + ("; the server on one core, the load client on the other" if machine.get("pinned") else ""),
    ]
    lines += [f"- {version}" for version in data["versions"].values()]
    stolen = [run["steal_percent"] for run in data["runs"] if run.get("steal_percent") is not None]
    if stolen:
        lines.append(f"- the host took at most {max(stolen):.1f} % of a run's time from this machine")
    lines += [
        f"- {NAMES[system].split(':')[0]} broke a rule of the contract in `{step}`: {rule} ({count} ×)"
        for step, system, rule, count in results.violations() if system != "rollcall"
    ]
    return "\n".join(lines)


def reached(results):
    shown = lambda row, number: "" if number is None else row.write(number)  # noqa: E731
    body = []
    for row in rows(results):
        sign = "≥" if row.more else "≤"
        bar = f"{sign} {shown(row, row.bar)}"
        goal = f"{sign} {shown(row, row.goal)}" if row.goal is not None else ""
        body.append([row.name, measured(row), bar, goal, row.verdict(), row.why()])
    return table(["figure", "measured", "bar", "goal", "verdict", "why"], body, words=2)


def measured(row):
    """The figure with its spread; a dash where there is none that means something."""
    if row.figure is None or row.premise:
        return "–"
    spread = "" if row.spread is None else " ({} to {})".format(*(row.write(value).split()[0] for value in row.spread))
    return row.write(row.figure) + spread


def peers(results):
    own = results.cpu_per_connect("rollcall")
    body = []
    for system in results.systems("connect"):
        cpu = results.cpu_per_connect(system)
        level = lambda *path, of=system: results.figure("connect", of, "levels", 0, *path)  # noqa: E731
        idle = lambda *path, of=system: results.figure("idle", of, "rounds", 0, *path)  # noqa: E731
        body.append([
            name(results, "connect", system, also=("idle", "curve")),
            with_spread(number(cpu, 1, " µs"), results.cpu_spread(system)),
            number(over(cpu, own), 2, " ×"),
            number(level("connects_per_second"), 0),
            pair(level("ready_p50_ms"), level("ready_p99_ms")),
            number(results.bytes_per_session(system), 0),
            number(results.bytes_at_most(system), 0),
            number(idle("hold", "cpu_micros_per_session_second"), 2, " µs"),
        ])
    sizes = results.data["sizes"]
    head = [
        "system", "CPU a connect", "against Rollcall", "connects/s, one core", "to `ready`, p50 / p99",
        f"bytes a session at {sizes['idle']:,}", f"at {sizes['idle_most']:,}", "idle CPU a session and second",
    ]
    return table(head, body) if body else ""


def curve(results):
    systems = results.systems("curve")
    if not systems:
        return ""
    levels = results.data["sizes"]["levels"]
    body = []
    for system in systems:
        cpu, held = dict(results.curve(system, CPU)), dict(results.curve(system, BYTES))
        cells = [f"{number(cpu.get(level), 1)} / {number(held.get(level), 0)}" for level in levels]
        body.append([name(results, "curve", system), *cells])
    return table(["µs a connect / bytes a session", *(f"{level:,} sessions" for level in levels)], body)


def polling(results):
    body = []
    for system in results.systems("polling"):
        cpu, websocket = results.cpu_per_connect(system, "polling"), results.cpu_per_connect(system)
        level = lambda *path, of=system: results.figure("polling", of, "levels", 0, *path)  # noqa: E731
        body.append([
            name(results, "polling", system),
            number(cpu, 1, " µs"),
            number(over(cpu, websocket), 2, " ×"),
            number(level("connects_per_second"), 0),
            number(level("server", "resident_bytes_per_session"), 0),
        ])
    head = ["system", "CPU a connect", "against its own WebSocket", "connects/s, one core", "bytes a session"]
    return table(head, body) if body else ""


def storm(results):
    body = []
    for step, how in (("storm", ""), ("storm-polling", ", polling")):
        for system in results.systems(step):
            at = lambda *path, of=system, step=step: results.figure(step, of, *path)  # noqa: E731
            away = [at("turned_away", why) or 0 for why in ("shed", "told", "broken", "late", "other")]
            body.append([
                name(results, step, system, how),
                f"{number(at('ready'), 0)} of {number(at('sessions'), 0)}",
                *(number(at("to_ready", percent), 0, " ms") for percent in ("p50_ms", "p90_ms", "p99_ms", "max_ms")),
                number(at("seconds"), 1, " s"),
                number(away[0], 0),
                number(sum(away[1:]), 0),
            ])
    head = ["system", "ready", "p50", "p90", "p99", "the last", "all after", "503 or 429", "other tries in vain"]
    return table(head, body) if body else ""


def relay(results):
    body = []
    for system in results.systems("relay"):
        at = lambda what, percent, of=system: results.figure("relay", of, what, percent)  # noqa: E731
        three = lambda what, at=at: " / ".join(number(at(what, f"p{n}_ms"), 2) for n in (50, 90, 99))  # noqa: E731
        refused = results.figure("relay", system, "send", "count") == 0
        body.append([
            name(results, "relay", system), three("join"), three("leave"), "not there" if refused else three("send"),
            "" if refused else three("ack"), rates(results, "relay", system, "joins_per_second", "sends_per_second"),
        ])
    head = [
        "milliseconds, p50 / p90 / p99", "join → `update`", "goodbye → `update`",
        "`sessions:send` → `sessions:message`", "`sessions:send` → its answer", "joins, sends a second: asked / had",
    ]
    return table(head, body) if body else ""


def fanout(results):
    body = []
    for system in results.systems("fanout"):
        at = lambda *path, of=system: results.figure("fanout", of, *path)  # noqa: E731
        body.append([
            name(results, "fanout", system),
            number(at("cpu_micros_per_frame"), 2, " µs"),
            number(at("bytes_per_frame"), 0),
            number(at("bare_micros_per_frame"), 2, " µs"),
        ])
    head = ["system", "CPU a frame", "bytes a frame", "a bare write of as many bytes"]
    return table(head, body) if body else ""


def churn(results):
    body = []
    for system in results.systems("churn"):
        at = lambda *path, of=system: results.figure("churn", of, *path)  # noqa: E731
        body.append([
            name(results, "churn", system),
            rates(results, "churn", system, "returns_per_second"),
            number(at("cpu_micros_per_return"), 1, " µs"),
            pair(at("ready", "p50_ms"), at("ready", "p99_ms")),
        ])
    head = ["system", "left and returned a second: asked / had", "CPU a leave and return", "to `ready`, p50 / p99"]
    return table(head, body) if body else ""


def name(results, step, system, how="", also=()):
    """A system's name in a table of `step`, with the rounds that failed in it and the steps that it shows `also`."""
    said = []
    for one in (step, *also):
        runs, failures = results.of(one, system), results.failures(one, system)
        if failures:
            where = f" of `{one}`" if also else ""
            done = len(runs) - len(failures)
            said.append(f"{done} of {len(runs)} rounds{where}" if done else f"failed{where}: {first_line(failures[0])}")
    return NAMES[system] + how + "".join(f" ({text})" for text in said)


def rates(results, step, system, *had):
    """`200 / 199`: what was asked for a second, and what came of it."""
    asked = number(results.figure(step, system, "rate"), 0)
    return f"{asked} / " + ", ".join(number(results.figure(step, system, what), 0) for what in had)


def with_spread(text, spread):
    """A figure with its least and its most."""
    return text if spread is None else f"{text} ({spread[0]:,.1f} to {spread[1]:,.1f})"


def table(head, body, words=0):
    """A Markdown table; all but the first column and the last `words` hold numbers."""
    line = lambda cells: "| " + " | ".join(cells) + " |"  # noqa: E731
    return "\n".join([line(head), line(["---", *["---:"] * (len(head) - 1 - words), *["---"] * words]), *map(line, body)])


def number(value, digits, unit=""):
    """With thousands apart; a dash for what was not measured."""
    return "–" if value is None else f"{value:,.{digits}f}{unit}"


def pair(one, other):
    """Two times in milliseconds."""
    return "–" if one is None or other is None else f"{one:,.1f} / {other:,.1f} ms"


# Tables that show one step, by its name and that of the marker.
STEPS = {"curve": curve, "polling": polling, "storm": storm, "relay": relay, "fanout": fanout, "churn": churn}
CPU = "cpu_micros_per_connect"
BYTES = "resident_bytes_per_session"
