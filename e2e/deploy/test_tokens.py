"""docs/tokens.md: the entry of each provider takes what that provider signs, and not what it must not take.

The providers themselves are not asked: tokens have the claims that each documents, and a stub publishes the key.
"""
import base64
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import jwt
import pytest

from conftest import run
from snippets import ROOT, all_blocks

SECRET = "kT9zLqv28RmWp5xYbN4cHd7sJf1gQe6u"


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Provider:
    """An RSA key and the set that it is published in."""

    def __init__(self, folder):
        self.key = folder / "key.pem"
        run("openssl", "genrsa", "-out", self.key, "2048")
        modulus = bytes.fromhex(run("openssl", "rsa", "-in", self.key, "-noout", "-modulus").stdout.strip().split("=")[1])
        jwk = {"kty": "RSA", "kid": "k", "alg": "RS256", "use": "sig", "n": encode(modulus), "e": "AQAB"}
        body = json.dumps({"keys": [jwk]}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"

    def sign(self, claims):
        import subprocess

        head = {"alg": "RS256", "kid": "k", "typ": "JWT"}
        signed = ".".join(encode(json.dumps(part).encode()) for part in (head, claims))
        command = ["openssl", "dgst", "-sha256", "-sign", self.key]
        signature = subprocess.run(command, input=signed.encode(), capture_output=True, check=True).stdout
        return f"{signed}.{encode(signature)}"


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    return Provider(tmp_path_factory.mktemp("provider"))


# What each provider says in an access token, and changes that make one of them another application's, or no access token.
CLAIMS = {
    "auth0": (
        {
            "iss": "https://example.eu.auth0.com/", "sub": "auth0|5f7c8ec7c33c6c004bbafe82", "azp": "YOUR_APPLICATION",
            "aud": ["https://api.example.org", "https://example.eu.auth0.com/userinfo"], "scope": "openid profile",
            "https://example.org/sid": "d5bbxyz",
        },
        [{"aud": "YOUR_APPLICATION"}, {"iss": "https://example.eu.auth0.com"}],
    ),
    "keycloak": (
        {
            "iss": "https://id.example.org/realms/shop", "sub": "f0e1d2c3-0000-4000-8000-000000000000", "typ": "Bearer",
            "azp": "web", "aud": ["https://api.example.org", "account"], "sid": "8c5a2d3e", "scope": "openid",
        },
        [{"typ": "ID", "aud": "web"}, {"typ": "ID"}, {"aud": "account"}],
    ),
    "supabase": (
        {
            "iss": "https://abcdefghijklmnopqrst.supabase.co/auth/v1", "aud": "authenticated", "role": "authenticated",
            "sub": "123e4567-e89b-12d3-a456-426614174000", "session_id": "123e4567", "aal": "aal1",
            "is_anonymous": False, "email": "ada@example.org", "phone": "",
        },
        [{"role": "anon"}, {"aud": "anon"}],
    ),
    "clerk": (
        {
            "iss": "https://clerk.example.org", "sub": "user_2abc", "sid": "sess_2abc", "v": 2, "fva": [1, -1],
            "azp": "https://app.example.org", "sts": "active",
        },
        [{"azp": "https://other.example.org"}, {"azp": None}],
    ),
    "firebase": (
        {
            "iss": "https://securetoken.google.com/your-project", "aud": "your-project", "sub": "Xk8923H9", "user_id": "Xk8923H9",
            "auth_time": 1_700_000_000, "firebase": {"identities": {}, "sign_in_provider": "password"},
        },
        [{"aud": "other-project"}, {"iss": "https://securetoken.google.com/other-project"}],
    ),
}


def entries():
    """By the entry's name: the block of the page."""
    page = [block for block in all_blocks("toml") if block.page == ROOT / "docs/tokens.md"]
    named = {re.search(r'^name = "(.*)"', block.text, re.M): block.text for block in page}
    return {name[1]: text for name, text in named.items() if name}


def test_every_entry_of_the_page_is_tried():
    assert entries().keys() == CLAIMS.keys()


def outcome(server, token):
    from support.client import Client

    client = Client(server, "websocket", {"token": token})
    told = client.until("an answer", lambda: client.all("sessions:ready") or client.all("sessions:error"))
    client.close()
    return told[0][0]


@pytest.mark.parametrize("name", CLAIMS)
def test_an_entry_takes_the_tokens_of_its_provider_and_no_others(name, provider, tmp_path):
    from support.server import Server

    text = re.sub(r'jwks_url = "[^"]*"', f'jwks_url = "{provider.url}"', entries()[name])
    (tmp_path / "rollcall.toml").write_text(text)
    claims, others = CLAIMS[name]
    now = int(time.time())
    claims = {**claims, "iat": now, "exp": now + 3600}
    with Server(CONFIG=tmp_path / "rollcall.toml") as server:
        ready = outcome(server, provider.sign(claims))
        assert "sessions" in ready, ready
        # A refreshed token is of the same login.
        refreshed = outcome(server, provider.sign({**claims, "iat": now - 5, "exp": now + 3000}))
        assert refreshed["sessions"][-1]["login"] == ready["sessions"][-1]["login"]
        for change in others:
            wrong = {key: value for key, value in {**claims, **change}.items() if value is not None}
            assert outcome(server, provider.sign(wrong))["code"] == "token_invalid", change


def test_a_secret_that_is_shared_signs_for_an_application_of_ones_own(tmp_path):
    from support.server import Server

    (text,) = [block.text for block in all_blocks("toml") if "secret_file" in block.text and "tokens.md" in str(block.page)]
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    (tmp_path / "rollcall.toml").write_text(text.replace("/etc/rollcall/secret", str(secret)))
    now = int(time.time())
    claims = {"sub": "7", "sid": "login", "iss": "https://api.example.org", "aud": "rollcall", "iat": now, "exp": now + 900}
    with Server(CONFIG=tmp_path / "rollcall.toml", IDENTITY__SECRET=SECRET) as server:
        assert "sessions" in outcome(server, jwt.encode(claims, SECRET, algorithm="HS256"))
        wrong = jwt.encode({**claims, "aud": "other"}, SECRET, algorithm="HS256")
        assert outcome(server, wrong)["code"] == "token_invalid"
