"""The pages of the documentation: their examples run, and whatever they name exists."""

import doctest
import re
import tomllib
from pathlib import Path

import click
import pytest

import akkordeon_dask
from akkordeon_dask.cli import akkordeon
from tests.support.programs import LINE

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GENERATED = (DOCS / "_build", DOCS / "reference/generated")
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "deploy/README.md", "examples/README.md")
PAGES = [ROOT / name for name in TOP]
PAGES += sorted(page for page in DOCS.rglob("*.md") if not any(page.is_relative_to(folder) for folder in GENERATED))


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def text_of(page):
    return page.read_text(encoding="utf-8")


def sessions(page):
    return re.findall(r"^```pycon\n(.*?)^```$", text_of(page), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", [page for page in PAGES if sessions(page)], ids=name_of)
def test_the_sessions_of_a_page_print_what_it_shows(page):
    name = name_of(page)
    if "torch" in name:
        pytest.importorskip("torch")
    session = doctest.DocTestParser().get_doctest("\n".join(sessions(page)), {"__name__": name}, name, name, 0)
    said = []
    doctest.DocTestRunner().run(session, out=said.append)
    assert session.examples and said == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_a_page_names_or_links_to_exists(page):
    folders = r"(?:akkordeon_dask|examples|deploy|docs|recipe|tests)"
    named = set(re.findall(rf"`({folders}/[\w./*-]*)`", text_of(page))) - {"docs/_build/html"}
    linked = set(re.findall(r"\]\(([\w./-]+\.\w+)(?:#[\w-]+)?\)", text_of(page)))
    assert {path for path in named if not list(ROOT.glob(path.rstrip("/")))} == set()
    assert {path for path in linked if not (page.parent / path).exists()} == set()


def headings(page):
    titles = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_heading_that_a_page_links_to_exists(page):
    linked = re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", text_of(page))
    included = {DOCS / "guides/deployment.md": ROOT / "deploy/README.md"}
    targets = [((page.parent / path).resolve() if path else page, anchor) for path, anchor in linked]
    assert [anchor for target, anchor in targets if anchor not in headings(included.get(target, target))] == []


def test_the_readme_links_to_every_guide():
    guides = {f"docs/guides/{page.name}" for page in (DOCS / "guides").glob("*.md")} - {"docs/guides/deployment.md"}
    assert guides - set(re.findall(r"\]\(([\w./-]+)", text_of(ROOT / "README.md"))) == set()


def test_a_finished_pass_on_a_page_looks_as_it_is_printed():
    lines = [line for page in PAGES for line in re.findall(r"^\w+ +epoch: .*$", text_of(page), re.MULTILINE)]
    found = [LINE.fullmatch(line) for line in lines]
    assert found and all(one and re.match(r"\w+: \d", one["scores"]) for one in found)


def test_the_layers_that_are_described_are_those_of_the_contract():
    contracts = tomllib.loads(text_of(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["id"] == "layers")
    rooms = {name for layer in layers for name in re.findall(r"\b[a-z]\w*", layer)} | {"__main__"}
    (drawing,) = re.findall(r"## The layers.*?```\n(.*?)```", text_of(DOCS / "architecture.md"), re.DOTALL)
    files = drawing.partition(" and ")[0]
    assert set(re.findall(r"\b(?:[a-z]|__)\w*", files)) - {"_pieces"} == rooms
    docstring = akkordeon_dask.__doc__ or ""
    assert {
        name for name in rooms - {"__main__", "preload", "memory"} if not re.search(rf"\b{name}\b", docstring)
    } == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_a_page_shows_has_its_options(page):
    for line in re.findall(r"^(?:.*/)?dask akkordeon (\w[^#\n]*)", text_of(page), re.MULTILINE):
        command = akkordeon.commands[line.split()[0]]
        options = {text for option in command.params if isinstance(option, click.Option) for text in option.opts}
        assert set(re.findall(r"(?<!\S)--[a-z-]+", line)) <= options | {"--help"}, line


def test_the_architecture_names_files_and_tests_that_exist():
    page = text_of(DOCS / "architecture.md")
    files = set(re.findall(r"`([\w/]+\.py)`", page))
    package = {path.relative_to(ROOT / "akkordeon_dask").as_posix() for path in ROOT.glob("akkordeon_dask/**/*.py")}
    package |= {path.removeprefix("actors/") for path in package}
    assert len(files) > 20 and files - package == {"akkordeon_dask/__init__.py"} & files
    tests = set(re.findall(r"`(test_\w+)`", page))
    there = {name for path in ROOT.glob("tests/**/*.py") for name in re.findall(r"def (test_\w+)", text_of(path))}
    assert len(tests) > 20 and tests - there == set()
