"""What a session is told: ready, update, joins, leaves, and nothing of other users."""
import pytest

from support.tokens import new_user


def test_ready_comes_once_and_before_every_update(server, mode, join):
    user = new_user()
    client = join(server, mode, user)
    for _ in range(3):
        join(server, mode, user).close()
    client.list_is([client.id])
    assert client.names()[:3] == ["connect", "sessions:ready", "sessions:update"]
    assert client.names().count("sessions:ready") == 1


def test_ready_and_update_have_the_shapes_of_the_contract(server, mode, join):
    client = join(server, mode, new_user(), context="a-tab")
    ready = client.ready()
    sessions, about = client.event("sessions:update")
    assert ready["socketId"] == client.id
    assert ready["complete"] is True and about["complete"] is True
    assert about["revision"] >= ready["revision"]
    (item,) = ready["sessions"]
    assert sessions == [item]
    assert item["socketId"] == client.id
    assert item["metadata"]["ip"] == "127.0.0.1"
    assert item["metadata"]["context"] == "a-tab"


def test_revisions_rise_with_each_update(server, mode, join):
    user = new_user()
    client = join(server, mode, user)
    for _ in range(5):
        other = join(server, mode, user)
        client.list_is([client.id, other.id])
        other.close()
        client.list_is([client.id])
    revisions = [about["revision"] for _, about in client.all("sessions:update")]
    assert revisions == sorted(set(revisions))


def test_a_join_and_a_leave_reach_every_other_session(server, mode, join):
    user = new_user()
    clients = [join(server, mode, user) for _ in range(3)]
    for client in clients:
        client.list_is([each.id for each in clients])
    clients[2].close()
    for client in clients[:2]:
        client.list_is([each.id for each in clients[:2]])


def test_two_users_never_see_each_other(server, mode, join):
    ada, bob = new_user(), new_user()
    of_ada = [join(server, mode, ada), join(server, mode, ada)]
    of_bob = [join(server, mode, bob), join(server, mode, bob)]
    ids_of_bob = [client.id for client in of_bob]
    for client in of_ada:
        client.list_is([each.id for each in of_ada])
    of_bob[1].close()
    of_bob[0].list_is(ids_of_bob[:1])
    told = str([client.events for client in of_ada])
    assert not any(each in told for each in ids_of_bob)


def test_the_engine_sid_is_not_the_socket_id_and_is_told_to_nobody(server, mode, join):
    user = new_user()
    client = join(server, mode, user)
    other = join(server, mode, user)
    client.list_is([client.id, other.id])
    for each in (client, other):
        assert each.sio.eio.sid not in str([client.events, other.events, server.log])


def test_an_unknown_event_is_acknowledged_with_event_unknown(server, mode, join):
    client = join(server, mode, new_user())
    answer = client.sio.call("no:such:event", {"any": "thing"}, namespace="/sessions", timeout=10)
    assert (answer["ok"], answer["code"]) == (False, "event_unknown")


@pytest.mark.parametrize("namespace", ["/", "/nobody-serves-this"])
def test_another_namespace_is_refused(server, mode, namespace, open_client):
    client = open_client(server, mode, namespace=namespace)
    (error,) = client.event("connect_error")
    assert error["message"] == "Invalid namespace"
