"""Choosing among languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.notices.channels.locales import best_locale, some_locale
from tests.notices.channels.telling import ANY_TEXT

TAGS = st.from_regex(r"[a-z]{2,3}(-[A-Z]{2})?", fullmatch=True)


@pytest.mark.parametrize(
    ("wanted", "available", "best"),
    [
        ("de", ["de", "en"], "de"),
        ("de-AT", ["de", "en"], "de"),
        ("DE-at", ["de-AT", "de"], "de-AT"),
        ("de_AT", ["de-AT", "de"], "de-AT"),
        ("zh-Hant-TW", ["zh-Hant", "zh"], "zh-Hant"),
        ("pt", ["pt-BR", "en"], "pt-BR"),
        ("pt-PT", ["pt-BR", "en"], "pt-BR"),
        ("pt", ["pt-PT", "pt-BR"], "pt-BR"),
        ("fr", ["de", "en"], None),
        ("d", ["de"], None),
        (None, ["de"], None),
        ("", ["de"], None),
        ("de", [], None),
    ],
)
def test_the_nearest_is_chosen(wanted: str | None, available: list[str], best: str | None) -> None:
    """The tag, then shorter ones, then the language's other regions."""
    assert best_locale(wanted, available) == best


@given(TAGS | ANY_TEXT | st.none(), st.lists(TAGS, min_size=1, unique=True))
def test_there_is_always_one(wanted: str | None, available: list[str]) -> None:
    """The same whatever order they come in, and English where the wanted one is missing."""
    chosen = some_locale(wanted, available)

    assert chosen in available
    assert some_locale(wanted, available[::-1]).lower() == chosen.lower()
    if best_locale(wanted, available) is None and "en" in available:
        assert chosen == "en"
