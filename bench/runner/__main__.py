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
from .results import Results
from .servers import ROOT, Failed

DOCUMENT = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "bench" / "results"


def main(arguments):
    if arguments[:1] == ["--render"] and len(arguments) == 2:
        publish(Results(json.loads(Path(arguments[1]).read_text(encoding="utf-8"))))
        return 0
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
    try:
        run.prepare(systems, stock_clients=not quick)
    except Failed as failed:
        print(f"bench: {failed}", file=sys.stderr)
        return 2
    data = {
        "date": datetime.date.today().isoformat(),
        "commit": machine.commit(ROOT),
        "command": " ".join(["make bench", *(f"{name}={value}" for name, value in given.items() if value)]),
        "machine": machine.describe(),
        "versions": {system: servers.describe(system) for system in systems},
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
    if whole:
        publish(results)
    print(f"\nall of it: {file}")
    failed = [run for run in data["runs"] if run.get("error")]
    return 1 if failed or results.violations() else 0


def publish(results):
    """Into the documents of this checkout."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(tables.rewrite(text, tables.all_tables(results)), encoding="utf-8")
    drawn = charts.draw(results, DOCUMENT.parent)
    print("written:", DOCUMENT.relative_to(ROOT), *(f"docs/{name}" for name in drawn))


def write(file, data):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
