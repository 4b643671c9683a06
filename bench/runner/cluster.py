"""The command behind `make bench-cluster`: nodes that meet in one Redis, on one machine, and what their agreement costs.

    bench/cluster              writes bench/results/<date>-<commit>-cluster.json
    NODES=3 bench/cluster      with so many nodes
    QUICK=1 bench/cluster      small numbers, for a look: shows them and keeps no result

Starts redis-server, a PostgreSQL for itself and the nodes, and ends what it has started."""

import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from . import machine
from .servers import CLIENT_CORE, RELEASE, ROOT, SERVER_CORE, Failed, free_port, lifted_limits, pinned, says_listening, tail

RESULTS = ROOT / "bench" / "results"
SECRET = "a-secret-for-measuring-and-nothing-else"
FULL = {"sessions": 4_000, "seconds": 10, "idle_rate": 20, "idle_seconds": 10}
QUICK = {"sessions": 500, "seconds": 3, "idle_rate": 20, "idle_seconds": 3}
# Joins a second that are asked for to find out how many there can be.
TOO_MANY = 50_000
# Seconds until a server listens.
START_MAX = 60


class Redis:
    """A redis-server for this run."""

    def __init__(self, stack):
        self.port = free_port()
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        self.process = started(stack, pinned(SERVER_CORE, command), {})
        until(lambda: self.ask("PING") == "PONG", "redis-server")

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def ask(self, *words):
        output = subprocess.run(
            ["redis-cli", "-p", str(self.port), *words], capture_output=True, text=True, check=False
        )
        return output.stdout.strip()

    def info(self, section):
        lines = (line.split(":", 1) for line in self.ask("INFO", section).splitlines() if ":" in line)
        return {name: value.strip() for name, value in lines}

    def calls(self):
        """How often each command was called, and how long it took in all, in microseconds."""
        found = {}
        for name, value in self.info("commandstats").items():
            fields = dict(field.split("=") for field in value.split(","))
            found[name.removeprefix("cmdstat_")] = (int(fields["calls"]), int(fields["usec"]))
        return found

    def cpu_seconds(self):
        info = self.info("cpu")
        return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])

    def round_trip_micros(self):
        """Of a PING by a client that does nothing else: p50 and p99."""
        command = ["redis-benchmark", "-p", str(self.port), "-c", "1", "-n", "20000", "-t", "ping_mbulk", "--csv"]
        output = subprocess.run(pinned(CLIENT_CORE, command), capture_output=True, text=True, check=True).stdout
        head, *rows = [line.replace('"', "").split(",") for line in output.strip().splitlines()]
        row = dict(zip(head, rows[-1]))
        return {"p50": 1000 * float(row["p50_latency_ms"]), "p99": 1000 * float(row["p99_latency_ms"])}


class Node:
    """One Rollcall among others."""

    def __init__(self, stack, number, redis, database, log):
        self.port = free_port()
        env = {
            "ROLLCALL_DATA_DIR": stack.enter_context(tempfile.TemporaryDirectory()),
            "ROLLCALL_IDENTITY__SECRET": SECRET,
            "ROLLCALL_LOG__FORMAT": "json",
            "ROLLCALL_SHUTDOWN__DRAIN": "0s",
            "ROLLCALL_HTTP__NODE_TAG": f"node-{number}",
            "ROLLCALL_REGISTRY__REDIS_URL": redis.url,
            "ROLLCALL_DATABASE__URL": database,
            **lifted_limits(),
        }
        command = pinned(SERVER_CORE, [str(RELEASE / "rollcall"), "serve", "--listen", f"127.0.0.1:{self.port}"])
        self.log = Path(log)
        before = len(self._said())
        with open(log, "a", encoding="utf-8") as output:
            self.process = started(stack, command, env, output)
        until(lambda: any(says_listening(line) for line in self._said()[before:]), f"node {number}", self.log)

    def _said(self):
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []


