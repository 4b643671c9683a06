"""What `/openapi.json` says is what a running server does: no 5xx, no answer that is not described."""
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

from support.server import Server
from support.tokens import new_user, token_of

# What an answer is judged by. Whether odd input must be refused is not among it: fields that nobody asks for are ignored.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
]
# After any of these the token that everything else is tried with opens nothing any more.
LAST = ["logout", "endOwnSession", "endOwnSessions"]
# Seconds of trying, all phases together, and how much longer a loaded machine may take to start and to end.
BUDGET_S = 40
PATIENCE_S = 120


def test_the_description_is_true(tmp_path):
    # What comes too often is refused before it is looked at: that alone would be little to judge.
    often = {f"ACCOUNTS__{kind}_PER_MINUTE": 100_000 for kind in ("LOGINS", "REGISTRATIONS", "REFRESHES")}
    with Server(ACCOUNTS__REGISTRATION="true", **often) as server:
        given = {"token": token_of(new_user()), "apiKey": new_api_key(server)}
        config = tmp_path / "schemathesis.toml"
        lines = [f'[auth.openapi.{name}]\nbearer = "{value}"\n' for name, value in given.items()]
        config.write_text("".join(lines))
        chosen = [f"--exclude-operation-id={name}" for name in LAST]
        try_operations(server, config, tmp_path / "most.json", *chosen)
        chosen = [f"--include-operation-id={name}" for name in LAST]
        try_operations(server, config, tmp_path / "last.json", *chosen)


def try_operations(server, config, report, *chosen):
    st = pathlib.Path(sys.executable).parent / "st"
    run = subprocess.run(
        [st, "--config-file", config, "run", f"{server.url}/openapi.json", "--checks", ",".join(CHECKS),
         "--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--max-time", str(BUDGET_S),
         "--generation-deterministic", "--continue-on-failure", "--no-color", "--report", "json",
         "--report-json-path", report, *chosen],
        cwd=report.parent, capture_output=True, text=True, timeout=BUDGET_S + PATIENCE_S,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    # A run that tried nothing would be content too.
    assert report.stat().st_size > 0 and "passed" in run.stdout, run.stdout


def new_api_key(server):
    """A key for everything, which the server already obeys."""
    key = server.run("key", "new", "--api", "--name", "tests", "--all", "--scope", "read,revoke,send").strip()
    deadline = time.monotonic() + PATIENCE_S
    while status_of(f"{server.url}/api/users/nobody/sessions", key) == 401:
        assert time.monotonic() < deadline, "the key is not known"
        time.sleep(0.1)
    return key


def status_of(url, bearer):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {bearer}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
