"""Runs the load client and gives its report. Does not know what the figures mean."""

import json
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from .servers import CLIENT_CORE, RELEASE, Failed, pinned, tail

# Seconds that one run may take: a storm at the slowest peer takes minutes.
RUN_MAX = 900


def measure(server, mode, flags, log):
    """Runs `mode` against `server`; gives the report, violations included. A storm kills and restarts the server."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        command = [str(RELEASE / "rollcall-bench"), mode, *flags]
        command += ["--url", f"127.0.0.1:{server.port}", "--server-pid", str(server.pid), "--json", str(file)]
        if server.name == "floor":
            command.append("--canned")
        with open(log, "a", encoding="utf-8") as errors:
            code = _run(pinned(CLIENT_CORE, command), server, mode, errors)
        if code not in (0, 1) or not file.exists():
            raise Failed(f"rollcall-bench {mode}: exit {code}\n{tail(Path(log).read_text(encoding='utf-8'), 5)}")
        return json.loads(file.read_text(encoding="utf-8"))


def _run(command, server, mode, errors):
    env = {"ROLLCALL_IDENTITY__SECRET": server.secret, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    client = subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
    )
    # Over all of it: neither `readline` nor what is written to a client that hangs has a time-out of its own.
    late = threading.Event()
    watch = threading.Timer(RUN_MAX, lambda: (late.set(), client.kill()))
    watch.start()
    try:
        if mode == "storm" and client.stdout.readline() == "standing\n":
            server.restart()
            # Of one that has ended meanwhile the exit code says more.
            with suppress(BrokenPipeError):
                client.stdin.write(f"go {server.pid}\n")
                client.stdin.flush()
        client.communicate()
        return client.returncode
    finally:
        watch.cancel()
        if client.poll() is None:
            client.kill()
            client.wait()
        if late.is_set():
            raise Failed(f"rollcall-bench {mode}: not done after {RUN_MAX} s")
