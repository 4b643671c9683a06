"""Figures out of the raw reports: medians over the rounds, ratios between systems, and what must be reached.
Knows the reports of the load client; nothing of how they are shown."""

from dataclasses import dataclass
from statistics import median


class Results:
    """All runs of one `make bench`."""

    def __init__(self, data):
        self.data = data
        self.runs = data["runs"]

    def reports(self, step, system):
        """The reports of a step, one a round, without those that failed."""
        return [
            run["report"]
            for run in self.runs
            if (run["step"], run["system"]) == (step, system) and run.get("report")
        ]

    def figure(self, step, system, *path):
        """The median over the rounds of what stands at `path` in the reports; `None` when nothing does."""
        found = [value for value in (pick(report, path) for report in self.reports(step, system)) if value is not None]
        return median(found) if found else None

    def error(self, step, system):
        """Why a step has no figure for a system: what the first run that failed said."""
        failed = (run.get("error") for run in self.runs if (run["step"], run["system"]) == (step, system))
        return next((error for error in failed if error), None)

    def systems(self, step):
        """Whom a step was measured of, in their order."""
        seen = [run["system"] for run in self.runs if run["step"] == step and run.get("report")]
        return list(dict.fromkeys(seen))

    def violations(self):
        """What was told wrong: `(step, system, rule, count)`."""
        return [
            (run["step"], run["system"], entry["violation"], entry["count"])
            for run in self.runs
            for entry in (run.get("report") or {}).get("violations", [])
        ]

    # What several tables and pictures show.

    def cpu_per_connect(self, system, step="connect"):
        """Microseconds."""
        return self.figure(step, system, "levels", 0, "server", "cpu_micros_per_connect")

    def bytes_per_session(self, system, most=False):
        """Resident bytes of an idle session, with `most` at the largest number of them; from the steps `connect` and
        `curve`, which hold as many, where it was not left to idle."""
        held = ("server", "resident_bytes_per_session")
        if not most:
            idled = self.figure("idle", system, "rounds", 0, *held)
            return idled if idled is not None else self.figure("connect", system, "levels", 0, *held)
        idled = self.figure("idle-most", system, "rounds", 0, *held)
        return idled if idled is not None else self.figure("curve", system, "levels", -1, *held)

    def curve(self, system, what):
        """`(sessions, median)` at each level, for a field of `server`."""
        reports = self.reports("curve", system)
        if not reports:
            return []
        return [
            (level["sessions"], self.figure("curve", system, "levels", place, "server", what))
            for place, level in enumerate(reports[0]["levels"])
        ]


@dataclass(frozen=True)
class Row:
    """A figure that must be reached."""

    name: str
    figure: float | None
    bar: float
    goal: float | None
    # How a number is written: `format(number)`.
    write: callable
    # Whether more is better.
    more: bool = False

    def verdict(self):
        """`goal met`, `bar met`, `not met` or `not measured`."""
        if self.figure is None:
            return "not measured"
        reaches = lambda limit: self.figure >= limit if self.more else self.figure <= limit  # noqa: E731
        if self.goal is not None and reaches(self.goal):
            return "goal met"
        if not reaches(self.bar):
            return "**not met**"
        return "met" if self.goal is None else "bar met, goal not"


def rows(results):
    """What Rollcall must reach, with what it has reached."""
    cpu = results.cpu_per_connect
    own = "rollcall"
    times = lambda number: f"{number:.2f} ×"  # noqa: E731
    better = lambda number: f"{number:.1f} ×"  # noqa: E731
    whole = lambda number: f"{number:,.0f}"  # noqa: E731
    percent = lambda number: f"{number:.1f} %"  # noqa: E731
    micros = lambda number: f"{number:.2f} µs"  # noqa: E731
    growth = results.figure("growth", own, "growth_percent")
    burst = results.figure("fanout", own, "burst", "frames_per_socket")
    storm = results.reports("storm", own) + results.reports("storm-polling", own)
    back = min((100 * report["ready"] / report["cut"] for report in storm if report["cut"]), default=None)
    sizes = results.data["sizes"]
    return [
        Row("CPU per connect + `ready` + `update`, against the floor", over(cpu(own), cpu("floor")), 2.5, 1.8, times),
        Row("the same, NestJS against Rollcall", over(cpu("nestjs"), cpu(own)), 25, 35, better, more=True),
        Row("the same, socketioxide against Rollcall", over(cpu("socketioxide"), cpu(own)), 5, 6, better, more=True),
        Row(
            f"resident bytes per idle session at {sizes['idle']:,}",
            results.bytes_per_session(own), 1_536, 1_024, whole,
        ),
        Row(
            f"resident bytes per idle session at {sizes['idle_most']:,}",
            results.bytes_per_session(own, most=True), 1_536, 1_024, whole,
        ),
        Row(f"growth over {sizes['growth_rounds']} rounds of connect and leave", growth, 5, None, percent),
        Row(
            "CPU of an idle session a second, pings every 25 s",
            results.figure("idle", own, "rounds", 0, "hold", "cpu_micros_per_session_second"), 0.6, 0.4, micros,
        ),
        Row(
            f"CPU per frame of an update to {sizes['fanout_per_user']} sockets, against a bare write",
            results.figure("fanout", own, "against_bare"), 1.5, 1.2, times,
        ),
        Row(f"frames a socket when {sizes['burst']:,} of a user join within a second", burst, 40, None, whole),
        Row(
            "CPU per connect over polling, against WebSocket",
            over(cpu(own, "polling"), cpu(own)), 3, None, times,
        ),
        Row(f"CPU per connect up to {max(sizes['levels']):,} sessions, above the first level",
            rise(results.curve(own, "cpu_micros_per_connect")), 15, None, percent),
        Row(f"of {sizes['storm']:,} that return at once, ready in the end", back, 100, None, percent, more=True),
        Row("rules of the contract that were broken, all systems and steps",
            float(sum(count for *_, count in results.violations())), 0, None, whole),
    ]


def pick(report, path):
    """What stands at `path`, names and places; `None` when something on the way is missing."""
    for step in path:
        try:
            report = report[step]
        except (KeyError, IndexError, TypeError):
            return None
    return report


def over(one, other):
    """The ratio of two figures; `None` without both."""
    return one / other if one is not None and other else None


def rise(curve):
    """How far the highest later point lies above the first, in percent; `None` of less than two points."""
    values = [value for _, value in curve]
    if len(values) < 2 or None in values:
        return None
    return (max(values[1:]) / values[0] - 1) * 100
