"""Every way in which a stock client can end shows in the lists of those that stay."""
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from support.client import MODES
from support.server import Server
from support.tokens import new_user, token_of

# A stock client in a process of its own, so that it can be killed or stopped as a person's device is.
ELSEWHERE = """
import sys
import socketio
client = socketio.Client()
client.connect(sys.argv[1], auth={"token": sys.argv[2]}, transports=sys.argv[3].split(","), namespaces=["/sessions"])
print(client.get_sid("/sessions"), flush=True)
client.wait()
"""
# python-socketio keeps three threads a client: as many as one process carries well.
TABS = 40


class Elsewhere:
    """The process, and the socket id of its client."""

    def __init__(self, server, mode, user):
        arguments = [server.url, token_of(user), ",".join(MODES[mode])]
        self.process = subprocess.Popen(
            [sys.executable, "-c", ELSEWHERE, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=pathlib.Path(__file__).parent,
        )
        self.id = self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


def test_a_client_that_disconnects_leaves_the_list(server, mode, join):
    user = new_user()
    staying, leaving = join(server, mode, user), join(server, mode, user)
    staying.list_is([staying.id, leaving.id])
    leaving.close()
    staying.list_is([staying.id])


def test_a_client_whose_process_is_killed_leaves_the_list(mode, join):
    # A poller is missed at its next poll or at its heartbeat, whichever comes first.
    with Server(HEARTBEAT__INTERVAL_MS=2000, HEARTBEAT__TIMEOUT_MS=2000) as server:
        user = new_user()
        staying = join(server, mode, user)
        with Elsewhere(server, mode, user) as leaving:
            staying.list_is([staying.id, leaving.id])
        staying.list_is([staying.id])
        staying.close()


def test_a_client_that_stands_still_leaves_the_list_by_ping_timeout(mode, join):
    with Server(HEARTBEAT__INTERVAL_MS=2000, HEARTBEAT__TIMEOUT_MS=2000) as server:
        user = new_user()
        staying = join(server, mode, user)
        with Elsewhere(server, mode, user) as leaving:
            staying.list_is([staying.id, leaving.id])
            os.kill(leaving.process.pid, signal.SIGSTOP)
            staying.list_is([staying.id])
            assert server.metric('rollcall_session_ends_total{reason="ping_timeout"}') == 1
        staying.close()


@pytest.mark.parametrize("mode", ["websocket", "upgrade"])
def test_after_many_tabs_joined_and_half_of_them_left_the_list_is_right_for_everybody(server, mode, join):
    user = new_user()
    tabs = [join(server, mode, user) for _ in range(TABS)]
    for tab in tabs:
        tab.list_is([each.id for each in tabs])
    for tab in tabs[1::2]:
        tab.close()
    for tab in tabs[::2]:
        tab.list_is([each.id for each in tabs[::2]])
        assert tab.names().count("sessions:ready") == 1
