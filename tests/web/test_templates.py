"""Each template has one documented context, and shows it and nothing else."""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest
from jinja2 import Environment, meta, nodes

import service.web
from service.web.i18n import languages
from service.web.site import EXPLAINED, Trouble
from service.web.templates import STATIC, TEMPLATES, Frame, Pages, asset, recipient_name

NODE: Final = Path(__file__).parents[2] / "tools/node"
FRAME: Final = {"frame"}
PARTS: Final = {"base.html.j2", "audit/base.html.j2"}
"""Templates that are no page by themselves; so are those whose name starts with `_`."""


def contexts() -> Iterator[Any]:
    """Return every dataclass of `service.web` that names a template."""
    for found in pkgutil.iter_modules(service.web.__path__, "service.web."):
        module = importlib.import_module(found.name)
        for one in vars(module).values():
            here = isinstance(one, type) and one.__module__ == found.name
            if here and is_dataclass(one) and hasattr(one, "template"):
                yield one


CONTEXTS: Final = sorted(contexts(), key=lambda one: one.template)
SOURCES: Final = sorted(TEMPLATES.rglob("*.j2"))


def name_of(path: Path) -> str:
    """Return what a template is called by."""
    return path.relative_to(TEMPLATES).as_posix()


def environment() -> Environment:
    """Return the environment in which pages are rendered."""
    return Pages()._environments["en"]


def variables(name: str) -> set[str]:
    """Return what a template, and those it extends, expect to be given."""
    source = (TEMPLATES / name).read_text()
    tree = environment().parse(source)
    found = meta.find_undeclared_variables(tree)
    for parent in tree.find_all(nodes.Extends):
        assert isinstance(parent.template, nodes.Const)
        found |= variables(parent.template.value)
    return found - set(environment().globals) - set(names_of(tree))


def names_of(tree: nodes.Template) -> Iterator[str]:
    """Return what a template imports, defines and sets.

    From inside a block, as far as Jinja can tell before it runs, these could be variables too.
    """
    yield "_trans"  # the i18n extension's own
    for imported in tree.find_all(nodes.FromImport):
        yield from (name if isinstance(name, str) else name[1] for name in imported.names)
    yield from (macro.name for macro in tree.find_all(nodes.Macro))
    for assign in tree.find_all((nodes.Assign, nodes.AssignBlock)):
        yield from (name.name for name in assign.find_all(nodes.Name) if name.ctx == "store")


def test_every_page_has_exactly_one_context() -> None:
    """And every context a page."""
    pages = [
        name_of(path)
        for path in SOURCES
        if not path.name.startswith("_") and name_of(path) not in PARTS
    ]
    assert sorted(one.template for one in CONTEXTS) == sorted(pages)


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda one: one.__name__)
def test_a_template_shows_its_context_and_nothing_else(context: type[Any]) -> None:
    """Each field is shown, each variable is a field or the frame, and the context says what for."""
    documented = {one.name for one in fields(context)}
    used = variables(context.template)
    assert used - FRAME == documented
    assert context.__doc__
    assert not context.__doc__.startswith(f"{context.__name__}(")


@pytest.mark.parametrize("code", languages())
def test_every_template_compiles_in_every_language(code: str) -> None:
    """A broken one is found here, not by a reader."""
    for path in SOURCES:
        Pages()._environments[code].get_template(name_of(path))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_pages_carry_no_style_script_or_address_of_others(path: Path) -> None:
    """The Content-Security-Policy would stop them, and with them the page."""
    source = path.read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|\|\s*safe\b|autoescape", source)
    assert not re.search(r"<script(?! src=)", source)
    assert not re.search(r"https?://|//\w", source)


def test_the_style_sheet_loads_nothing_from_others() -> None:
    """Nor does any drawing."""
    for path in (*STATIC.glob("*.css"), *STATIC.glob("*.svg")):
        urls = re.findall(r"url\(([^)]*)\)|href=\"([^\"]*)\"", path.read_text())
        assert all(not re.match(r"['\"]?(https?:)?//", "".join(url)) for url in urls)
        for name, _ in urls:
            assert (STATIC / name.strip("\"'")).is_file()


def test_htmx_is_what_its_authors_published() -> None:
    """The file says which version, the note beside it its hash; npm's copy is the same."""
    ours = (STATIC / "htmx.min.js").read_bytes()
    digest = sha256(ours).hexdigest()
    pinned = json.loads((NODE / "package.json").read_text())["dependencies"]["htmx.org"]
    note = (STATIC / "README.md").read_text()
    assert digest in note
    assert f"htmx {pinned}" in note
    assert f'version:"{pinned}"'.encode() in ours
    theirs = NODE / "node_modules/htmx.org/dist/htmx.min.js"
    if theirs.is_file():
        assert theirs.read_bytes() == ours


def test_a_static_file_s_address_changes_with_its_content() -> None:
    """So that browsers may keep it for ever."""
    digest = sha256((STATIC / "style.css").read_bytes()).hexdigest()
    assert asset("style.css") == f"/static/style.css?v={digest[:12]}"


@pytest.mark.parametrize(
    ("recipient", "name"),
    [
        ("internal", "Example Sounds"),
        ("partner:audible-magic", "Audible Magic"),
        ("partner:eMusic", "eMusic"),
    ],
)
def test_recipients_are_called_by_name(recipient: str, name: str) -> None:
    """The platform by its own; a partner's id is left alone where it has capitals."""
    assert recipient_name(recipient, "Example Sounds") == name


@pytest.mark.parametrize("code", languages())
def test_each_refusal_that_a_page_explains_has_a_sentence(code: str) -> None:
    """One not known to the page is told in general, and leaves no empty line."""
    frame, pages = Frame("Example Sounds", "/settings"), Pages()
    for reason in EXPLAINED:
        page = pages.render(Trouble("refused", (reason,)), languages()[code], frame)
        (said,) = re.findall(
            r"<ul class=\"stack tight\">\s*<li>(.*?)</li>\s*</ul>", page, re.DOTALL
        )
        assert said.strip()
    page = pages.render(Trouble("refused", ()), languages()[code], frame)
    assert 'class="stack tight"' not in page
