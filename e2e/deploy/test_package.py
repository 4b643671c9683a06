"""The Debian package: what is in it, and its life on a machine."""
import re
import shutil
import socket

import pytest

from conftest import run

STEPS = ["installed", "verified", "answers", "stopped", "upgraded", "removed", "installed again", "purged"]
# systemd-analyze's figure: 0 is a program that may do nothing, 10 one that may do everything.
EXPOSURE = 1.1


@pytest.fixture(scope="module")
def packages(root, tmp_path_factory):
    """A package of the debug build, which is there already, and one of a later version."""
    folder = tmp_path_factory.mktemp("packages")
    run(root / "scripts/cargo-tool", "cargo-deb", "3.8.0")
    for name, version in {"old": "0.1.0-1", "new": "0.1.1-1"}.items():
        options = ["--no-build", "--profile", "dev", "--fast", "--no-strip", "--quiet", "--deb-version", version]
        run("cargo", "deb", *options, "--package", "rollcall", "--output", folder / f"{name}.deb", cwd=root)
    return folder


def test_the_package_says_what_it_needs_and_which_files_are_the_machines(packages):
    control = run("dpkg-deb", "--field", packages / "old.deb").stdout
    fields = dict(re.findall(r"^([A-Z][\w-]*): (.*)$", control, re.M))
    assert fields["Package"] == "rollcall" and fields["Version"] == "0.1.0-1"
    assert "adduser" in fields["Depends"] and "libc6" in fields["Depends"]
    assert len(fields["Description"]) <= 80
    files = run("dpkg-deb", "--contents", packages / "old.deb").stdout
    for path, mode in {
        "./usr/bin/rollcall": "-rwxr-xr-x",
        "./etc/rollcall/rollcall.toml": "-rw-r-----",
        "./usr/lib/systemd/system/rollcall.service": "-rw-r--r--",
    }.items():
        assert re.search(rf"^{mode} .* {re.escape(path)}$", files, re.M), files


def test_the_package_installs_answers_upgrades_and_goes_and_the_data_stay(root, packages):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = "127.0.0.1:%d" % free.getsockname()[1]
    (packages / "listen").write_text(address)
    done = run(root / "scripts/in-overlay", packages, root / "e2e/deploy/package.sh", check=False)
    if done.returncode == 77:
        pytest.skip(f"no machine to throw away: {done.stderr.strip()}")
    reached = re.findall(r"^reached: (.*)$", done.stdout, re.M)
    wanted = [step for step in STEPS if step != "verified" or shutil.which("systemd-analyze")]
    assert (done.returncode, reached) == (0, wanted), done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd")
def test_the_unit_may_do_no_more_than_the_documents_say(root):
    unit = root / "deploy/debian/rollcall.service"
    said = run("systemd-analyze", "security", "--offline=true", unit, check=False).stdout
    figure = float(re.search(r"Overall exposure level for rollcall.service: ([\d.]+)", said)[1])
    assert figure <= EXPOSURE, said
    assert f"exposure level of {EXPOSURE}" in (root / "docs/operate.md").read_text()
