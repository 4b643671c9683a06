"""Starts and stops one gateway: a child process on a free port with a data folder of its own.

Knows the command line and the log line that names the port, nothing of the protocol.
"""
import atexit
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import urllib.request

# The gateway under test is given this secret; `tokens` signs with it. At least 32 bytes.
SECRET = "e2e-secret-of-forty-bytes-for-tests-only"

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = ROOT / os.environ.get("ROLLCALL_BIN", "target/debug/rollcall")
# Seconds that a start, and an exit after SIGTERM beyond the drain, may take on a loaded machine.
START_S = 30
EXIT_S = 15


class Server:
    """One gateway with its settings (names without the `ROLLCALL_` before them)."""

    def __init__(self, port=0, data_dir=None, **settings):
        self.data_dir = data_dir or tempfile.mkdtemp(prefix="rollcall-e2e-")
        self.log = []
        env = {name: value for name, value in os.environ.items() if not name.startswith("ROLLCALL_")}
        given = {"LOG__FORMAT": "json", "IDENTITY__SECRET": SECRET, "SHUTDOWN__DRAIN": "1s", **settings}
        env.update({f"ROLLCALL_{name}": str(value) for name, value in given.items()})
        env["ROLLCALL_DATA_DIR"] = self.data_dir
        self.env = env
        self.process = subprocess.Popen(
            [BINARY, "serve", "--listen", f"127.0.0.1:{port}"],
            cwd=self.data_dir,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        atexit.register(self.process.kill)  # none outlives its tests, however they end; no harm to one that has
        self._listening = threading.Event()
        self.port = None
        threading.Thread(target=self._read_log, daemon=True).start()
        if not self._listening.wait(START_S) or self.port is None:
            self.process.kill()
            raise RuntimeError(f"{BINARY} did not start: {self.log}")
        self.url = f"http://127.0.0.1:{self.port}"

    def _read_log(self):
        for line in self.process.stderr:
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"message": line}
            self.log.append(entry)
            fields = {**entry, **entry.get("fields", {})}
            if fields.get("message") == "listening" and "address" in fields:
                self.port = int(fields["address"].rsplit(":", 1)[1])
                self._listening.set()
        self._listening.set()  # the log ended: nothing more is to be waited for

    def run(self, *arguments):
        """What another command says on the same data; it must end with 0."""
        done = subprocess.run(
            [BINARY, *arguments], cwd=self.data_dir, env=self.env, capture_output=True, text=True, timeout=START_S
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stop(self, keep_data=False):
        """Ends the gateway by SIGTERM and asserts that it exits with 0."""
        self.process.terminate()
        try:
            code = self.process.wait(EXIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = "none: still running"
        if not keep_data:
            shutil.rmtree(self.data_dir, ignore_errors=True)
        assert code == 0, f"exit code {code}; log: {self.log[-20:]}"
        assert not any("panicked at" in json.dumps(line) for line in self.log), "the gateway panicked"

    def metric(self, name):
        """The value of a metric, its labels included in the name; 0 when it has never been counted."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name} "))

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self.process.poll() is None or kind is None:
            self.stop()
