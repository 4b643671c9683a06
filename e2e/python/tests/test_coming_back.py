"""The ends that a client comes back from by itself, with a new token."""
import pathlib
import sqlite3
import time

import pytest

from support.server import Server
from support.tokens import new_user, token_of

# Seconds that the gateway may take to notice that SQL is away or back.
NOTICE_S = 60


class Auth:
    """Gives a token and counts how often it was asked."""

    def __init__(self, user=None):
        self.user = user or new_user()
        self.asked = 0

    def __call__(self):
        self.asked += 1
        return {"token": token_of(self.user)}


def test_server_shutdown_is_told_and_the_client_comes_back(mode, open_client):
    first, auth = Server(), Auth()
    client = open_client(first, mode, auth=auth)
    client.ready()
    before = client.id
    first.stop(keep_data=True)
    error, reason = client.end()
    assert error["code"] == "server_shutdown"
    assert reason == "transport error"
    with Server(port=first.port, data_dir=first.data_dir):
        ready = client.ready(2)
        assert ready["socketId"] == client.id != before
        assert auth.asked >= 2
        client.close()


def test_rate_limited_ends_the_transport_and_the_client_comes_back(mode, open_client, join):
    # A client whose writer takes its own end mark together with packets notices only a heartbeat and 5 s later: a short
    # heartbeat keeps that within the patience of the test.
    with Server(
        LIMITS__PACKETS_PER_SECOND=5,
        LIMITS__PACKETS_BURST=50,
        HEARTBEAT__INTERVAL_MS=3000,
        HEARTBEAT__TIMEOUT_MS=3000,
    ) as server:
        auth = Auth()
        bystander = join(server, mode, auth.user)
        client = open_client(server, mode, auth=auth)
        client.ready()
        for at in range(200):
            if client.all("sessions:error"):
                break
            try:
                client.sio.emit("flood", at, namespace="/sessions")
            except Exception:  # the client may know of its end before the loop does
                break
        error, reason = client.end()
        assert error["code"] == "rate_limited"
        assert error["retryAfterMs"] > 0
        assert reason == "transport error"
        client.ready(2)
        assert auth.asked == 2
        assert bystander.all("disconnect") == []
        client.close()
        bystander.close()


def test_unavailable_is_told_while_sql_is_away_and_the_client_comes_back(mode, open_client):
    with Server(DATABASE__UNAVAILABLE_AFTER="1s") as server:
        database = hold(server.data_dir)
        wait_until_refused(server, open_client)
        auth = Auth()
        client = open_client(server, mode, auth=auth)
        error, reason = client.end()
        assert error["code"] == "unavailable"
        assert reason == "transport error"
        database.execute("ROLLBACK")
        database.close()
        client.until("ready after the return of SQL", lambda: client.all("sessions:ready"), NOTICE_S)
        assert auth.asked >= 2
        client.close()


def hold(data_dir):
    """Takes SQLite's write lock of the file in `data_dir` and gives the connection that holds it."""
    files = [path for path in pathlib.Path(data_dir).iterdir() if path.is_file()]
    file = next(path for path in files if path.read_bytes().startswith(b"SQLite format 3\0"))
    database = sqlite3.connect(file, timeout=30, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    return database


def wait_until_refused(server, open_client):
    """Connects until one is refused as unavailable."""
    deadline = time.monotonic() + NOTICE_S
    while time.monotonic() < deadline:
        probe = open_client(server, "websocket", auth={"token": token_of(new_user())})
        probe.until("an answer", lambda: probe.all("sessions:ready") or probe.all("sessions:error"))
        refused = probe.all("sessions:error")
        probe.close()
        if refused:
            assert refused[0][0]["code"] == "unavailable"
            return
        time.sleep(0.25)
    pytest.fail("never refused as unavailable")
