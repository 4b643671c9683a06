"""What is measured, of whom, how often and how large. Knows no process and no clock."""

from dataclasses import dataclass

# Names of folders in bench/peers, in the order in which they run.
FLOOR = "floor"
ROLLCALL = "rollcall"
PEERS = ["nestjs", "bun", "socketioxide", "python"]
# The floor first, so that what is compared most runs side by side.
SYSTEMS = [FLOOR, ROLLCALL, *PEERS]


@dataclass(frozen=True)
class Sizes:
    """How large each step is. Seconds, sessions, or what the name says."""

    rounds: int
    connect: int
    warm_up: int
    levels: tuple
    idle: int
    idle_most: int
    # A multiple of the ping interval of 25 s, so that each session has as many pings as the time says.
    hold: int
    growth_rounds: int
    settle_ms: int
    storm: int
    relay: int
    relay_rate: int
    relay_seconds: int
    churn: int
    churn_rate: int
    churn_seconds: int
    fanout: int
    fanout_per_user: int
    fanout_seconds: int
    burst: int


FULL = Sizes(
    rounds=3,
    connect=8_000,
    warm_up=2_000,
    levels=(1_000, 5_000, 10_000, 19_000),
    idle=8_000,
    idle_most=19_000,
    hold=50,
    growth_rounds=10,
    settle_ms=1_500,
    storm=19_000,
    relay=2_000,
    relay_rate=200,
    relay_seconds=8,
    churn=4_000,
    churn_rate=400,
    churn_seconds=8,
    fanout=400,
    fanout_per_user=100,
    fanout_seconds=8,
    burst=1_000,
)
QUICK = Sizes(
    rounds=1,
    connect=2_000,
    warm_up=500,
    levels=(500, 1_000, 2_000),
    idle=2_000,
    idle_most=4_000,
    hold=25,
    growth_rounds=3,
    settle_ms=500,
    storm=2_000,
    relay=500,
    relay_rate=100,
    relay_seconds=3,
    churn=1_000,
    churn_rate=200,
    churn_seconds=3,
    fanout=200,
    fanout_per_user=100,
    fanout_seconds=3,
    burst=1_000,
)


@dataclass(frozen=True)
class Job:
    """One run of the load client against one system."""

    round: int
    step: str
    system: str
    # The mode of the load client, and its flags.
    mode: str
    flags: tuple
    # Sessions that connect in it, and seconds that it takes besides: for the progress only.
    connects: int
    seconds: float


@dataclass(frozen=True)
class Step:
    """Something that is measured: `job` gives mode, flags, connects and seconds for a system and a round."""

    name: str
    of: callable
    job: callable


