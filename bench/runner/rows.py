"""What Rollcall must reach, and whether it does. Knows the figures of `results`; nothing of how they are shown."""

from dataclasses import dataclass

from .reasons import REASONS
from .results import JUDGED, over, rise, spread

# How far the updates of the floor and of Rollcall may differ in length, in parts of Rollcall's: then they do not do the
# same.
LENGTHS_APART_MAX = 0.03
# "Within a second", with what it takes to write some gigabytes: each of a thousand lists has 350 KB, for each socket.
BURST_SECONDS_MAX = 1.5


@dataclass(frozen=True)
class Row:
    """A figure that must be reached."""

    # For `reasons`.
    key: str
    name: str
    figure: float | None
    bar: float
    goal: float | None
    # How a number is written: `format(number)`.
    write: callable
    # Whether more is better.
    more: bool = False
    # The least and the most over the rounds.
    spread: tuple | None = None
    # What has to hold for the figure to mean something, and does not.
    premise: str = ""
    # What failed in the runs that it is of.
    failed: str = ""

    def verdict(self):
        """`goal met`, `bar met`, `not met` or `not measured`."""
        if self.failed:
            return "**not met**"
        if self.figure is None or self.premise:
            return "not measured"
        reaches = lambda limit: self.figure >= limit if self.more else self.figure <= limit  # noqa: E731
        if self.goal is not None and reaches(self.goal):
            return "goal met"
        if not reaches(self.bar):
            return "**not met**"
        return "met" if self.goal is None else "bar met, goal not"

    def why(self):
        """Why it is not met, or its goal is not; nothing when all is reached."""
        if self.failed or self.premise:
            return self.failed or self.premise
        return "" if self.verdict() in ("met", "goal met", "not measured") else REASONS.get(self.key, "")


def rows(results):
    """All of them, with what Rollcall has reached."""
    cpu = results.cpu_per_connect
    own = "rollcall"
    times = lambda number: f"{number:.2f} ×"  # noqa: E731
    better = lambda number: f"{number:.1f} ×"  # noqa: E731
    whole = lambda number: f"{number:,.0f}"  # noqa: E731
    percent = lambda number: f"{number:.1f} %"  # noqa: E731
    micros = lambda number: f"{number:.2f} µs"  # noqa: E731
    sizes = results.data["sizes"]

    def row(key, steps, name, figure, bar, goal, write, **more):
        return Row(key, name, figure, bar, goal, write, failed=failed_in(results, steps), **more)

    def against(peer):
        ratios = {"spread": results.cpu_ratios((peer, "connect"), (own, "connect")), "more": True}
        return over(cpu(peer), cpu(own)), ratios

    nestjs, nestjs_more = against("nestjs")
    socketioxide, socketioxide_more = against("socketioxide")
    return [
        row(
            "floor", ["connect"], "CPU per connect + `ready` + `update`, against the floor",
            over(cpu(own), cpu("floor")), 2.5, 1.8, times,
            spread=results.cpu_ratios((own, "connect"), ("floor", "connect")), premise=same_lengths(results),
        ),
        row("nestjs", ["connect"], "the same, NestJS against Rollcall", nestjs, 25, 35, better, **nestjs_more),
        row(
            "socketioxide", ["connect"], "the same, socketioxide against Rollcall",
            socketioxide, 5, 6, better, **socketioxide_more,
        ),
        row(
            "bytes", ["idle"], f"resident bytes per idle session at {sizes['idle']:,}",
            results.bytes_per_session(own), 1_536, 1_024, whole,
        ),
        row(
            "bytes-most", ["idle-most"], f"resident bytes per idle session at {sizes['idle_most']:,}",
            results.figure("idle-most", own, "rounds", 0, "server", "resident_bytes_per_session"),
            1_536, 1_024, whole,
        ),
        row(
            "growth", ["growth"],
            f"growth of bytes a session, round {sizes['growth_rounds']} of connect and leave against the first",
            results.figure("growth", own, "growth_percent"), 5, None, percent,
        ),
        row(
            "idle", ["idle"], "CPU of an idle session a second, pings every 25 s",
            results.figure("idle", own, "rounds", 0, "hold", "cpu_micros_per_session_second"), 0.6, 0.4, micros,
        ),
        row(
            "fanout", ["fanout"],
            f"CPU per frame of an update to {sizes['fanout_per_user']} sockets, against a bare write",
            results.figure("fanout", own, "against_bare"), 1.5, 1.2, times,
            spread=spread(results.figures("fanout", own, "against_bare").values()),
        ),
        row(
            "burst", ["fanout"], f"frames a socket when {sizes['burst']:,} of a user join within a second",
            results.figure("fanout", own, "burst", "frames_per_socket"), 40, None, whole, premise=at_once(results),
        ),
        row(
            "polling", ["connect", "polling"], "CPU per connect over polling, against WebSocket",
            over(cpu(own, "polling"), cpu(own)), 3, None, times,
            spread=results.cpu_ratios((own, "polling"), (own, "connect")),
        ),
        row(
            "curve", ["curve"], f"CPU per connect up to {max(sizes['levels']):,} sessions, above the first level",
            rise(results.curve(own, "cpu_micros_per_connect")), 15, None, percent,
            spread=spread([rise(levels_of(report)) for report in results.reports("curve", own)]),
        ),
        row(
            "storm", STORMS, f"of {sizes['storm']:,} that return at once, ready in the end",
            back(results), 100, None, percent, more=True,
        ),
        row(
            "rules", list(dict.fromkeys(run["step"] for run in results.runs)),
            "rules of the contract that Rollcall broke, all steps",
            float(sum(count for _, system, _, count in results.violations() if system == own)), 0, None, whole,
        ),
    ]


def failed_in(results, steps):
    """Which runs of what is judged failed in these steps, in words; empty when none did."""
    failed = [
        f"{run['system']}: {run['step']}, round {run['round']}: {first_line(run['error'])}"
        for run in results.failed(JUDGED) if run["step"] in steps
    ]
    return "" if not failed else failed[0] + (f"; and {len(failed) - 1} more" if failed[1:] else "")


def first_line(text):
    """An error as one cell of a table takes it."""
    return (text.splitlines() or [""])[0].replace("|", "/")


def same_lengths(results):
    """Empty when the floor tells as much as Rollcall does."""
    mean = lambda system: results.figure("connect", system, "levels", 0, "bytes_per_update")  # noqa: E731
    floor, own = mean("floor"), mean("rollcall")
    if floor is None or own is None or abs(floor - own) <= LENGTHS_APART_MAX * own:
        return ""
    return f"an update of the floor has {floor:,.0f} bytes and one of Rollcall {own:,.0f}: they do not do the same"


def at_once(results):
    """Empty when a burst was one."""
    slowest = max(results.figures("fanout", "rollcall", "burst", "seconds").values(), default=0)
    return "" if slowest <= BURST_SECONDS_MAX else f"they took {slowest:.2f} s to join"


def levels_of(report):
    """The curve of one round."""
    return [(level["sessions"], level["server"]["cpu_micros_per_connect"]) for level in report["levels"]]


def back(results):
    """The worst storm: who was ready in the end, in percent of all sessions, cut or not."""
    reports = [report for step in STORMS for report in results.reports(step, "rollcall")]
    return min((100 * report["ready"] / report["sessions"] for report in reports), default=None)


STORMS = ["storm", "storm-polling"]
