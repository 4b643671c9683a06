"""`rollcall sessions watch` in a terminal: a table that follows, and a terminal that is as before afterwards."""
import os
import pty
import re
import select
import signal
import subprocess
import time

from support.client import PATIENCE_S, Client
from support.server import BINARY, Server
from support.tokens import new_user, token_of


class Terminal:
    """What a command writes into a terminal of 24 rows."""

    def __init__(self, server, *arguments, **environment):
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [BINARY, *arguments], cwd=server.data_dir, env={**server.env, **environment},
            stdin=theirs, stdout=theirs, stderr=theirs,
        )
        os.close(theirs)
        self.text = ""

    def until(self, pattern):
        deadline = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.text, re.S):
            left = deadline - time.monotonic()
            assert left > 0, f"no {pattern!r} in {self.text[-2000:]!r}"
            if select.select([self.ours], [], [], min(left, 0.2))[0]:
                try:
                    self.text += os.read(self.ours, 65536).decode()
                except OSError:  # its end
                    assert re.search(pattern, self.text, re.S), self.text[-2000:]


def test_the_table_follows_and_the_terminal_is_given_back():
    with Server() as server:
        user = new_user()
        key = server.run("key", "new", "--api", "--name", "n", "--issuer", "built-in", "--scope", "read").strip()
        first = Client(server, "websocket", {"token": token_of(user)})
        first.ready()
        watch = ["sessions", "watch", "--user", user, "--interval", "200ms", "--url", server.url]
        # A server learns of a key within seconds; until then the command ends.
        for _ in range(100):
            terminal = Terminal(server, *watch, ROLLCALL_API_KEY=key)
            time.sleep(0.3)
            if terminal.process.poll() is None:
                break
        terminal.until(rf"\x1b\[\?1049h.*sessions: 1.*{re.escape(first.id)}")
        second = Client(server, "websocket", {"token": token_of(user), "context": "tab \x1b[2J"})
        second.ready()
        terminal.until(rf"sessions: 2.*\+[^\n]*{re.escape(second.id)}")
        assert "\x1b[2J" not in terminal.text
        first.close()
        terminal.until(r"sessions: 2.*sessions: 1")
        terminal.process.send_signal(signal.SIGINT)
        terminal.until(r"\x1b\[\?25h\x1b\[\?1049l$")
        assert terminal.process.wait(PATIENCE_S) == 0
        second.close()
