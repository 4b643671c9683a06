"""A stock python-socketio client with a notebook: what it was told, in order, and ways to wait for it."""
import threading
import time

import requests
import socketio

NAMESPACE = "/sessions"
# The three ways a stock client reaches the gateway; each test of a behaviour runs once for each.
MODES = {"websocket": ["websocket"], "polling": ["polling"], "upgrade": ["polling", "websocket"]}
# Seconds that an awaited event may take on a loaded machine.
PATIENCE_S = 20


class Client:
    """Opens a connection; `auth` is a dictionary or a function that is asked at each connect.

    `trusted` is a file of certificates that are, over TLS.
    """

    def __init__(self, server, mode, auth=None, query="", headers=None, namespace=NAMESPACE, trusted=None):
        self.events = []
        self.namespace = namespace
        self._changed = threading.Condition()
        tls = {}
        if trusted:
            session = requests.Session()
            session.verify = str(trusted)
            session.trust_env = False  # where the environment names other certificates, they would win
            tls = {"http_session": session}
        self.sio = socketio.Client(
            reconnection_delay=0.1, reconnection_delay_max=0.3, randomization_factor=0, **tls
        )
        self.sio.on("connect", lambda: self._note("connect"), namespace=namespace)
        self.sio.on("disconnect", lambda reason: self._note("disconnect", reason), namespace=namespace)
        self.sio.on("connect_error", lambda *data: self._note("connect_error", *data), namespace=namespace)
        self.sio.on("*", self._note, namespace=namespace)
        self.sio.connect(
            server.url + query,
            headers=headers or {},
            auth=auth,
            transports=MODES[mode],
            namespaces=[namespace],
            wait=False,
        )

    def _note(self, name, *args):
        with self._changed:
            self.events.append((name, args))
            self._changed.notify_all()

    @property
    def id(self):
        return self.sio.get_sid(self.namespace)

    def names(self):
        return [name for name, _ in self.events]

    def all(self, name):
        """The arguments of every event `name` so far."""
        return [args for told, args in self.events if told == name]

    def ids(self):
        """The socket ids of the newest list; `None` before the first."""
        for name, args in reversed(self.events):
            if name == "sessions:update":
                return [item["socketId"] for item in args[0]]
            if name == "sessions:ready":
                return [item["socketId"] for item in args[0]["sessions"]]
        return None

    def until(self, what, probe, patience=PATIENCE_S):
        """Waits until `probe()` is truthy, looked at after each event, and returns what it gave."""
        deadline = time.monotonic() + patience
        with self._changed:
            while not (result := probe()):
                left = deadline - time.monotonic()
                assert left > 0, f"waited {patience} s for {what}; was told: {str(self.events)[:3000]}"
                self._changed.wait(left)
            return result

    def event(self, name, nth=1):
        """The arguments of the `nth` event `name`, from 1."""
        return self.until(f"{name} number {nth}", lambda: (self.all(name)[nth - 1 :] or [None])[0])

    def ready(self, nth=1):
        return self.event("sessions:ready", nth)[0]

    def list_is(self, ids):
        self.until(f"the list {ids}", lambda: sorted(self.ids() or []) == sorted(ids))

    def end(self):
        """The payload of `sessions:error`, which is the last event, and the reason of the disconnect."""
        (error,) = self.event("sessions:error")
        (reason,) = self.event("disconnect")
        names = self.names()
        assert names[names.index("sessions:error") + 1] == "disconnect", names
        return error, reason

    def stays_away(self):
        """Asserts that the client has given up: no connection, no task that tries again."""
        self.sio.eio.wait()
        time.sleep(0.5)  # several times the first back-off, so that an attempt would show
        assert not self.sio.connected
        assert self.sio._reconnect_task is None
        assert len(self.all("connect")) <= 1

    def close(self):
        if self.sio._reconnect_task is not None:
            self.sio._reconnect_abort.set()
        self.sio.disconnect()
