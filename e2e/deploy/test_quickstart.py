"""The quick start, from its first command to its last, as somebody types it: in one folder, several windows."""
import os
import re
import shutil
import socket
import subprocess
import time

import pytest

from snippets import ROOT, blocks, commands

PAGE = ROOT / "docs/quickstart.md"
# Seconds for anything on a loaded machine.
PATIENCE = 60


class Desk:
    """A folder, the program on the path, and windows in which something runs."""

    def __init__(self, folder, binary):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = "127.0.0.1:%d" % free.getsockname()[1]
        self.folder = folder
        programs = folder / "bin"
        programs.mkdir()
        (programs / "rollcall").symlink_to(binary)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ROLLCALL_")}
        self.environment = {
            **environment,
            "PATH": f"{programs}:{environment['PATH']}",
            # The page's own address may be taken on this machine.
            "ROLLCALL_HTTP__LISTEN": self.address,
            "ROLLCALL_SHUTDOWN__DRAIN": "0s",
        }
        self.windows = []

    def here(self, command):
        return command.replace("127.0.0.1:3000", self.address)

    def types(self, command):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.here(command)],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def leaves_running(self, command):
        log = (self.folder / f"window-{len(self.windows)}").open("w+")
        window = subprocess.Popen(
            ["bash", "-c", f"exec env {self.here(command)}"], cwd=self.folder, env=self.environment, stdout=log, stderr=log
        )
        window.log = log
        self.windows.append(window)
        return window

    def reads(self, window, pattern):
        deadline = time.monotonic() + PATIENCE
        while True:
            window.log.seek(0)
            text = window.log.read()
            if re.search(pattern, text, re.M):
                return text
            assert time.monotonic() < deadline and window.poll() is None, f"no {pattern!r} in {text!r}"
            time.sleep(0.05)


@pytest.fixture
def desk(tmp_path, binary):
    desk = Desk(tmp_path, binary)
    yield desk
    for window in reversed(desk.windows):
        window.terminate()
        window.wait(20)


def test_every_command_of_the_quick_start_does_what_it_says(desk):
    shell = [block for block in blocks(PAGE) if block.language == "sh"]
    serve, doctor, register, mint, install, watch, key, *rest = shell
    server = desk.leaves_running(commands(serve)[0])
    desk.reads(server, "listening")
    assert "A server would start" in desk.types(doctor.text) or "All is well" in desk.types(doctor.text)
    assert '"access_token"' in desk.types(register.text)
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", desk.types(mint.text))

    # What `npm install` would fetch is there already.
    assert commands(install) == ["npm install --no-save socket.io-client"]
    (desk.folder / "node_modules").symlink_to(ROOT / "e2e/js/node_modules")
    (script,) = [block for block in blocks(PAGE) if block.language == "js"]
    (desk.folder / "watch.mjs").write_text(desk.here(script.text))
    first = desk.leaves_running(commands(watch)[0])
    desk.reads(first, r"^tab-1$")
    second = desk.leaves_running(commands(watch)[0].replace("tab-1", "tab-2"))
    desk.reads(first, r"^tab-1, tab-2$")
    desk.reads(second, r"^tab-1, tab-2$")

    desk.types(key.text)
    (calls,) = rest
    listing, ending, again = commands(calls)
    deadline = time.monotonic() + PATIENCE
    while True: # a server learns of a key within seconds
        try:
            listed = desk.types(listing)
            break
        except AssertionError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert "tab-1" in listed and "tab-2" in listed
    assert desk.types(again).count("\n") == 2
    assert '"revoked":2' in desk.types(ending)
    desk.reads(first, r"^session_revoked")
    assert desk.types(again) == ""
    assert shutil.which("rollcall", path=desk.environment["PATH"])
