"""What the documents show: each link leads somewhere, each snippet is what it says it is, each command is one.

Run for real: the quick start, files of configuration and of HAProxy. Judged by a parser: what a server is asked over HTTP,
JavaScript, TypeScript, JSON, YAML, nginx, units. Commands of `rollcall` elsewhere: whether such a command and such flags
exist. Only read by the shell, since they need what is not here: `docker`, `cargo install`, `sudo`, `make bench` and its like.
"""
import configparser
import json
import re
import shlex
import subprocess
import tomllib

import pytest
import yaml

from conftest import run
from snippets import PAGES, ROOT, all_blocks, anchors, commands, links, prose


SECRET = "kT9zLqv28RmWp5xYbN4cHd7sJf1gQe6u"
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw7Qm1gD3u2Kk="


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "docs/decisions").glob("*.md"))], ids=lambda page: page.name)
def test_each_link_leads_somewhere(page):
    for link in links(page):
        if re.match(r"https?://|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page.name}: {link}"


def test_the_book_has_every_page():
    summary = (ROOT / "docs/SUMMARY.md").read_text()
    listed = {(ROOT / "docs" / link).resolve() for link in re.findall(r"\]\(([^)]+)\)", summary)}
    pages = {page for page in (ROOT / "docs").rglob("*.md") if page.name != "SUMMARY.md"}
    assert listed == pages
    assert tomllib.loads((ROOT / "docs/book.toml").read_text())["book"]["src"] == "."


@pytest.mark.parametrize("block", all_blocks("toml"), ids=str)
def test_a_configuration_is_one(block, binary, tmp_path):
    text = block.text
    # Files that a reader has: a secret, a certificate.
    for number, path in enumerate(re.findall(r'_file = "([^"]+)"', text)):
        file = tmp_path / f"file-{number}"
        is_of_a_webhook = "[[webhooks]]" in text.split(path)[0]
        file.write_text(WEBHOOK_SECRET if is_of_a_webhook else SECRET)
        file.chmod(0o600)
        text = text.replace(path, str(file))
    (tmp_path / "rollcall.toml").write_text(text)
    said = run(binary, "config", "check", cwd=tmp_path, env={}).stdout
    assert said.endswith("The configuration is good.\n"), said


@pytest.mark.parametrize("block", all_blocks("json"), ids=str)
def test_json_is_json(block):
    text = block.text.strip()
    try:
        json.loads(text)
    except ValueError:
        # Several values, or one a line with what it is for.
        for line in text.splitlines():
            json.loads(line)


@pytest.mark.parametrize("block", all_blocks("js"), ids=str)
def test_javascript_can_be_read(block, tmp_path):
    file = tmp_path / "snippet.mjs"
    file.write_text(block.text)
    run("node", "--check", file)


@pytest.mark.parametrize("block", all_blocks("ts"), ids=str)
def test_typescript_can_be_read(block, tmp_path):
    file = tmp_path / "snippet.ts"
    file.write_text(block.text)
    # Strips the types, which takes a parser, and knows no other module.
    run(ROOT / "clients/typescript/node_modules/.bin/esbuild", file, "--log-level=error")


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=str)
def test_yaml_is_yaml(block):
    assert isinstance(yaml.safe_load(block.text), dict)


@pytest.mark.parametrize("block", all_blocks("ini"), ids=str)
def test_a_part_of_a_unit_has_sections(block):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string(block.text)
    assert set(parser.sections()) <= {"Unit", "Service", "Install"} and parser.sections()


@pytest.mark.parametrize("block", all_blocks("nginx"), ids=str)
def test_nginx_can_be_read(block, tmp_path):
    import crossplane

    file = tmp_path / "nginx.conf"
    file.write_text("events {}\nhttp {\n" + block.text + "}\n")
    read = crossplane.parse(str(file))
    assert read["status"] == "ok", read["errors"]


@pytest.mark.parametrize("block", all_blocks("haproxy"), ids=str)
def test_haproxy_takes_it(block, tmp_path):
    file = tmp_path / "haproxy.cfg"
    file.write_text(block.text)
    run("haproxy", "-c", "-f", file)


def exists(binary, words, folder):
    """Whether there is such a command with such flags: the parser looks at them before it shows the help."""
    done = subprocess.run(
        [binary, *words, "--help"], capture_output=True, text=True, timeout=60, cwd=folder, env={}
    )
    return done.returncode == 0 and "Usage: rollcall" in done.stdout, done.stderr


@pytest.mark.parametrize("block", all_blocks("sh"), ids=str)
def test_a_command_can_be_typed(block, binary, tmp_path):
    run("bash", "-n", "-c", block.text)
    for command in commands(block):
        # What stands before it: variables, sudo. What stands behind it: pipes, redirections.
        found = re.search(r"(?:^|.*[\s(])rollcall ((?:--config \S+ )?[a-z][^|>&)]*)", command)
        if found and not re.match(r"docker|cargo", command):
            good, why = exists(binary, shlex.split(found[1]), tmp_path)
            assert good, f"{block}: rollcall {found[1]}: {why}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_in_a_sentence_exists(page, binary, tmp_path):
    for said in set(re.findall(r"`rollcall ([a-z][^`]*)`", prose(page))):
        # `[--name N]` is optional, `a|b` a choice, `…` whatever.
        for choice in re.sub(r"[\[\]…]", "", said).split("|"):
            words = shlex.split(choice)
            if "|" in said and choice is not said.split("|")[0]:
                words = shlex.split(said.split("|")[0])[:-1] + words
            good, why = exists(binary, words, tmp_path)
            assert good, f"rollcall {said}: {why}"


def test_each_cell_of_the_comparison_has_its_source():
    text = (ROOT / "docs/compare.md").read_text()
    sources = dict(re.findall(r"^\[(\d+)\]: (https://\S+)$", text, re.M))
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    head, _, *rows = rows
    used = set()
    for row in rows:
        assert len(row) == len(head), row
        for system, cell in zip(head[2:], row[2:]):
            cited = set(re.findall(r"\[(\d+)\]", cell))
            assert cited or cell.strip() == "–", f"{row[0]}: {system}: {cell}"
            used |= cited
        # What is said of Rollcall leads to the page that says it.
        assert re.search(r"\]\([\w./-]+\.md(#[\w-]+)?\)", row[1]), row[1]
    assert used == sources.keys()
