"""The house keeps its order, and the script that says so sees what is out of order."""

from pathlib import Path

import pytest

from tests import house

ROOT = Path(__file__).parents[1]

FILES = {
    "__init__.py": "from akkordeon_dask.actors import run",
    "errors.py": "class Known: ...\n\ndef replace(): ...\n\ndef find(told) -> None: ...",
    "actors/__init__.py": "from akkordeon_dask.actors._run import run",
    "actors/_run.py": "def run() -> dict[str, Any]:\n    import akkordeon_dask.actors._stop\n    self.place = 1",
    "actors/_stop.py": "from akkordeon_dask.actors import run\n\nasync def stop() -> Any | None:\n    '''Text.'''\n",
}


@pytest.fixture
def checkout(tmp_path):
    for name, text in FILES.items():
        file = tmp_path / "akkordeon_dask" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def test_circles_and_levels_are_seen(checkout):
    graph = house.imports(house.modules(checkout))
    assert house.circles(graph) == [{"akkordeon_dask.actors._run", "akkordeon_dask.actors._stop"}]
    assert [house.levels(house.rooms(name, graph)) for name in ("akkordeon_dask", "akkordeon_dask.actors")] == [1, 1]


def test_retired_names_and_returns_without_a_type_are_seen(checkout, capsys):
    assert [found.rpartition(" ")[2] for found in house.retired(checkout)] == ["place", "Known", "told"]
    assert [found.rpartition(" ")[2] for found in house.untyped(checkout)] == ["stop", "replace"]
    house.main(checkout)
    assert "lines of code in akkordeon_dask: 10\n" in capsys.readouterr().out


def test_no_retired_name_is_left():
    assert house.retired(ROOT) == []


def test_every_public_function_has_a_type_for_what_it_returns():
    assert house.untyped(ROOT) == []
