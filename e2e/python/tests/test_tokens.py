"""Where a token may stand, and what a refused connect ends in."""
import pytest

from support.tokens import expired_token_of, forged_token_of, new_user, token_of

PLACES = {
    "auth": lambda token: {"auth": {"token": token}},
    "query": lambda token: {"query": f"?token={token.replace(' ', '%20')}"},
    "header": lambda token: {"headers": {"Authorization": token}},
}


@pytest.mark.parametrize("prefix", ["", "Bearer "])
@pytest.mark.parametrize("place", PLACES)
def test_a_token_in_each_place_lets_its_user_in(server, mode, place, prefix, open_client):
    client = open_client(server, mode, **PLACES[place](prefix + token_of(new_user())))
    assert client.ready()["socketId"] == client.id


@pytest.mark.parametrize("stronger, weaker", [("header", "auth"), ("header", "query"), ("auth", "query")])
def test_a_bad_token_is_not_rescued_by_a_good_one_in_a_later_place(server, mode, stronger, weaker, open_client):
    user = new_user()
    options = {**PLACES[stronger](forged_token_of(user)), **PLACES[weaker](token_of(user))}
    error, _ = open_client(server, mode, **options).end()
    assert error["code"] == "token_invalid"


@pytest.mark.parametrize("stronger, weaker", [("header", "auth"), ("header", "query"), ("auth", "query")])
def test_a_good_token_is_not_spoiled_by_a_bad_one_in_a_later_place(server, mode, stronger, weaker, open_client):
    user = new_user()
    options = {**PLACES[weaker](forged_token_of(user)), **PLACES[stronger](token_of(user))}
    open_client(server, mode, **options).ready()


REFUSED = {
    "token_missing": lambda: None,
    "token_invalid": lambda: {"token": forged_token_of("u")},
    "token_expired": lambda: {"token": expired_token_of("u")},
    "context_invalid": lambda: {"token": token_of("u"), "context": 7},
}


@pytest.mark.parametrize("code", REFUSED)
def test_a_refused_client_is_disconnected_by_the_server_and_stays_away(server, mode, code, open_client):
    client = open_client(server, mode, auth=REFUSED[code]())
    error, reason = client.end()
    assert error["code"] == code
    assert isinstance(error["message"], str) and error["message"]
    assert reason == "server disconnect"
    assert client.all("sessions:ready") == []
    client.stays_away()