def steps(sizes, quick):
    """All steps, in the order of a round."""
    settle = ("--settle-ms", sizes.settle_ms)
    settled = 2 * sizes.settle_ms / 1000
    everybody = lambda system, number: True  # noqa: E731
    speaking = lambda system, number: system != FLOOR  # noqa: E731
    rollcall = lambda system, number: system == ROLLCALL  # noqa: E731
    once = lambda system, number: system == ROLLCALL and number == 1  # noqa: E731
    # So long a stay of every peer in each round would be most of the time; of what is judged it is worth it.
    # Some peers take minutes for so many connects: they are shown, and judged by the step `connect`.
    judged = lambda system, number: system in (FLOOR, ROLLCALL) or number == 1  # noqa: E731
    idle = rollcall if quick else everybody
    curve = rollcall if quick else judged

    def connect(system, number, transport="websocket"):
        flags = ("--sessions", sizes.connect, "--warm-up", sizes.warm_up, *settle)
        return "connect", flags + ("--transport", transport), sizes.connect + sizes.warm_up, settled

    def held(system, number):
        hold = sizes.hold if system == ROLLCALL or number == 1 else 0
        return "idle", ("--sessions", sizes.idle, "--hold", hold, *settle), sizes.idle, settled + hold

    def most(system, number):
        return "idle", ("--sessions", sizes.idle_most, "--hold", 0, *settle), sizes.idle_most, settled

    def growth(system, number):
        rounds = sizes.growth_rounds
        flags = ("--sessions", sizes.idle, "--hold", 0, "--rounds", rounds, *settle)
        return "idle", flags, sizes.idle * rounds, settled * rounds

    def levels(system, number):
        flags = ("--levels", ",".join(map(str, sizes.levels)), "--warm-up", min(sizes.levels), *settle)
        return "connect", flags, sum(sizes.levels) + min(sizes.levels), settled * len(sizes.levels)

    def storm(system, number, transport="websocket"):
        return "storm", ("--sessions", sizes.storm, "--transport", transport), 3 * sizes.storm, 6

    def fanout(system, number):
        flags = ("--sessions", sizes.fanout, "--per-user", sizes.fanout_per_user, "--seconds", sizes.fanout_seconds)
        more = ("--burst", sizes.burst) if system == ROLLCALL else ("--no-bare",)
        seconds = sizes.fanout_seconds * (2 if system == ROLLCALL else 1) + 3
        return "fanout", flags + more, sizes.fanout, seconds

    def relay(system, number):
        flags = ("--sessions", sizes.relay, "--rate", sizes.relay_rate, "--seconds", sizes.relay_seconds)
        return "relay", flags, sizes.relay, 2 * sizes.relay_seconds

    def churn(system, number):
        flags = ("--sessions", sizes.churn, "--rate", sizes.churn_rate, "--seconds", sizes.churn_seconds)
        return "churn", flags, sizes.churn, sizes.churn_seconds

    def polling(job):
        return lambda system, number: job(system, number, "polling")

    return [
        Step("connect", everybody, connect),
        Step("polling", speaking, polling(connect)),
        Step("idle", idle, held),
        Step("idle-most", rollcall, most),
        Step("growth", once, growth),
        Step("curve", curve, levels),
        Step("storm", lambda system, number: speaking(system, number) and judged(system, number), storm),
        Step("storm-polling", rollcall, polling(storm)),
        Step("fanout", speaking, fanout),
        Step("relay", speaking, relay),
        Step("churn", rollcall if quick else speaking, churn),
    ]


def jobs(sizes, quick, systems, only_steps=()):
    """Every run, in order: round by round, step by step, and within a step one system after the other."""
    unknown = set(only_steps) - {step.name for step in steps(sizes, quick)}
    if unknown:
        known = ", ".join(step.name for step in steps(sizes, quick))
        raise ValueError(f"STEPS: given {', '.join(sorted(unknown))}, allowed are {known}")
    planned = []
    for number in range(1, sizes.rounds + 1):
        for step in steps(sizes, quick):
            if only_steps and step.name not in only_steps:
                continue
            for system in systems:
                if step.of(system, number):
                    mode, flags, connects, seconds = step.job(system, number)
                    flags = tuple(str(flag) for flag in flags)
                    planned.append(Job(number, step.name, system, mode, flags, connects, seconds))
    return planned


def choose(peers, only):
    """The systems that `PEERS` and `ONLY` name, in the order of `SYSTEMS`; all of them when both are empty."""
    split = lambda text: [name for name in text.replace(",", " ").split() if name]  # noqa: E731
    named = split(only) or ([ROLLCALL, *split(peers)] if peers else SYSTEMS)
    unknown = [name for name in named if name not in SYSTEMS]
    if unknown:
        raise ValueError(f"given {', '.join(unknown)}, allowed are {', '.join(SYSTEMS)}")
    return [name for name in SYSTEMS if name in named]


# Connects a second on one core, roughly, for the time that is left.
SPEED = {"floor": 25_000, "rollcall": 12_000, "nestjs": 800, "bun": 4_000, "socketioxide": 4_000, "python": 500}
# What a start, a stop and the load client take besides.
OVERHEAD_SECONDS = 2.5


def estimate(job):
    """Seconds that a job takes, roughly."""
    speed = SPEED.get(job.system, 1_000) / (2 if "polling" in job.flags else 1)
    return OVERHEAD_SECONDS + job.seconds + job.connects / speed
