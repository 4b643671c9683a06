"""The gateway speaks TLS itself: the stock Python client over https and wss."""
import subprocess

import pytest
import requests

from support.client import MODES, Client
from support.server import Server
from support.tokens import new_user, token_of


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(
        [*command.split(), *names, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True
    )
    return files


@pytest.fixture(scope="module")
def server(certificate):
    paths = {"HTTP__TLS_CERTIFICATE_FILE": certificate[0], "HTTP__TLS_KEY_FILE": certificate[1]}
    with Server(**paths) as server:
        server.url = server.url.replace("http:", "https:")
        yield server


@pytest.mark.parametrize("mode", MODES)
def test_a_session_over_tls_sees_another_come_and_go(server, certificate, mode):
    auth = {"token": token_of(new_user())}
    first = Client(server, mode, auth, trusted=certificate[0])
    first.ready()
    second = Client(server, mode, auth, trusted=certificate[0])
    second.ready()
    first.list_is([first.id, second.id])
    second.close()
    first.list_is([first.id])
    first.close()


def test_what_is_asked_over_http_is_answered_over_tls(server, certificate):
    answer = requests.get(f"{server.url}/livez", verify=str(certificate[0]), timeout=20)
    assert answer.json() == {"status": "ok"}
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{server.url}/livez", timeout=20)
