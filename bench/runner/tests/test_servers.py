"""Servers are started, found and ended, with a made-up peer."""

import os

import pytest

from runner import servers

SERVE = """#!/usr/bin/env bash
echo "on port $PORT with a secret of ${#SECRET} characters"
echo listening
exec sleep 60
"""


@pytest.fixture
def peer(tmp_path, monkeypatch):
    def make(text):
        folder = tmp_path / "fake"
        folder.mkdir()
        (folder / "serve").write_text(text, encoding="utf-8")
        (folder / "serve").chmod(0o755)
        monkeypatch.setattr(servers, "PEERS", tmp_path)
        return servers.Server("fake", "s" * 32, tmp_path / "log")

    return make


def is_alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def test_a_server_listens_and_is_gone_afterwards(peer):
    with peer(SERVE) as server:
        pid = server.pid
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            parent = stat.read().rsplit(")", 1)[1].split()[1]
        assert int(parent) == os.getpid(), "what pins the server becomes it and does not stand before it"
    assert not is_alive(pid)
    assert f"on port {server.port} with a secret of 32 characters" in server.log.read_text(encoding="utf-8")


def test_a_restart_keeps_the_port_and_changes_the_process(peer):
    with peer(SERVE) as server:
        pid, port = server.pid, server.port
        server.restart()
        assert server.port == port and server.pid != pid and not is_alive(pid)


def test_a_server_that_ends_at_once_is_told(peer):
    with pytest.raises(servers.Failed, match="fake did not say that it listens"):
        peer("#!/bin/sh\nexit 3\n").start()


def test_a_server_says_that_it_listens_in_its_own_words():
    assert servers.says_listening("listening\n")
    assert servers.says_listening('{"level":"INFO","message":"listening","address":"127.0.0.1:1"}\n')
    for line in ["not listening\n", '{"message":"listening soon"}', '"listening"', "[]", ""]:
        assert not servers.says_listening(line), line


def test_only_limits_that_the_build_knows_are_lifted():
    printed = 'data_dir = "x"\n\n[limits]\nmailbox = 1\nsessions_per_user = 100\n\n[log]\nlevel = "info"\n'
    assert servers.keys(printed) == {"data_dir", "limits.mailbox", "limits.sessions_per_user", "log.level"}


def test_a_peer_that_cannot_say_what_it_is_fails(peer):
    server = peer(SERVE)
    with pytest.raises(servers.Failed, match="describe"):
        servers.describe("fake")
    describe = server.log.parent / "fake" / "describe"
    describe.write_text("#!/bin/sh\necho half of it\nexit 4\n", encoding="utf-8")
    describe.chmod(0o755)
    with pytest.raises(servers.Failed, match="exit 4"):
        servers.describe("fake")
    describe.write_text("#!/bin/sh\necho fake: 1.0\n", encoding="utf-8")
    assert servers.describe("fake") == "fake: 1.0"
