"""E-mail addresses: what passes can stand in a command and a header as it is."""

import re
from email.headerregistry import Address

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.notices.channels.email_address import EmailAddress
from tests.notices.channels.telling import ANY_TEXT


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("artist@mail.example", "artist@mail.example"),
        ("First.Last+tag@Mail.Example", "First.Last+tag@mail.example"),
        ("o'hara!#$%&*?/=^_`{|}~@mail.example", "o'hara!#$%&*?/=^_`{|}~@mail.example"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("jürgen@mail.example", "jürgen@mail.example"),
        ("a@localhost", "a@localhost"),
    ],
)
def test_usual_addresses_are_read(text: str, written: str) -> None:
    """The local part as it is, the domain in lower-case ASCII."""
    assert str(EmailAddress.read(text)) == written


@given(ANY_TEXT, ANY_TEXT)
def test_what_is_read_is_one_plain_mailbox(local: str, domain: str) -> None:
    """Any text is refused, or has one @, and no blank, bracket, comma or control character."""
    try:
        address = EmailAddress.read(f"{local}@{domain}")
    except ValueError:
        return
    written = str(address)

    assert not re.search(r'[\s<>",;:()\\\[\]\x00-\x1f\x7f]', written)
    assert written.count("@") == 1
    assert address.needs_utf8 is not written.isascii()
    assert Address("", address.local, address.domain).addr_spec == written


@given(st.emails())
def test_what_most_people_have_is_read(text: str) -> None:
    """Addresses as other software makes them."""
    assume("=?" not in text)

    assert str(EmailAddress.read(text)).partition("@")[0] == text.partition("@")[0]
