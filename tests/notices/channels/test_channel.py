"""What every channel promises, tested alike for all of them; and the values that cross."""

import re
import ssl
from dataclasses import dataclass
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.notices.channels.channel import (
    LONGEST_REASON,
    Channel,
    Fate,
    Kind,
    message_id,
    plain,
)
from service.notices.channels.email import EmailChannel, EmailSender
from service.notices.channels.email_address import EmailAddress
from service.notices.channels.email_words import Platform
from service.notices.channels.safe_post import SafePoster
from service.notices.channels.smtp_server import SmtpServer
from service.notices.channels.webhook import WebhookChannel, WebhookEndpoint
from service.notices.channels.webhook_keys import KeyRing, SharedSecret
from tests.notices.channels.listening import Listener, answer
from tests.notices.channels.mail_server import MailServer
from tests.notices.channels.telling import ANY_TEXT, StoppedClock, artist, message


class Receiver(Protocol):
    """What stands at the other end of a channel."""

    def refuse_all(self) -> None:
        """Fail whatever comes next."""

    def ids(self) -> list[str]:
        """The id of every message that has come, repetitions included."""


@dataclass
class Platforms:
    """A webhook's receiver."""

    listener: Listener

    def refuse_all(self) -> None:
        """Answer with 500."""
        self.listener.answers = [answer("500 Oops")]

    def ids(self) -> list[str]:
        """The ids by which receivers know repetitions."""
        return [heard.headers["webhook-id"] for heard in self.listener.heard]


@dataclass
class Mailboxes:
    """A mail server."""

    server: MailServer

    def refuse_all(self) -> None:
        """Put everybody off."""
        self.server.at_rcpt["*"] = "451 later"

    def ids(self) -> list[str]:
        """The Message-IDs without their brackets and domain."""
        return [
            taken.letter["Message-ID"].strip("<>").partition("@")[0] for taken in self.server.taken
        ]


@pytest.fixture(params=["webhook", "email"])
def pair(
    request: pytest.FixtureRequest,
    endpoint: Listener,
    poster: SafePoster,
    mail: MailServer,
    trusting: ssl.SSLContext,
    clock: StoppedClock,
) -> tuple[Channel, Receiver]:
    """A channel, and what stands at its other end."""
    if request.param == "webhook":
        url = f"https://hooks.example:{endpoint.port}/"
        secrets = KeyRing(SharedSecret(b"s" * 32))
        there = WebhookEndpoint("main", url, secrets)
        return WebhookChannel(there, poster, clock), Platforms(endpoint)
    sender = EmailSender(Platform("Example Sounds"), EmailAddress.read("notices@sounds.example"))
    server = SmtpServer("127.0.0.1", mail.port, tls=trusting, helo="fermata.example")
    return EmailChannel(server, sender, clock), Mailboxes(mail)


Pair = tuple[Channel, Receiver]


def test_its_name_can_be_recorded(pair: Pair) -> None:
    """As the channel of a delivery report."""
    assert re.fullmatch(r"[a-z][a-z0-9_-]{0,63}", pair[0].name)


async def test_one_outcome_each_in_order(pair: Pair) -> None:
    """Promise 1."""
    people = [artist(n) for n in (3, 1, 2)]

    outcomes = await pair[0].send(message(), people, attempt_id="try-1")

    assert [one.artist_id for one in outcomes] == ["artist-3", "artist-1", "artist-2"]
    assert {one.fate for one in outcomes} == {Fate.HANDED_OVER}
    assert {one.message_id for one in outcomes} == set(pair[1].ids())


async def test_odd_addressees_neither_raise_nor_stop_the_others(pair: Pair) -> None:
    """Promise 2, for one addressee's trouble."""
    odd = [
        artist(2, email=None, opt_out_link=None, locale=None),
        artist(3, artist_id="ünïcode \U0001f3b5 " * 20, email="a\r\nb@c", locale="\r\n"),
        artist(4, artist_id="\ud800", subject="\ud800", email="\ud800@x", locale="\ud800"),
    ]

    outcomes = await pair[0].send(message(), [artist(1), *odd, artist(5)], attempt_id="try-1")

    assert len(outcomes) == 5
    assert (outcomes[0].fate, outcomes[4].fate) == (Fate.HANDED_OVER, Fate.HANDED_OVER)


async def test_its_own_trouble_does_not_raise(pair: Pair) -> None:
    """Promise 2, for the channel's trouble: everybody is to be tried again, with the reason."""
    pair[1].refuse_all()

    outcomes = await pair[0].send(message(), [artist(1), artist(2)], attempt_id="try-1")

    assert [one.fate for one in outcomes] == [Fate.TRY_AGAIN] * 2
    assert all(one.reason for one in outcomes)


async def test_a_repetition_is_the_same_message(pair: Pair, clock: StoppedClock) -> None:
    """Promise 3: a worker that died before it wrote down what was sent sends it again."""
    people = [artist(1), artist(2)]

    first = await pair[0].send(message(), people, attempt_id="try-1")
    clock.advance(10**9)
    second = await pair[0].send(message(), people, attempt_id="try-2")

    assert [one.message_id for one in first] == [one.message_id for one in second]
    ids = pair[1].ids()
    assert ids[: len(ids) // 2] == ids[len(ids) // 2 :]


async def test_more_than_it_takes_is_refused_whole(pair: Pair) -> None:
    """Before anything is sent."""
    people = [artist(n) for n in range(pair[0].most_per_call + 1)]

    with pytest.raises(ValueError, match="at most"):
        await pair[0].send(message(), people, attempt_id="try-1")
    assert pair[1].ids() == []


@pytest.mark.parametrize("attempt_id", ["", "a b", "a\r\nX: y", "ä", "a" * 65, "a.b"])
async def test_an_attempt_id_is_a_plain_word(pair: Pair, attempt_id: str) -> None:
    """It goes into headers and logs."""
    with pytest.raises(ValueError, match="attempt id"):
        await pair[0].send(message(), [artist(1)], attempt_id=attempt_id)
    assert pair[1].ids() == []


@given(ANY_TEXT, ANY_TEXT, st.integers(0, 3), st.lists(st.integers(0, 99), max_size=5))
def test_ids_have_no_dots(channel: str, notice: str, reminder: int, who: list[int]) -> None:
    """They are good for webhooks and mail alike, whatever a notice is called."""
    what = message(notice_id=notice, reminder=reminder)

    found = message_id(channel, what, [artist(n) for n in who])

    assert re.fullmatch(r"msg_[A-Za-z0-9_]{0,41}[0-9a-f]{32}", found)
    assert message_id(channel, what, [artist(n) for n in who]) == found


def test_a_channel_is_part_of_a_messages_identity() -> None:
    """Telling by e-mail what was told by webhook is another message."""
    assert message_id("email", message(), [artist(1)]) != message_id(
        "webhook", message(), [artist(1)]
    )


@given(ANY_TEXT)
def test_any_words_become_one_line(words: str) -> None:
    """That UTF-8 can write, that shows, and that is not too long."""
    line = plain(words)

    line.encode("utf-8")
    assert len(line) <= LONGEST_REASON
    assert len(line.splitlines()) <= 1
    assert "\x00" not in line


def test_a_message_is_a_notice_or_a_reminder() -> None:
    """By its number."""
    assert message().kind is Kind.NOTICE
    assert message(reminder=1).kind is Kind.REMINDER


def test_an_addressee_keeps_address_and_link_to_itself() -> None:
    """They are in no log that prints one."""
    shown = repr(artist(1))

    assert "mail.example" not in shown
    assert "token1" not in shown
