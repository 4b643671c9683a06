"""Proves that everybody does the same work, then makes all runs and keeps what each gave. Starts processes by way of
`servers` and `client`; knows nothing of how results are shown."""

import os
import secrets
import subprocess
import sys
import time

from . import client, machine, plan, premises, servers
from .progress import Progress, clock
from .servers import PEERS, RELEASE, Failed, Server, as_failed


def prepare(systems, stock_clients):
    """Builds what is measured and what measures, and proves that each system tells its clients the right thing."""
    say("building Rollcall and the load client")
    build = ["cargo", "build", "--release", "--quiet", "-p", "rollcall", "-p", "rollcall-bench"]
    if subprocess.run(build, cwd=servers.ROOT, check=False).returncode:
        raise Failed("cargo build: see above")
    for system in systems:
        if system != plan.ROLLCALL:
            say(f"installing {system}")
            servers.install(system)
    speaking = [system for system in systems if system != plan.FLOOR]
    for system in speaking:
        prove(system)
    if stock_clients and speaking:
        ask_stock_clients(speaking)


def prove(system):
    """Reads what a few sessions are told, field by field of what all must say, over both transports."""
    log = log_file("check", system, 0)
    with as_failed(), Server(system, secrets.token_hex(32), log) as server:
        for transport in ("websocket", "polling"):
            report = client.measure(server, "check", ("--transport", transport), log)
            if report["violations_total"]:
                examples = "\n".join(report["examples"])
                raise Failed(f"{system} does not say what it must over {transport}:\n{examples}")
            say(f"{system}: {report['readies']} ready and {report['updates']} update over {transport} are right")


def ask_stock_clients(systems):
    """Lets them say whether all do the same."""
    say("asking stock clients whether all do the same")
    env = dict(os.environ, ROLLCALL_BIN=str(RELEASE / "rollcall"))
    with as_failed():
        checked = subprocess.run([PEERS / "check", *systems], env=env, capture_output=True, text=True, check=False)
    if checked.returncode:
        raise Failed(f"bench/peers/check:\n{checked.stdout}{checked.stderr}")


def run_all(jobs, keep):
    """Makes the runs one after the other; hands each result on to `keep` as it comes. One that fails is kept with its
    error, and the others go on."""
    progress = Progress(time.monotonic(), [plan.estimate(job) for job in jobs])
    for job in jobs:
        began = time.monotonic()
        say(progress.line(began, job))
        keep(run_one(job))
        progress.done(time.monotonic() - began)
    say(f"{len(jobs)} runs in {clock(time.monotonic() - progress.began)}")


def run_one(job):
    """A fresh server, one run of the load client, and what came of it."""
    began, ticks = time.monotonic(), machine.ticks()
    result = {"round": job.round, "step": job.step, "system": job.system, "mode": job.mode, "flags": list(job.flags)}
    log = log_file(job.step, job.system, job.round)
    try:
        with as_failed(), Server(job.system, secrets.token_hex(32), log) as server:
            result["report"] = client.measure(server, job.mode, job.flags, log)
        if missing := premises.broken(job.step, result["report"]):
            raise Failed(missing)
    except Failed as failed:
        result["error"] = str(failed)
        say(f"  failed: {failed}")
    total = (result.get("report") or {}).get("violations_total", 0)
    if total:
        say(f"  {total} rules broken: {result['report']['examples'][0]}")
    result["steal_percent"] = machine.steal_percent(ticks, machine.ticks())
    result["seconds"] = round(time.monotonic() - began, 1)
    return result


def log_file(step, system, number):
    """Where a run's server and load client write; an older one is gone."""
    folder = servers.RELEASE.parent / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{step}-{system}-{number}.log"
    file.unlink(missing_ok=True)
    return file


def say(text):
    """A line for whoever waits."""
    print(text, file=sys.stderr, flush=True)