def started(stack, command, env, output=subprocess.DEVNULL):
    """A process that ends with `stack`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ROLLCALL_")}
    process = subprocess.Popen(command, env=clean | env, stdout=output, stderr=subprocess.STDOUT)

    def end():
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    stack.callback(end)
    return process


def until(is_so, what, log=None):
    deadline = time.monotonic() + START_MAX
    while not is_so():
        if time.monotonic() > deadline:
            said = tail(log.read_text(encoding="utf-8")) if log and log.exists() else ""
            raise Failed(f"{what} did not start\n{said}")
        time.sleep(0.05)


def postgres(stack):
    """A database for this run; its server ends half a minute after."""
    folder = Path(tempfile.gettempdir()) / f"rollcall-postgres-bench-{os.getuid()}"
    folder.mkdir(mode=0o755, exist_ok=True)
    (folder / "users").touch()
    # The script keeps the server for as long as somebody holds this lock.
    started(stack, ["flock", "--no-fork", "--shared", str(folder / "users"), "sleep", "3600"], {})
    output = subprocess.run(
        [ROOT / "scripts" / "postgres-for-tests", "start", folder], capture_output=True, text=True, check=False
    )
    if output.returncode:
        raise Failed(f"PostgreSQL: {tail(output.stderr)}")
    server = output.stdout.strip()
    name = f"bench_{os.getpid()}"
    socket = server.split("host=", 1)[1].split("&", 1)[0]
    create = ["psql", "--host", socket, "--username", "postgres", "--quiet"]
    create += ["--command", f"CREATE DATABASE {name} TEMPLATE template0"]
    subprocess.run(create, check=True)
    return server.replace("/postgres?", f"/{name}?")


def relay(nodes, sizes, rate, log):
    """Sessions come and go on the second node beside those that stay on the first; gives the load client's report."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        command = [str(RELEASE / "rollcall-bench"), "relay", "--sessions", str(sizes["sessions"])]
        command += ["--rate", str(rate), "--seconds", str(sizes["seconds"]), "--json", str(file)]
        command += ["--url", f"127.0.0.1:{nodes[0].port}", "--other-url", f"127.0.0.1:{nodes[1].port}"]
        env = {"ROLLCALL_IDENTITY__SECRET": SECRET, "PATH": os.environ.get("PATH", "")}
        with open(log, "a", encoding="utf-8") as errors:
            done = subprocess.run(
                pinned(CLIENT_CORE, command), env=env, stdout=subprocess.DEVNULL, stderr=errors, check=False
            )
        if done.returncode not in (0, 1) or not file.exists():
            raise Failed(f"rollcall-bench relay: exit {done.returncode}; see {log}")
        return json.loads(file.read_text(encoding="utf-8"))


def measured(redis, nodes, sizes, rate, log):
    """One run of `relay`, and what it took of Redis."""
    calls, cpu = redis.calls(), redis.cpu_seconds()
    report = relay(nodes, sizes, rate, log)
    after, cpu = redis.calls(), redis.cpu_seconds() - cpu
    made, took = {}, {}
    for name, (count, micros) in after.items():
        before, micros_before = calls.get(name, (0, 0))
        if count > before:
            made[name] = count - before
            took[name] = (micros - micros_before) / (count - before)
    return {"rate": rate, "report": report, "redis_calls": made, "micros_a_call": took, "redis_cpu_seconds": cpu}


