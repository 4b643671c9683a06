"""Fixtures: one gateway for the tests with default settings, and clients that are closed at a test's end."""
import pytest

from support.client import MODES, Client
from support.server import Server
from support.tokens import token_of


@pytest.fixture(scope="session")
def server():
    with Server() as running:
        yield running


@pytest.fixture(params=MODES)
def mode(request):
    return request.param


@pytest.fixture
def open_client():
    """Opens clients; closes them when the test ends."""
    opened = []

    def opener(*args, **options):
        opened.append(Client(*args, **options))
        return opened[-1]

    yield opener
    for client in opened:
        client.close()


@pytest.fixture
def join(open_client):
    """Opens a client of `user` and waits for its `ready`."""

    def joiner(server, mode, user, **auth):
        client = open_client(server, mode, auth={"token": token_of(user), **auth})
        client.ready()
        return client

    return joiner
