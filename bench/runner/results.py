"""Figures out of the raw reports: medians and spreads over the rounds, ratios between systems, and what failed. Knows
the reports of the load client; nothing of what must be reached, and of how figures are shown."""

from statistics import median

# Whose figures are judged: a run of theirs that failed spoils the whole.
JUDGED = ("rollcall", "floor")


class Results:
    """All runs of one `make bench`."""

    def __init__(self, data):
        self.data = data
        self.runs = data["runs"]

    def of(self, step, system):
        """The runs of a step, in the order of the rounds."""
        return [run for run in self.runs if (run["step"], run["system"]) == (step, system)]

    def reports(self, step, system):
        """The reports of a step, one a round, without those that failed."""
        return [run["report"] for run in self.of(step, system) if not run.get("error") and run.get("report")]

    def figures(self, step, system, *path):
        """By round, what stands at `path` in the reports that have it."""
        found = {run["round"]: pick(run.get("report"), path) for run in self.of(step, system) if not run.get("error")}
        return {number: value for number, value in found.items() if value is not None}

    def figure(self, step, system, *path):
        """The median over the rounds of what stands at `path` in the reports; `None` when nothing does."""
        found = self.figures(step, system, *path).values()
        return median(found) if found else None

    def systems(self, step):
        """Whom a step was measured of, in their order; also those of whom nothing came."""
        return list(dict.fromkeys(run["system"] for run in self.runs if run["step"] == step))

    def measured(self, step):
        """Those of them of whom something came."""
        return [system for system in self.systems(step) if self.reports(step, system)]

    def failures(self, step, system):
        """What the runs of a step that failed said."""
        return [run["error"] for run in self.of(step, system) if run.get("error")]

    def failed(self, systems):
        """The runs of these systems that failed."""
        return [run for run in self.runs if run.get("error") and run["system"] in systems]

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
        return self.figure(step, system, *CPU)

    def cpu_spread(self, system, step="connect"):
        """The least and the most of them over the rounds."""
        return spread(self.figures(step, system, *CPU).values())

    def cpu_ratios(self, one, other):
        """The least and the most that one `(system, step)` takes of another's CPU, each in the same round."""
        ones, others = (self.figures(step, system, *CPU) for system, step in (one, other))
        return spread([over(ones[number], others[number]) for number in ones.keys() & others.keys()])

    def bytes_per_session(self, system):
        """Resident bytes of an idle session: at the end of the hold, when the garbage of the ramp is gone; without one
        as soon as all have settled, from the step `connect` where the system was not left to idle."""
        held = ("server", "resident_bytes_per_session")
        found = (
            self.figure("idle", system, "rounds", 0, "hold", held[1]),
            self.figure("idle", system, "rounds", 0, *held),
            self.figure("connect", system, "levels", 0, *held),
        )
        return next((value for value in found if value is not None), None)

    def bytes_at_most(self, system):
        """The same at the most sessions: the last level of `curve`, which everybody has gone through."""
        return self.figure("curve", system, "levels", -1, "server", "resident_bytes_per_session")

    def curve(self, system, what):
        """`(sessions, median)` at each level, for a field of `server`."""
        reports = self.reports("curve", system)
        if not reports:
            return []
        return [
            (level["sessions"], self.figure("curve", system, "levels", place, "server", what))
            for place, level in enumerate(reports[0]["levels"])
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


def spread(values):
    """The least and the most; `None` of less than two."""
    values = [value for value in values if value is not None]
    return (min(values), max(values)) if len(values) > 1 else None


def rise(curve):
    """How far the highest later point lies above the first, in percent; `None` of less than two points."""
    values = [value for _, value in curve]
    if len(values) < 2 or None in values:
        return None
    return (max(values[1:]) / values[0] - 1) * 100


CPU = ("levels", 0, "server", "cpu_micros_per_connect")
