"""Reports as the load client writes them, with made-up figures."""

from dataclasses import asdict

from runner import plan
from runner.results import Results

CPU = {"floor": (10, 30, 11), "rollcall": (20, 90, 22), "nestjs": (700, 710, 690), "socketioxide": (130, 120, 140)}


def results(*more):
    """Three rounds of `connect` of some systems, and `more` runs."""
    runs = [run("connect", system, number, levels=[level(8_000, cpu)])
            for system, rounds in CPU.items() for number, cpu in enumerate(rounds, 1)]
    return Results({
        "date": "2026-11-24",
        "commit": "abc1234",
        "command": "make bench",
        "machine": {"cpu": "a CPU", "cores": 2, "memory_gib": 24, "system": "Debian", "kernel": "6", "descriptors": 1},
        "versions": {"rollcall": "rollcall 0.1.0", "bun": "bun: 1.2"},
        "sizes": asdict(plan.FULL),
        "runs": [*runs, *more],
    })


def run(step, system, number=1, error=None, **report):
    """One run; with an `error` it has no report."""
    report = None if error else {"violations": [], "violations_total": 0, **report}
    return {"round": number, "step": step, "system": system, "error": error, "report": report}


def level(sessions, cpu, resident=1_000):
    """One level of `connect`, or one round of `idle`."""
    server = {"cpu_micros_per_connect": cpu, "resident_bytes_per_session": resident}
    times = {"ready_p50_ms": 1.0, "ready_p99_ms": 9.0, "connects_per_second": 1e6 / cpu}
    return {"sessions": sessions, "server": server, "hold": None, "bytes_per_update": 640.0, **times}


def hold(pings, cpu=0.5, resident=900):
    """A stay of 50 s."""
    return {
        "seconds": 50.0, "pings": pings, "cpu_micros_per_session_second": cpu, "resident_bytes_per_session": resident,
    }
