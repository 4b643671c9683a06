"""What a stock client does with its user's other sessions, and what they do with it."""
import time

import jwt
import requests

from support.client import NAMESPACE, PATIENCE_S
from support.server import SECRET, Server
from support.tokens import new_user


def login_token(user, login, lifetime=3600):
    """A token of `user` that belongs to `login`."""
    now = int(time.time())
    claims = {"sub": user, "sid": login, "iat": now, "exp": now + lifetime}
    return jwt.encode(claims, SECRET, algorithm="HS256")


def joined(open_client, server, mode, user, login, **auth):
    client = open_client(server, mode, auth={"token": login_token(user, login), **auth})
    client.ready()
    return client


def ask(client, name, argument=None):
    return client.sio.call(name, argument, namespace=NAMESPACE, timeout=PATIENCE_S)


def test_one_login_ends_another_which_stays_away(server, mode, open_client):
    user = new_user()
    laptop = joined(open_client, server, mode, user, "laptop")
    phone = joined(open_client, server, mode, user, "phone")
    laptop.list_is([laptop.id, phone.id])
    answer = ask(laptop, "sessions:revoke", {"socketId": phone.id})
    assert answer == {"ok": True, "revoked": 1, "held": "login"}
    error, reason = phone.end()
    assert (error["code"], reason) == ("session_revoked", "server disconnect")
    phone.stays_away()
    laptop.list_is([laptop.id])
    again = open_client(server, mode, auth={"token": login_token(user, "phone")})
    assert again.end()[0]["code"] == "token_revoked"


def test_all_other_logins_are_signed_out_while_the_own_tabs_stay(server, mode, open_client):
    user = new_user()
    tabs = [joined(open_client, server, mode, user, "laptop") for _ in range(2)]
    phone = joined(open_client, server, mode, user, "phone")
    tabs[0].list_is([tab.id for tab in tabs] + [phone.id])
    assert ask(tabs[0], "sessions:revoke", {"others": True})["revoked"] == 1
    assert phone.end()[0]["code"] == "session_revoked"
    for tab in tabs:
        tab.list_is([each.id for each in tabs])
        assert not tab.all("disconnect")


def test_who_sleeps_past_the_end_of_its_token_comes_back_with_a_new_one(mode, open_client):
    user, lifetimes = new_user(), [4]

    def auth():
        return {"token": login_token(user, "laptop", lifetimes.pop() if lifetimes else 900)}

    with Server(IDENTITY__LEEWAY="0s") as server:
        client = open_client(server, mode, auth=auth)
        before = client.ready()["socketId"]
        error, reason = client.end()
        assert (error["code"], reason) == ("token_expired", "transport error")
        after = client.ready(2)["socketId"]
        assert before != after
        client.list_is([after])
        client.close()


def test_a_token_is_refreshed_in_place(server, mode, open_client):
    user = new_user()
    client = open_client(server, mode, auth={"token": login_token(user, "laptop", 50)})
    assert client.event("sessions:expiring")[0]["expiresIn"] <= 50
    answer = ask(client, "sessions:refresh", {"token": login_token(user, "laptop", 900)})
    assert answer["ok"] and answer["expiresIn"] > 800
    assert ask(client, "sessions:list")["sessions"][0]["socketId"] == client.id


def test_messages_carry_attachments_both_ways(server, mode, open_client):
    user = new_user()
    one, two = (joined(open_client, server, mode, user, login) for login in ("a", "b"))
    one.list_is([one.id, two.id])
    for sender, receiver in ((one, two), (two, one)):
        data = {"name": "stroke", "points": [b"\x00\xff\x07", b"second"]}
        answer = ask(sender, "sessions:send", {"to": receiver.id, "event": "draw", "data": data})
        assert answer == {"ok": True, "delivered": 1, "complete": True}
        (message,) = receiver.event("sessions:message")
        assert (message["from"], message["event"], message["data"]) == (sender.id, "draw", data)


def test_one_session_too_many_is_refused(mode, open_client):
    with Server(LIMITS__SESSIONS_PER_USER=1) as server:
        user = new_user()
        first = joined(open_client, server, mode, user, "a")
        second = open_client(server, mode, auth={"token": login_token(user, "b")})
        error, reason = second.end()
        assert (error["code"], reason) == ("too_many_sessions", "server disconnect")
        # The cap never applies to HTTP: whoever is shut out ends the others there, and gets in.
        headers = {"Authorization": f"Bearer {login_token(user, 'b')}"}
        answer = requests.delete(f"{server.url}/api/sessions?scope=others", headers=headers, timeout=PATIENCE_S)
        assert answer.json() == {"revoked": 1, "held": "login"}
        assert first.end()[0]["code"] == "session_revoked"
        third = open_client(server, mode, auth={"token": login_token(user, "b")})
        third.ready()
        third.list_is([third.id])
        third.close()


def test_the_ghost_of_a_client_that_changed_networks_is_gone_when_it_comes_back(server, mode, open_client):
    user = new_user()
    witness = joined(open_client, server, mode, user, "tablet")
    ghost = joined(open_client, server, mode, user, "phone")
    witness.list_is([witness.id, ghost.id])
    back = joined(open_client, server, mode, user, "phone", replaces=ghost.id)
    witness.list_is([witness.id, back.id])
    assert ghost.end()[0]["code"] == "session_evicted"