def standing(redis, nodes, sizes, log):
    """What Redis holds of users that stay, and what it hears of them while nothing happens."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        command = [str(RELEASE / "rollcall-bench"), "idle", "--sessions", str(sizes["sessions"])]
        command += ["--hold", str(sizes["idle_seconds"] + 5), "--json", str(file)]
        command += ["--url", f"127.0.0.1:{nodes[0].port}"]
        env = {"ROLLCALL_IDENTITY__SECRET": SECRET, "PATH": os.environ.get("PATH", "")}
        empty = int(redis.info("memory")["used_memory"])
        unmoved, cpu = redis.calls(), redis.cpu_seconds()
        with open(log, "a", encoding="utf-8") as errors:
            client = subprocess.Popen(pinned(CLIENT_CORE, command), env=env, stdout=subprocess.DEVNULL, stderr=errors)
            try:
                users = sizes["sessions"] // 2
                until(lambda: int(redis.ask("ZCARD", users_key(redis, nodes)) or 0) >= users, "the sessions")
                time.sleep(2)
                full, cpu = int(redis.info("memory")["used_memory"]), redis.cpu_seconds() - cpu
                before = {name: count for name, (count, _) in redis.calls().items()}
                time.sleep(sizes["idle_seconds"])
                after = {name: count for name, (count, _) in redis.calls().items()}
            finally:
                client.wait()
        until(lambda: not redis.ask("--scan", "--pattern", "rollcall:users:*"), "the end of the sessions")
        left = {name: count for name, (count, _) in redis.calls().items()}

    def scripts(of, since):
        return of.get("evalsha", 0) - since.get("evalsha", 0)

    came = {name: count for name, (count, _) in unmoved.items()}
    return {
        "users": users,
        "scripts_per_join": scripts(before, came) / sizes["sessions"],
        "scripts_per_leave": scripts(left, after) / sizes["sessions"],
        "redis_cpu_micros_per_join": 1e6 * cpu / sizes["sessions"],
        "bytes_per_user": (full - empty) / users,
        "scripts_while_idle": scripts(after, before),
        "seconds_idle": sizes["idle_seconds"],
    }


def users_key(redis, nodes):
    """The set of users that has most: that of the node with the sessions."""
    keys = redis.ask("--scan", "--pattern", "rollcall:users:*").splitlines()
    return max(keys, key=lambda key: int(redis.ask("ZCARD", key)), default="rollcall:users:none")


def summary(data):
    """What is read first: the rows of a cluster."""
    trip, stand = data["redis_round_trip_micros"], data["standing"]
    lines = [
        f"one round trip to Redis: p50 {trip['p50']:.0f} µs, p99 {trip['p99']:.0f} µs",
        f"joins and leaves a second at the most: {data['most_per_second']:.0f}",
    ]
    for run in data["runs"]:
        join, joins = run["report"]["join"], run["report"]["joins_per_second"] * data["sizes"]["seconds"]
        lines.append(
            f"{run['rate']:>5} joins and leaves a second: join on B seen on A "
            f"p50 {join['p50_ms']:.2f} ms = {1000 * join['p50_ms'] / trip['p50']:.1f} round trips (bar 3), "
            f"p99 {join['p99_ms']:.2f} ms = {1000 * join['p99_ms'] / trip['p50']:.1f} (bar 10); "
            f"{1e6 * run['redis_cpu_seconds'] / max(joins, 1):.0f} µs of Redis each"
        )
    lines.append(
        f"script calls: {stand['scripts_per_join']:.2f} a join, {stand['scripts_per_leave']:.2f} a leave (bar 1), "
        f"{stand['scripts_while_idle']} in {stand['seconds_idle']} s for {stand['users']} idle users (bar 0)"
    )
    lines.append(
        f"{stand['redis_cpu_micros_per_join']:.0f} µs of Redis a join, "
        f"{stand['bytes_per_user']:.0f} bytes of Redis a user with two sessions"
    )
    return "\n".join(lines)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    quick = os.environ.get("QUICK", "") not in ("", "0")
    sizes = QUICK if quick else FULL
    count = int(os.environ.get("NODES") or 2)
    if count < 2:
        print(f"bench: NODES: given {count}; allowed: 2 or more", file=sys.stderr)
        return 2
    commit = machine.commit(ROOT)
    log = RELEASE.parent / "bench-cluster.log"
    try:
        subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "rollcall", "-p", "rollcall-bench"], cwd=ROOT, check=True)
        with ExitStack() as stack:
            redis, database = Redis(stack), postgres(stack)
            nodes = [Node(stack, number, redis, database, log) for number in range(1, count + 1)]
            time.sleep(3)  # until the lists are those of all nodes
            round_trip = redis.round_trip_micros()
            standing_still = standing(redis, nodes, sizes, log)
            most = relay(nodes, sizes, TOO_MANY, log)["joins_per_second"]
            rates = (sizes["idle_rate"], int(most / 2))
            data = {
                "date": datetime.date.today().isoformat(),
                "commit": commit,
                "command": f"make bench-cluster NODES={count}",
                "machine": machine.describe(),
                "redis": redis.info("server").get("redis_version"),
                "nodes": count,
                "sizes": sizes,
                "redis_round_trip_micros": round_trip,
                "standing": standing_still,
                "most_per_second": most,
                "runs": [measured(redis, nodes, sizes, rate, log) for rate in rates],
            }
    except (Failed, subprocess.CalledProcessError) as failed:
        print(f"bench: {failed}", file=sys.stderr)
        return 2
    print(summary(data))
    if not quick:
        file = RESULTS / f"{data['date']}-{commit}-cluster.json"
        file.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        print(file.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
