"""Settings of Sphinx: `make docs`."""

import importlib
import sys
from types import GenericAlias, UnionType
from typing import Any

from click.testing import CliRunner
from docutils import nodes
from numpy.typing import ArrayLike, DTypeLike
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.autodoc.mock import mock
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.typing import stringify_annotation

from akkordeon_dask import __version__
from akkordeon_dask.cli import akkordeon
from akkordeon_dask.tree import Array

project = "akkordeon_dask"
author = "The akkordeon_dask developers"
copyright = author
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
smartquotes = False  # two hyphens are an option
templates_path = ["_templates"]
exclude_patterns = ["_build"]
highlight_language = "text"
default_role = "literal"  # docstrings write code between single backticks

html_theme = "furo"
html_title = f"akkordeon_dask {release}"
html_static_path = ["_static"]

autodoc_mock_imports = ["torch", "jax"]  # the build of torch with CUDA is some gigabytes
autosummary_ignore_module_all = False
autosummary_imported_members = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_attr_annotations = False
napoleon_use_param = False  # a parameter's type is a phrase, not a name to link
napoleon_custom_sections = ["Shapes"]
python_use_unqualified_type_names = True

ROOMS = "nn", "optim", "data", "errors", "console", "sklearn", "torch", "jax"
PUBLIC = ["akkordeon_dask", *(f"akkordeon_dask.{name}" for name in ROOMS)]
with mock(autodoc_mock_imports):
    for package in PUBLIC:
        importlib.import_module(package)
ALIASES = [
    f"{package}.{name}"
    for package in PUBLIC
    for name in importlib.import_module(package).__all__
    if isinstance(getattr(importlib.import_module(package), name), GenericAlias | UnionType | type(Any))
]
"""Types that have a name: autosummary takes them for classes."""
LONG = {
    stringify_annotation(ArrayLike, "smart"): "ArrayLike",
    stringify_annotation(DTypeLike, "smart"): "DTypeLike",
    stringify_annotation(Array, "smart"): "Array",
}
autosummary_context = {"aliases": ALIASES, "packages": PUBLIC}

nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!akkordeon_dask\.).*"),  # other projects' names: looking them up would need a network
    ("py:.*", r".*\._.*"),  # what has no page: bases and options
]


def public_names() -> dict[tuple[str, str], str]:
    """Map where an object is defined, its module and name, to the name by which users import it."""
    names = {}
    for package in map(importlib.import_module, PUBLIC):
        for name in package.__all__:
            value = getattr(package, name)
            defined = getattr(value, "__module__", ""), getattr(value, "__qualname__", "")
            names[defined] = f"{package.__name__}.{name}"
    return names


def skip(app: Sphinx, what: str, name: str, obj: object, skipped: bool, options: object) -> bool | None:
    """Leave out what scikit-learn adds to its estimators: it links to pages of that project."""
    return True if name.startswith("set_") and name.endswith("_request") else None


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element) -> nodes.Node | None:
    """Link a type of an annotation, which Sphinx knows by its private module, to its public page."""
    module, _, name = node.get("reftarget", "").rpartition(".")
    target = app.config.names_of_users.get((module, name))
    if node.get("refdomain") != "py" or target is None:
        return None
    python = env.domains.python_domain
    return python.resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, content)


def describe_alias(app: Sphinx, what: str, name: str, value: object, options: Any, lines: list[str]) -> None:
    """Show the docstring below the assignment of an alias instead of that of the type itself."""
    if name in ALIASES:
        package, _, short = name.rpartition(".")
        modules = [module for module in sys.modules if module.startswith(f"{package}._")]
        docs = [ModuleAnalyzer.for_module(module).find_attr_docs().get(("", short)) for module in modules]
        lines[:] = next(filter(None, docs))


def shorten(app: Sphinx, what: str, name: str, value: object, options: Any, signature: str, returns: str) -> Any:
    """Write numpy's unions, and this package's array, by their names."""
    for written, alias in LONG.items():
        signature = signature and signature.replace(written, alias)
        returns = returns and returns.replace(written, alias)
    return signature, returns


def write_commands(app: Sphinx) -> None:
    """Write the help texts of all commands, as a terminal shows them."""
    texts = []
    for name in ("", *akkordeon.commands):
        shown = CliRunner().invoke(akkordeon, f"{name} --help", prog_name="dask akkordeon", terminal_width=90)
        texts.append(f"## dask akkordeon {name}\n\n```text\n{shown.output}```\n")
    folder = app.srcdir / "reference/generated"
    folder.mkdir(exist_ok=True)
    (folder / "commands.txt").write_text("\n".join(texts), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register what is above."""
    app.add_config_value("names_of_users", public_names(), "env")
    app.connect("builder-inited", write_commands)
    app.connect("autodoc-skip-member", skip)
    app.connect("missing-reference", resolve)
    app.connect("autodoc-process-docstring", describe_alias)
    app.connect("autodoc-process-signature", shorten)
    return {"parallel_read_safe": True}
