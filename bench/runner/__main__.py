"""The command behind `make bench`: reads the environment, runs, writes.

    bench/run                  everything: about an hour; writes bench/results, docs/performance.md and the pictures
    QUICK=1 bench/run          small numbers, one round, for a look: some minutes; shows the tables and keeps no result
    PEERS=floor,bun bench/run  Rollcall and these
    ONLY=rollcall bench/run    these alone
    STEPS=connect,storm        these steps alone
    ROUNDS=1                   so many rounds
    bench/run --render FILE    writes the tables and the pictures of a result anew
"""

import dataclasses
import datetime
import json
import os
import signal
import sys
from pathlib import Path

from . import charts, machine, plan, run, servers, tables
from .results import JUDGED, Results
from .servers import ROOT, Failed

DOCUMENT = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "bench" / "results"


def main(arguments):
    if arguments[:1] == ["--render"] and len(arguments) == 2:
        return publish(Results(json.loads(Path(arguments[1]).read_text(encoding="utf-8"))))
    if arguments:
        print(__doc__, file=sys.stderr)
        print("The steps:", *(step.name for step in plan.steps(plan.FULL, quick=False)), file=sys.stderr)
        return 0 if arguments in (["--help"], ["-h"]) else 2
    # Ended from outside it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    given = {name: os.environ.get(name, "") for name in ("QUICK", "PEERS", "ONLY", "STEPS", "ROUNDS")}
    quick = given["QUICK"] not in ("", "0")
    sizes = plan.QUICK if quick else plan.FULL
    try:
        if given["ROUNDS"]:
            sizes = dataclasses.replace(sizes, rounds=int(given["ROUNDS"]))
        systems = plan.choose(given["PEERS"], given["ONLY"])
        jobs = plan.jobs(sizes, quick, systems, given["STEPS"].replace(",", " ").split())
    except ValueError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    # Only a run of everything is a result to keep: parts of two runs cannot be compared.
    whole = not any(given.values())
    # Before the build: what is committed or changed while it runs is not what is measured.
    commit = machine.commit(ROOT)
    try:
        run.prepare(systems, stock_clients=not quick)
        versions = {system: servers.describe(system) for system in systems}
    except Failed as failed:
        print(f"bench: {failed}", file=sys.stderr)
        return 2
    data = {
        "date": datetime.date.today().isoformat(),
        "commit": commit,
        "command": " ".join(["make bench", *(f"{name}={value}" for name, value in given.items() if value)]),
        "machine": machine.describe() | {"pinned": servers.pins()},
        "versions": versions,
        "sizes": dataclasses.asdict(sizes),
        "runs": [],
    }
    file = RESULTS / f"{data['date']}-{data['commit']}.json" if whole else servers.RELEASE.parent / "bench/result.json"

    def keep(result):
        data["runs"].append(result)
        write(file, data)

    try:
        run.run_all(jobs, keep)
    except KeyboardInterrupt:
        print("bench: interrupted; what was measured is in", file, file=sys.stderr)
        return 130
    results = Results(data)
    for name, text in tables.all_tables(results).items():
        print(f"\n{name}\n\n{text}")
    print(f"\nall of it: {file}")
    unpublished = publish(results) if whole else 0
    broken = [rule for _, system, rule, _ in results.violations() if system in JUDGED]
    return 1 if unpublished or broken or results.failed(systems) else 0


def unpublishable(results):
    """Why documents may not show a run; empty when they may."""
    commit = results.data["commit"]
    if commit.endswith("-dirty"):
        return f"{commit} is not what is committed"
    failed = results.failed(JUDGED)
    if failed:
        return f"{failed[0]['system']}, {failed[0]['step']}, round {failed[0]['round']}: {failed[0]['error']}"
    return ""


def publish(results):
    """Into the documents of this checkout, unless they must not show it: then 1."""
    against = unpublishable(results)
    if against:
        print(f"bench: nothing is published: {against}", file=sys.stderr)
        return 1
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(tables.rewrite(text, tables.all_tables(results)), encoding="utf-8")
    drawn = charts.draw(results, DOCUMENT.parent)
    print("written:", DOCUMENT.relative_to(ROOT), *(f"docs/{name}" for name in drawn))
    return 0


def write(file, data):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
