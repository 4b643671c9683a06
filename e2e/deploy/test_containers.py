"""The Dockerfile and compose.yml, as far as they can be judged without an engine."""
import re
import shutil

import yaml

from conftest import run


def instructions(root):
    """`(word, rest)` of each instruction, lines that are continued joined."""
    text = re.sub(r"\\\n", " ", (root / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def test_the_image_has_no_shell_and_runs_as_a_user_without_rights(root):
    steps = instructions(root)
    last_stage = steps[max(at for at, (word, _) in enumerate(steps) if word == "FROM") :]
    said = {}
    for word, rest in last_stage:
        said.setdefault(word, []).append(rest)
    assert "distroless" in said["FROM"][0]
    assert "RUN" not in said, "there is no shell to run anything"
    uid, _, gid = said["USER"][0].partition(":")
    assert int(uid) > 0 and int(gid) > 0
    # Without a shell each command has to be a list.
    for word in ("ENTRYPOINT", "CMD"):
        assert said[word][0].startswith("["), said[word]
    assert said["HEALTHCHECK"][0].split(" CMD ")[1] == '["/usr/bin/rollcall", "healthcheck"]'


def test_what_is_copied_into_the_build_is_there_and_not_ignored(root):
    copied = [rest for word, rest in instructions(root) if word == "COPY" and not rest.startswith("--from")]
    assert copied[-1] == ". ."
    assert all((root / rest.split()[0]).exists() for rest in copied)
    kept = [line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert kept and all((root / name).exists() for name in kept), kept
    workspace = (root / "Cargo.toml").read_text()
    for member in re.search(r"members = \[(.*?)\]", workspace, re.S)[1].replace('"', "").split(","):
        assert any(name == member.strip().split("/")[0] or name.startswith(member.strip()) for name in kept), member


def test_the_environment_of_the_image_is_a_configuration(root, binary, tmp_path):
    (environment,) = [rest for word, rest in instructions(root) if word == "ENV"]
    settings = dict(pair.split("=", 1) for pair in environment.split())
    said = run(binary, "config", "check", env=settings, cwd=tmp_path).stdout
    assert said == "The configuration is good.\n"


def compose(root):
    return yaml.safe_load((root / "deploy/compose.yml").read_text())


def test_each_name_in_compose_is_one_that_it_makes(root):
    file = compose(root)
    for name, service in file["services"].items():
        assert "image" in service, name
        assert set(service["networks"]) <= set(file["networks"]), name
        assert set(service.get("secrets", [])) <= set(file["secrets"]), name
        assert set(service.get("depends_on", {})) <= set(file["services"]), name
        for other in service.get("depends_on", {}):
            # A node's check is that of its image.
            assert other.startswith("node-") or "healthcheck" in file["services"][other], other
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in file["volumes"] or (root / "deploy" / source).exists(), volume
    assert list(file["services"]["haproxy"]["ports"]) == ["8080:8080"]
    assert all("ports" not in service for name, service in file["services"].items() if name != "haproxy")


def test_the_nodes_start_with_the_secrets_that_are_made_for_them(root, binary, tmp_path):
    run(root / "deploy/make-secrets", tmp_path)
    first = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    run(root / "deploy/make-secrets", tmp_path)
    assert first == {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}, "made only once"
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700

    file = compose(root)
    assert {secret["file"].removeprefix("./secrets/") for secret in file["secrets"].values()} <= first.keys()
    owner = dict(line.split("=") for line in (tmp_path / ".env").read_text().split())
    assert int(owner["ROLLCALL_UID"]) > 0 and int(owner["ROLLCALL_GID"]) > 0
    for name in ("node-1", "node-2"):
        service = file["services"][name]
        settings = {key: str(value) for key, value in service["environment"].items()}
        for key, value in settings.items():
            if value.startswith("/run/secrets/"):
                settings[key] = str(tmp_path / file["secrets"][value.removeprefix("/run/secrets/")]["file"])
        assert run(binary, "config", "check", env=settings, cwd=tmp_path).stdout == "The configuration is good.\n"
        printed = run(binary, "config", "print", env=settings, cwd=tmp_path).stdout
        assert f'node_tag = "{name}"' in printed and "@redis:6379" in printed and "@postgres/" in printed
        for secret in ("identity_secret", "redis_password", "postgres_password"):
            assert first[secret].strip() not in printed


def test_haproxy_takes_its_configuration(root):
    assert shutil.which("haproxy")
    said = run("haproxy", "-c", "-f", root / "deploy/compose-haproxy.cfg")
    assert "valid" in said.stdout
    nodes = [name for name in compose(root)["services"] if name.startswith("node-")]
    text = (root / "deploy/compose-haproxy.cfg").read_text()
    assert re.findall(r"^    server (\S+) (\S+)$", text, re.M) == [(name, f"{name}:3000") for name in nodes]
