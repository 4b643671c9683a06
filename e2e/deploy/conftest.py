"""What the tests of `deploy/` and of the documents share."""
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "e2e/python"))
BINARY = ROOT / os.environ.get("ROLLCALL_BIN", "target/debug/rollcall")


def run(*command, check=True, **options):
    """What a command says; both its streams are in the message when it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, **options)
    assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def binary():
    return BINARY
