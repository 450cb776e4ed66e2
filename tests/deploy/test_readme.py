"""deploy/README.md names what is there, and shows what can be called."""

import re

import pytest

WAYS = ("Scripts", "systemd", "SSH", "Slurm", "Docker", "Kubernetes")


@pytest.fixture(scope="module")
def readme(deploy_folder):
    return (deploy_folder / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def commands(readme):
    return [line for block in re.findall(r"```sh\n(.*?)```", readme, re.DOTALL) for line in block.splitlines()]


def test_it_names_every_file(readme, deploy_folder):
    files = [path for path in deploy_folder.rglob("*") if path.is_file() and path.suffix not in {".pem", ".pyc"}]
    names = {path.relative_to(deploy_folder).as_posix() for path in files} - {"README.md", "docker/.gitignore"}
    assert len(names) > 10
    assert {name for name in names if f"`{name}`" not in readme} == set()


def test_every_file_that_its_commands_name_is_there(commands, deploy_folder):
    named = {word for line in commands for word in re.findall(r"(?<![\w/])(?:deploy|examples)/[\w./@*-]+", line)}
    named = {name for name in named if "/tls/" not in name}
    assert len(named) > 6
    assert {name for name in named if not list(deploy_folder.parent.glob(name))} == set()


def test_every_option_of_the_scripts_that_it_shows_exists(commands, script):
    for name in ("scheduler.sh", "worker.sh", "make-certificates.sh"):
        shown = {
            option
            for line in commands
            if f"deploy/{name}" in line
            for option in re.findall(r" (--[a-z-]+)", line.partition(f"deploy/{name}")[2])
        }
        helped = script(name, "--help").stdout
        assert {option for option in shown if option not in helped} == set()


def test_each_way_says_when_how_and_how_it_was_tested(readme):
    sections = dict(re.findall(r"^## (\S+?):?(?: [^\n]*)?\n(.*?)(?=^## |\Z)", readme, re.MULTILINE | re.DOTALL))
    assert set(WAYS) < sections.keys()
    for way in WAYS:
        assert sections[way].strip().startswith("When ")
        assert "```sh\n" in sections[way]
        assert "How it was tested: " in sections[way]


def test_security_says_what_matters(readme):
    section = readme.partition("## Security\n")[2]
    for word in (
        "pickles",
        "Without TLS",
        "ca.pem, cert.pem and key.pem",
        "dashboard",
        "untrusted network",
        "safetensors",
    ):
        assert word in section
