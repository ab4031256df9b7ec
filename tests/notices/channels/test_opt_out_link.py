"""The signed link: it says for whom and what about, it ends, and it has no place for a yes."""

import dataclasses
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.domain.instant import DAY
from service.notices.channels.opt_out_link import LinkRefusal, OptOutLink, OptOutLinks
from tests.notices.channels.telling import ANY_TEXT, NOW

KEY, OTHER = b"k" * 32, b"o" * 32
LINKS = OptOutLinks([KEY])
WORDS = st.text(st.characters(codec="utf-8"), max_size=40)
LINK = OptOutLink("0123456789abcdef", "training.generative.music:2", NOW + DAY)


@given(WORDS, WORDS, st.integers(1, 2**53), st.data())
def test_a_link_says_what_it_was_made_for(
    subject: str, notice: str, ends: int, data: st.DataObject
) -> None:
    """Any reference and any notice come back as they were, at any time before the end."""
    link = OptOutLink(subject, notice, ends)

    assert LINKS.read(LINKS.make(link), data.draw(st.integers(0, ends - 1))) == link


def test_a_link_ends_at_its_instant() -> None:
    """One microsecond before it still holds."""
    token = LINKS.make(LINK)

    assert LINKS.read(token, LINK.expires_at - 1) == LINK
    assert LINKS.read(token, LINK.expires_at) is LinkRefusal.EXPIRED


@given(st.data())
def test_a_changed_token_is_none(data: st.DataObject) -> None:
    """Any one character replaced, taken out or put in."""
    token = LINKS.make(LINK)
    at = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from(string.ascii_letters + string.digits + "=-_. \n"))
    how = data.draw(st.sampled_from(["replace", "remove", "insert"]))
    changed = token[:at] + ("" if how == "remove" else letter) + token[at + (how != "insert") :]
    assume(changed != token)

    assert LINKS.read(changed, NOW) is LinkRefusal.INVALID


@given(ANY_TEXT)
def test_any_text_can_be_read(token: str) -> None:
    """A stranger's token never raises and is never good."""
    assert LINKS.read(token, NOW) is LinkRefusal.INVALID


def test_an_endless_token_is_not_even_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request line of a megabyte costs nothing; so none is ever made that long."""
    monkeypatch.delattr("service.notices.channels.opt_out_link.base64.b32decode")

    assert LINKS.read("a" * 1_000_000, NOW) is LinkRefusal.INVALID
    with pytest.raises(ValueError, match="too long"):
        LINKS.make(OptOutLink("s" * 2_000, "n", NOW))


def test_another_key_makes_another_link() -> None:
    """What one service signed is nothing to another."""
    assert OptOutLinks([OTHER]).read(LINKS.make(LINK), NOW) is LinkRefusal.INVALID


def test_a_forged_link_is_not_called_expired() -> None:
    """Nothing is said about what was not signed here."""
    over = dataclasses.replace(LINK, expires_at=NOW - DAY)

    assert OptOutLinks([OTHER]).read(LINKS.make(over), NOW) is LinkRefusal.INVALID


def test_a_new_key_keeps_old_links_good() -> None:
    """The first key signs, all are accepted; once the old one is gone, so are its links."""
    old = LINKS.make(LINK)
    both = OptOutLinks([OTHER, KEY])

    assert both.read(old, NOW) == LINK
    assert both.make(LINK) == OptOutLinks([OTHER]).make(LINK)
    assert OptOutLinks([OTHER]).read(old, NOW) is LinkRefusal.INVALID


def test_parts_do_not_flow_into_each_other() -> None:
    """The same letters divided otherwise are another link."""
    one = LINKS.make(OptOutLink("ab", "c", 1))
    two = LINKS.make(OptOutLink("a", "bc", 1))

    assert LINKS.read(one, 0) != LINKS.read(two, 0)


def test_a_link_can_never_say_yes() -> None:
    """What it holds is who, what about and until when: there is no field for an answer."""
    assert [field.name for field in dataclasses.fields(OptOutLink)] == [
        "subject",
        "notice_id",
        "expires_at",
    ]
    assert not hasattr(LINK, "__dict__")


def test_a_token_survives_every_mail_program() -> None:
    """Letters and digits in one case, so that it is neither cut off nor re-encoded."""
    assert set(LINKS.make(LINK)) <= set(string.ascii_lowercase + "234567")


@pytest.mark.parametrize("keys", [[], [b"short"], [KEY, b"k" * 31]])
def test_weak_keys_are_refused(keys: list[bytes]) -> None:
    """Fewer than 32 bytes could be guessed."""
    with pytest.raises(ValueError, match="32 random bytes"):
        OptOutLinks(keys)


def test_tags_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key's tag goes through `hmac.compare_digest`, whichever of them is right."""
    compared: list[bytes] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return one == other

    monkeypatch.setattr("service.notices.channels.opt_out_link.hmac.compare_digest", compare)

    assert OptOutLinks([KEY, OTHER]).read(LINKS.make(LINK), NOW) == LINK
    assert len(compared) == 2
