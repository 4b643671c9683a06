"""What `/openapi.json` says is what a running server does: no 5xx, no answer that is not described.

Run by name and not with the other tests: `.venv/bin/python -m pytest description`. The server closes a connection whose
request body it has not read, and this client now and then takes that for a lost connection.
"""
import json
import pathlib
import subprocess
import sys
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
# Seconds of trying, all phases together, and how much longer a loaded machine may take to start and to end.
BUDGET_S = 40
PATIENCE_S = 120


def test_the_description_is_true(tmp_path):
    # What comes too often is refused before it is looked at: that alone would be little to judge.
    often = {f"ACCOUNTS__{kind}_PER_MINUTE": 100_000 for kind in ("LOGINS", "REGISTRATIONS", "REFRESHES")}
    with Server(ACCOUNTS__REGISTRATION="true", **often) as server:
        with urllib.request.urlopen(f"{server.url}/openapi.json", timeout=10) as answer:
            schemes = json.load(answer)["components"]["securitySchemes"]
        given = {"token": token_of(new_user())}
        config = tmp_path / "schemathesis.toml"
        lines = [f'[auth.openapi.{name}]\nbearer = "{value}"\n' for name, value in given.items() if name in schemes]
        config.write_text("".join(lines))
        st = pathlib.Path(sys.executable).parent / "st"
        run = subprocess.run(
            [st, "--config-file", config, "run", f"{server.url}/openapi.json", "--checks", ",".join(CHECKS),
             "--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--max-time", str(BUDGET_S),
             "--generation-deterministic", "--continue-on-failure", "--no-color", "--report", "json",
             "--report-json-path", tmp_path / "report.json"],
            cwd=tmp_path, capture_output=True, text=True, timeout=BUDGET_S + PATIENCE_S,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        # A run that tried nothing would be content too.
        assert (tmp_path / "report.json").stat().st_size > 0 and "passed" in run.stdout, run.stdout
