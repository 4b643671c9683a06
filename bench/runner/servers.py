"""Starts and stops what is measured: Rollcall, and the peers by the three programs in their folders. Ends only what it
has started. Does not know what is measured."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "bench" / "peers"
# Where cargo puts what it builds.
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
SERVER_CORE, CLIENT_CORE = 0, 1
# Seconds that a server may take to listen, and to end.
START_MAX, STOP_MAX = 60, 10


class Failed(Exception):
    """A server or a build that did not do what it must."""


@contextmanager
def as_failed():
    """What the system or a parser says against one run ends that run, and not all of them."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise Failed(f"{type(error).__name__}: {error}") from error


def pins():
    """Whether there are two cores, and taskset(1)."""
    return (os.cpu_count() or 1) >= 2 and shutil.which("taskset") is not None


def pinned(core, command):
    """`command` on one core, where that can be."""
    return ["taskset", "--cpu-list", str(core), *command] if pins() else command


def free_port():
    """A port that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def install(name, quiet=True):
    """Installs and builds a peer."""
    output = subprocess.run([PEERS / name / "install"], capture_output=quiet, text=True, check=False)
    if output.returncode:
        said = tail((output.stdout or "") + (output.stderr or ""))
        raise Failed(f"bench/peers/{name}/install: exit {output.returncode}\n{said}")


def describe(name):
    """One line: what is measured, with its versions."""
    if name != "rollcall":
        return said_by([PEERS / name / "describe"])
    version = said_by([RELEASE / "rollcall", "--version"]).removeprefix("rollcall ")
    tree = said_by(["cargo", "tree", "--quiet", "--locked", "--depth", "1", "--prefix", "none", "-p", "rollcall"])
    allocator = next((line for line in tree.splitlines() if line.startswith("tikv-jemallocator ")), None)
    if allocator is None:
        raise Failed("cargo tree -p rollcall: no tikv-jemallocator, so another allocator has to be named here")
    rustc = " ".join(said_by(["rustc", "--version"]).split()[:2])
    return f"rollcall: {version}, {' '.join(allocator.split()[:2])}, {rustc}"


def said_by(command):
    """What a program prints that must not fail."""
    with as_failed():
        output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if output.returncode or not output.stdout.strip():
        raise Failed(f"{command[0]}: exit {output.returncode}\n{tail(output.stdout + output.stderr)}")
    return output.stdout.strip()


class Server:
    """One system that runs, or does not run just now; a context manager that leaves nothing behind."""

    def __init__(self, name, secret, log):
        self.name = name
        self.secret = secret
        self.log = log
        self.port = free_port()
        self.process = None
        self.folder = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        """The process of the server itself: both `taskset` and the programs of the peers become it."""
        return self.process.pid

    def start(self):
        """Starts it and returns once it listens."""
        self.folder = tempfile.mkdtemp(prefix="rollcall-bench-")
        command, env = self._command()
        self.process = subprocess.Popen(
            pinned(SERVER_CORE, command),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        heard, listens = threading.Event(), []
        threading.Thread(target=self._read, args=(self.process, heard, listens), daemon=True).start()
        heard.wait(START_MAX)
        if not listens:
            self.stop()
            raise Failed(f"{self.name} did not say that it listens; see {self.log}")

    def stop(self, with_signal=signal.SIGTERM):
        """Ends it, and waits until it has ended."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(with_signal)
            try:
                self.process.wait(STOP_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    def restart(self):
        """Kills it, so that it says goodbye to nobody, and starts it again on the same port."""
        self.stop(signal.SIGKILL)
        self.start()

    def _command(self):
        env = {name: value for name, value in os.environ.items() if not name.startswith("ROLLCALL_")}
        if self.name != "rollcall":
            env |= {"PORT": str(self.port), "SECRET": self.secret}
            return [str(PEERS / self.name / "serve")], env
        env |= {
            "ROLLCALL_DATA_DIR": self.folder,
            "ROLLCALL_IDENTITY__SECRET": self.secret,
            "ROLLCALL_LOG__FORMAT": "json",
            "ROLLCALL_SHUTDOWN__DRAIN": "0s",
        }
        env |= lifted_limits()
        return [str(RELEASE / "rollcall"), "serve", "--listen", f"127.0.0.1:{self.port}"], env

    def _read(self, process, heard, listens):
        """Keeps what it says; notes in `listens` that it listens, and sets `heard` then or when it has ended."""
        with open(self.log, "a", encoding="utf-8") as log:
            for line in process.stdout:
                log.write(line)
                if says_listening(line):
                    listens.append(True)
                    heard.set()
        heard.set()


def says_listening(line):
    """Whether a line of a server's output says that it is ready."""
    if line.strip() == "listening":
        return True
    try:
        return json.loads(line).get("message") == "listening"
    except (ValueError, AttributeError):
        return False


def lifted_limits():
    """Limits that a load of so many sessions of so few users from one machine would meet, and that this build knows."""
    if not hasattr(lifted_limits, "known"):
        with tempfile.TemporaryDirectory() as folder:
            env = {"PATH": os.environ.get("PATH", ""), "ROLLCALL_DATA_DIR": folder}
            command = [RELEASE / "rollcall", "config", "print"]
            printed = subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout
        lifted_limits.known = keys(printed)
    return {
        "ROLLCALL_" + key.upper().replace(".", "__"): value
        for key, value in LIFTED.items()
        if key in lifted_limits.known
    }


def keys(printed):
    """The keys of a configuration, with their sections: `limits.mailbox`."""
    section, found = "", set()
    for line in printed.splitlines():
        if line.startswith("["):
            section = line.strip("[]") + "."
        elif "=" in line:
            found.add(section + line.split("=", 1)[0].strip())
    return found


def tail(text, lines=15):
    """The last lines."""
    return "\n".join(text.strip().splitlines()[-lines:])


# The fan-out and the burst seat more sessions of a user than a person has.
LIFTED = {"limits.sessions_per_user": "2000", "limits.sessions_per_login": "2000"}
