"""Letters to artists, against a real SMTP server: what arrives, and what its refusals mean."""

import dataclasses
import re
import ssl
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.instant import DAY, to_datetime
from service.notices.channels.channel import Addressee, Fate, Outcome
from service.notices.channels.email import EmailChannel, EmailSender
from service.notices.channels.email_address import EmailAddress
from service.notices.channels.email_words import LANGUAGES, Platform
from service.notices.channels.return_path import ReturnPath
from service.notices.channels.smtp_server import Encryption, SmtpServer, is_permanent
from tests.notices.channels.mail_server import PASSWORD, USER, MailServer, serving_mail
from tests.notices.channels.telling import ANY_TEXT, NOW, WORDS, StoppedClock, artist, message

PLATFORM = Platform("Example & Sounds", "https://sounds.example/settings")
SENDER = EmailSender(PLATFORM, EmailAddress.read("notices@sounds.example"))
HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Content-Language",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Fermata-Attempt",
]


def at(mail: MailServer, trusting: ssl.SSLContext) -> SmtpServer:
    """How the test's server is reached."""
    return SmtpServer("127.0.0.1", mail.port, tls=trusting, helo="fermata.example", command_s=10)


@pytest.fixture
def channel(mail: MailServer, trusting: ssl.SSLContext, clock: StoppedClock) -> EmailChannel:
    """The channel to the test's mail server."""
    return EmailChannel(at(mail, trusting), SENDER, clock)


async def tell(channel: EmailChannel, *people: Addressee) -> list[Outcome]:
    """Tell them of the usual notice."""
    return list(await channel.send(message(), people, attempt_id="try-1"))


async def test_a_letter_arrives_encrypted_with_words_and_a_link(
    mail: MailServer, channel: EmailChannel
) -> None:
    """Plain text and HTML have the terms, their hash and the link; envelope and headers fit."""
    (outcome,) = await tell(channel, artist(1))

    assert outcome.fate is Fate.HANDED_OVER
    (taken,) = mail.taken
    assert taken.encrypted
    assert (taken.sender, taken.recipients) == ("notices@sounds.example", ["artist1@mail.example"])
    letter = taken.letter
    assert letter["From"] == "Example & Sounds <notices@sounds.example>"
    assert letter["To"] == "artist1@mail.example"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert f"\r\nMessage-ID: <{outcome.message_id}@sounds.example>\r\n".encode() in taken.raw
    assert parsedate_to_datetime(letter["Date"]) == to_datetime(NOW)
    assert "https://fermata.example/no/token1" in taken.part("plain")
    assert WORDS in taken.part("plain").replace("\r\n", "\n")
    assert 'href="https://fermata.example/no/token1"' in taken.part("html")
    for part in (taken.part("plain"), taken.part("html")):
        assert message().texts["en"].sha256 in part


async def test_what_a_stranger_wrote_is_never_markup(
    mail: MailServer, trusting: ssl.SSLContext, clock: StoppedClock
) -> None:
    """Terms, names, recipients, platform and links are escaped in HTML."""
    evil = "<script>alert('x')</script>\"'&"
    sender = dataclasses.replace(SENDER, platform=Platform(evil, f"https://a.example/{evil}"))
    what = message(
        names={"en": evil}, recipients=(f"partner:{evil}",), use=evil, texts={"en": text_of(evil)}
    )
    whom = artist(1, opt_out_link=f"https://a.example/{evil}")

    await EmailChannel(at(mail, trusting), sender, clock).send(what, [whom], attempt_id="try-1")

    html = mail.taken[0].part("html")
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    tags = set(re.findall(r"<([a-z0-9]+)", html))
    assert tags <= {"html", "head", "meta", "title", "body", "p", "dl", "dt", "dd", "strong"} | {
        "a",
        "h1",
        "div",
        "br",
        "span",
    }


async def test_nothing_is_fetched_when_a_letter_is_opened(
    mail: MailServer, channel: EmailChannel
) -> None:
    """No picture, script, style sheet or form: nobody learns that it was read."""
    await tell(channel, artist(1))

    html = mail.taken[0].part("html").lower()
    for fetching in ("src=", "<img", "<link", "url(", "@import", "<form", "<script", "<iframe"):
        assert fetching not in html


async def test_no_header_lets_a_scanner_say_no(mail: MailServer, channel: EmailChannel) -> None:
    """Mail programs call what List-Unsubscribe names by themselves; so there is none."""
    await tell(channel, artist(1))

    assert not [name for name in mail.taken[0].letter if name.lower().startswith("list-")]


@pytest.mark.parametrize(
    ("locale", "language", "subject", "window"),
    [
        ("en", "en", "Planned AI use of your music", "30 days from"),
        ("en-GB", "en", "Planned AI use of your music", "30 days from"),
        ("de-AT", "de", "Geplante KI-Nutzung Ihrer Musik", "30 Tage ab"),
        ("fr", "fr", "Usage prévu de votre musique", "30 jours à compter"),
        ("es-MX", "es", "Uso previsto de su música", "30 días desde"),
        ("pt-BR", "pt", "Uso previsto da sua música", "30 dias a contar"),
        ("ja", "en", "Planned AI use of your music", "30 days from"),
        (None, "en", "Planned AI use of your music", "30 days from"),
    ],
)
async def test_each_artist_is_told_in_their_language(
    mail: MailServer,
    channel: EmailChannel,
    locale: str | None,
    language: str,
    subject: str,
    window: str,
) -> None:
    """Subject and sentences by locale; the terms in the published text that fits best."""
    await tell(channel, artist(1, locale=locale))

    taken = mail.taken[0]
    name = "Generative Musik" if language == "de" else "Generative music"
    assert taken.letter["Content-Language"] == language
    assert taken.letter["Subject"].strip().startswith(subject)
    assert taken.letter["Subject"].endswith(name)
    assert window in taken.part("plain")
    assert f'<html lang="{language}">' in taken.part("html")
    terms = "de" if language == "de" else "en"
    assert f'<div lang="{terms}"' in taken.part("html")
    assert message().texts[terms].sha256 in taken.part("plain")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_reminder_says_until_when(
    mail: MailServer, channel: EmailChannel, language: str
) -> None:
    """The day is in the subject, the instant in the letter, in the language's own form."""
    closing = artist(1, locale=language, closes_at=NOW + 30 * DAY)

    await channel.send(message(reminder=1), [closing], attempt_id="try-1")

    day = {
        "en": "March 31, 2026",
        "de": "31. März 2026",
        "fr": "31 mars 2026",
        "es": "31 de marzo de 2026",
        "pt": "31 de março de 2026",
    }[language]
    assert day in mail.taken[0].letter["Subject"]
    assert day in mail.taken[0].part("plain")
    assert day in mail.taken[0].part("html")


async def test_without_a_link_the_way_leads_through_the_settings(
    mail: MailServer, channel: EmailChannel
) -> None:
    """Nobody is told to open a link that is not there."""
    await tell(channel, artist(1, opt_out_link=None))

    plain = mail.taken[0].part("plain")
    assert "sign in to Example & Sounds" in plain
    assert "open this link" not in plain
    assert "None" not in plain + mail.taken[0].part("html")


async def test_a_retry_has_the_same_message_id(
    mail: MailServer, channel: EmailChannel, clock: StoppedClock
) -> None:
    """In whatever company and however much later; a reminder has another."""
    (first,) = await tell(channel, artist(1))
    clock.advance(DAY)
    _, second = await channel.send(message(), [artist(2), artist(1)], attempt_id="try-2")
    (reminder,) = await channel.send(message(reminder=1), [artist(1)], attempt_id="try-1")

    ids = [taken.letter["Message-ID"] for taken in mail.taken]
    assert first.message_id == second.message_id != reminder.message_id
    assert ids[0] == ids[2]
    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    ("said", "fate"),
    [
        ("550 5.1.1 no such user", Fate.BOUNCED),
        ("550 no such user", Fate.BOUNCED),
        ("552 5.2.2 mailbox full", Fate.BOUNCED),
        ("553 5.1.3 bad address", Fate.BOUNCED),
        ("554 refused", Fate.BOUNCED),
        ("450 4.2.1 greylisted", Fate.TRY_AGAIN),
        ("451 4.3.0 later", Fate.TRY_AGAIN),
        ("452 4.5.3 too many", Fate.TRY_AGAIN),
        ("554 5.7.1 relay access denied", Fate.TRY_AGAIN),
        ("550 5.7.26 not authenticated", Fate.TRY_AGAIN),
        ("530 5.7.0 log in first", Fate.TRY_AGAIN),
        ("530 log in first", Fate.TRY_AGAIN),
        ("503 5.5.1 bad sequence", Fate.TRY_AGAIN),
        ("553 5.1.8 domain of the envelope not found", Fate.TRY_AGAIN),
        ("554 5.3.4 message too big for system", Fate.TRY_AGAIN),
        ("550 5.1.0 Sender address rejected: user unknown", Fate.TRY_AGAIN),
        ("550 relay not permitted", Fate.TRY_AGAIN),
    ],
)
@pytest.mark.parametrize("step", ["rcpt", "data"])
async def test_a_refusal_is_one_artists(
    mail: MailServer, channel: EmailChannel, step: str, said: str, fate: Fate
) -> None:
    """5yz about the mailbox bounces, 4yz and 5yz about us are tried again; the others are told."""
    refusals = mail.at_rcpt if step == "rcpt" else mail.at_data
    refusals["artist2@mail.example"] = said

    outcomes = await tell(channel, artist(1), artist(2), artist(3))

    assert [one.fate for one in outcomes] == [Fate.HANDED_OVER, fate, Fate.HANDED_OVER]
    assert said in outcomes[1].reason
    assert [taken.recipients for taken in mail.taken] == [
        ["artist1@mail.example"],
        ["artist3@mail.example"],
    ]
    assert mail.sessions == 2  # EHLO before and after STARTTLS: one connection for all


@pytest.mark.parametrize("said", ["550 5.1.8 bad sender", "451 later", "530 log in first"])
async def test_a_refused_sender_is_nobodys_bounce(
    mail: MailServer, channel: EmailChannel, said: str
) -> None:
    """Our own address not being liked says nothing of any artist's."""
    mail.at_mail = said

    outcomes = await tell(channel, artist(1), artist(2))

    assert [one.fate for one in outcomes] == [Fate.TRY_AGAIN] * 2
    assert all(said[:3] in one.reason for one in outcomes)


@pytest.mark.parametrize(
    "email",
    [
        None,
        "",
        "nobody",
        "@mail.example",
        "a@",
        "a@b@mail.example",
        "a b@mail.example",
        "a@mail.example, b@mail.example",
        "a@mail.example\r\nRCPT TO:<evil@mail.example>",
        "a@mail.example\nBcc: evil@mail.example",
        "<a@mail.example> SIZE=1",
        '"a\r\nb"@mail.example',
        "a@[127.0.0.1]",
        "a@mail..example",
        "a" * 65 + "@mail.example",
        "a@" + "b" * 64 + ".example",
        "a\u2028b@mail.example",
        "=?utf-8?b?eA0KQmNjOiBldmlsQG1haWwuZXhhbXBsZQ==?=@mail.example",
        "a\ud800@mail.example",
    ],
)
async def test_an_unusable_address_bounces_alone(
    mail: MailServer, channel: EmailChannel, email: str | None
) -> None:
    """It never reaches the mail server, and keeps nobody else from being told."""
    outcomes = await tell(channel, artist(1), artist(2, email=email), artist(3))

    assert [one.fate for one in outcomes] == [Fate.HANDED_OVER, Fate.BOUNCED, Fate.HANDED_OVER]
    assert "e-mail address" in outcomes[1].reason
    assert "evil" not in outcomes[1].reason
    assert [taken.recipients for taken in mail.taken] == [
        ["artist1@mail.example"],
        ["artist3@mail.example"],
    ]


async def test_nobody_to_write_to_connects_nowhere(mail: MailServer, channel: EmailChannel) -> None:
    """Neither an empty call nor one without a usable address."""
    assert await tell(channel) == []
    assert [one.fate for one in await tell(channel, artist(1, email=None))] == [Fate.BOUNCED]
    assert mail.sessions == 0


async def test_international_domains_are_written_in_ascii(
    mail: MailServer, channel: EmailChannel
) -> None:
    """Every mail server can carry them."""
    await tell(channel, artist(1, email="artist@bücher.example"))

    assert mail.taken[0].recipients == ["artist@xn--bcher-kva.example"]


async def test_an_international_mailbox_needs_a_server_that_can(
    mail: MailServer, channel: EmailChannel
) -> None:
    """Without SMTPUTF8 it can never arrive here, which is a bounce; the next letter goes out."""
    outcomes = await tell(channel, artist(1, email="jürgen@mail.example"), artist(2))

    assert [one.fate for one in outcomes] == [Fate.BOUNCED, Fate.HANDED_OVER]
    assert "SMTPUTF8" in outcomes[0].reason


async def test_an_international_mailbox_is_written_to(
    certified: Callable[..., ssl.SSLContext], trusting: ssl.SSLContext, clock: StoppedClock
) -> None:
    """Where the server has SMTPUTF8."""
    async with serving_mail(certified("127.0.0.1"), enable_SMTPUTF8=True) as mail:
        channel = EmailChannel(at(mail, trusting), SENDER, clock)

        (outcome,) = await tell(channel, artist(1, email="jürgen@mail.example"))

        assert outcome.fate is Fate.HANDED_OVER
        assert mail.taken[0].recipients == ["jürgen@mail.example"]
        assert mail.taken[0].letter["To"] == "jürgen@mail.example"


async def test_a_broken_connection_keeps_what_was_answered(
    mail: MailServer, channel: EmailChannel
) -> None:
    """Who came before it has the letter; who came after is tried again, with nothing lost."""
    mail.at_rcpt["artist2@mail.example"] = "drop"

    outcomes = await tell(channel, artist(1), artist(2), artist(3))

    assert [one.fate for one in outcomes] == [Fate.HANDED_OVER, Fate.TRY_AGAIN, Fate.TRY_AGAIN]
    assert len(mail.taken) == 1


async def test_a_letter_taken_without_a_word_is_sent_again_as_the_same(
    mail: MailServer, channel: EmailChannel
) -> None:
    """The connection breaks after the letter and before the answer: at least once, recognisably."""
    mail.at_data["*"] = "taken, then drop"
    (first,) = await tell(channel, artist(1))
    mail.at_data.clear()
    (second,) = await tell(channel, artist(1))

    assert (first.fate, second.fate) == (Fate.TRY_AGAIN, Fate.HANDED_OVER)
    one, other = mail.taken
    assert one.letter["Message-ID"] == other.letter["Message-ID"]
    assert one.part("plain") == other.part("plain")


async def test_a_server_that_gives_up_keeps_nobody_from_a_retry(
    mail: MailServer, channel: EmailChannel
) -> None:
    """421 ends the connection; whoever is left is tried again."""
    mail.at_rcpt["artist1@mail.example"] = "421 4.3.2 shutting down"

    outcomes = await tell(channel, artist(1), artist(2))

    assert [one.fate for one in outcomes] == [Fate.TRY_AGAIN] * 2
    assert mail.taken == []


async def test_no_server_is_everybodys_retry(trusting: ssl.SSLContext, clock: StoppedClock) -> None:
    """Nothing raises where nobody listens."""
    async with serving_mail(None) as gone:
        pass
    channel = EmailChannel(at(gone, trusting), SENDER, clock)

    outcomes = await tell(channel, artist(1), artist(2, email=None))

    assert [one.fate for one in outcomes] == [Fate.TRY_AGAIN, Fate.BOUNCED]
    assert "connect" in outcomes[0].reason


async def test_without_starttls_nothing_is_said(
    trusting: ssl.SSLContext, clock: StoppedClock
) -> None:
    """A server, or somebody in between, that offers no encryption gets no letter and no login."""
    async with serving_mail(None, auth_require_tls=False) as mail:
        server = dataclasses.replace(at(mail, trusting), username=USER, password=PASSWORD)

        (outcome,) = await tell(EmailChannel(server, SENDER, clock), artist(1))

        assert outcome.fate is Fate.TRY_AGAIN
        assert "STARTTLS" in outcome.reason
        assert (mail.taken, mail.logins) == ([], [])


@pytest.mark.parametrize("trusted", [True, False])
async def test_an_untrusted_certificate_gets_no_letter(
    certified: Callable[..., ssl.SSLContext],
    trusting: ssl.SSLContext,
    clock: StoppedClock,
    *,
    trusted: bool,
) -> None:
    """Neither one for another name nor one of an unknown authority."""
    async with serving_mail(certified("other.example" if trusted else "127.0.0.1")) as mail:
        server = dataclasses.replace(at(mail, trusting), tls=trusting if trusted else None)

        (outcome,) = await tell(EmailChannel(server, SENDER, clock), artist(1))

        assert outcome.fate is Fate.TRY_AGAIN
        assert "certificate" in outcome.reason.lower()
        assert mail.taken == []


async def test_login_comes_after_encryption(
    certified: Callable[..., ssl.SSLContext], trusting: ssl.SSLContext, clock: StoppedClock
) -> None:
    """The right password lets the letter through; a wrong one is nobody's bounce."""
    async with serving_mail(certified("127.0.0.1"), auth_required=True) as mail:
        server = dataclasses.replace(at(mail, trusting), username=USER, password=PASSWORD)
        wrong = dataclasses.replace(server, password="guess")

        (denied,) = await tell(EmailChannel(wrong, SENDER, clock), artist(1))
        (outcome,) = await tell(EmailChannel(server, SENDER, clock), artist(1))

        assert (denied.fate, outcome.fate) == (Fate.TRY_AGAIN, Fate.HANDED_OVER)
        assert "guess" not in denied.reason
        assert mail.taken[0].encrypted


async def test_encryption_from_the_first_byte(
    certified: Callable[..., ssl.SSLContext], trusting: ssl.SSLContext, clock: StoppedClock
) -> None:
    """For servers on port 465; their certificate is checked alike."""
    async with serving_mail(certified("127.0.0.1"), from_the_start=True) as mail:
        server = dataclasses.replace(at(mail, trusting), encryption=Encryption.TLS)
        stranger = dataclasses.replace(server, tls=None)

        (denied,) = await tell(EmailChannel(stranger, SENDER, clock), artist(1))
        (outcome,) = await tell(EmailChannel(server, SENDER, clock), artist(1))

        assert (denied.fate, outcome.fate) == (Fate.TRY_AGAIN, Fate.HANDED_OVER)
        assert [taken.encrypted for taken in mail.taken] == [True]


async def test_a_mail_catcher_in_development(clock: StoppedClock) -> None:
    """Unencrypted mail has to be asked for by its name, and never carries a password."""
    async with serving_mail(None, auth_require_tls=False) as mail:
        server = SmtpServer(
            "127.0.0.1", mail.port, Encryption.UNSAFE_NONE, USER, PASSWORD, helo="fermata.example"
        )

        (outcome,) = await tell(EmailChannel(server, SENDER, clock), artist(1))

        assert outcome.fate is Fate.HANDED_OVER
        assert mail.logins == []


async def test_a_server_that_says_nothing_meets_the_deadline(
    mail: MailServer, trusting: ssl.SSLContext, clock: StoppedClock
) -> None:
    """A call ends, whatever the server does; everybody is tried again."""
    server = dataclasses.replace(at(mail, trusting), call_s=0.0)

    outcomes = await tell(EmailChannel(server, SENDER, clock), artist(1), artist(2))

    assert [one.fate for one in outcomes] == [Fate.TRY_AGAIN] * 2


async def test_a_refusal_in_any_bytes_can_be_stored(
    mail: MailServer, channel: EmailChannel
) -> None:
    """What a mail server says is a stranger's text: one line, printable, at most 300 characters."""
    mail.at_rcpt["*"] = "550 " + "n\x00o\x1b[31m " + "x" * 400

    (outcome,) = await tell(channel, artist(1))

    outcome.reason.encode("utf-8")
    assert outcome.reason.isprintable()
    assert len(outcome.reason) == 300


async def test_each_letter_can_have_a_return_path_of_its_own(
    mail: MailServer, trusting: ssl.SSLContext, clock: StoppedClock
) -> None:
    """A bounce that comes hours later says by its address which message it is about."""
    path = ReturnPath(EmailAddress.read("bounces@sounds.example"))
    sender = dataclasses.replace(SENDER, return_path=path)

    outcomes = await tell(EmailChannel(at(mail, trusting), sender, clock), artist(1), artist(2))

    for outcome, taken in zip(outcomes, mail.taken, strict=True):
        assert taken.sender != "notices@sounds.example"
        digest = path.read(taken.sender.upper())
        assert digest is not None
        assert outcome.message_id.endswith(digest)
        assert len(taken.sender.partition("@")[0]) <= 64


@pytest.mark.parametrize(
    "address",
    [
        "bounces@sounds.example",
        "bounces+@sounds.example",
        "bounces+abc@sounds.example",
        "bounces+" + "0" * 32 + "@other.example",
        "notices+" + "0" * 32 + "@sounds.example",
        "bounces+" + "0" * 32 + "@sounds.example.other",
        "x",
    ],
)
def test_other_addresses_are_no_return_paths(address: str) -> None:
    """Mail to them is about no message."""
    assert ReturnPath(EmailAddress.read("bounces@sounds.example")).read(address) is None


async def test_replies_can_go_elsewhere(
    mail: MailServer, trusting: ssl.SSLContext, clock: StoppedClock
) -> None:
    """To people who answer."""
    sender = dataclasses.replace(SENDER, reply_to=EmailAddress.read("help@sounds.example"))

    await tell(EmailChannel(at(mail, trusting), sender, clock), artist(1))

    assert mail.taken[0].letter["Reply-To"] == "help@sounds.example"


INJECTIONS = [
    "x\r\nBcc: evil@mail.example",
    "x\nBcc: evil@mail.example",
    "x\rBcc: evil@mail.example",
    "x\r\n\r\n<p>body</p>",
    "x\x0bBcc: evil@mail.example",
    "x\x85Bcc: evil@mail.example",
    "x\u2028Bcc: evil@mail.example",
    "=?utf-8?q?x=0D=0ABcc:_evil@mail.example?=",
    "=?utf-8?b?eA0KQmNjOiBldmlsQG1haWwuZXhhbXBsZQ==?=",
    "x" * 200 + "\r\n Bcc: evil@mail.example",
    '"x" <evil@mail.example>, y',
    "x" * 70 + " <evil@mail.example>",
    "x (comment) " + "\\" * 80 + '", evil@mail.example',
]


@pytest.mark.parametrize("evil", INJECTIONS)
async def test_headers_cannot_be_injected(
    mail: MailServer, trusting: ssl.SSLContext, clock: StoppedClock, evil: str
) -> None:
    """Not by a use's name, the platform's, a recipient's, a locale or an id."""
    sender = dataclasses.replace(SENDER, platform=Platform(evil))
    what = message(
        names={"en": evil}, recipients=(f"partner:{evil}",), use=evil, notice_id=f"{evil}:2"
    )
    whom = artist(1, artist_id=evil, locale=evil, opt_out_link=evil)

    (outcome,) = await EmailChannel(at(mail, trusting), sender, clock).send(
        what, [whom], attempt_id="try-1"
    )

    assert outcome.fate is Fate.HANDED_OVER
    check_headers(mail)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ANY_TEXT, ANY_TEXT)
async def test_no_text_becomes_a_header(
    mail: MailServer, channel: EmailChannel, name: str, platform: str
) -> None:
    """Whatever a use and a platform are called, the letter has the same headers, each once."""
    mail.taken.clear()
    sender = dataclasses.replace(SENDER, platform=Platform(platform))
    channel = EmailChannel(channel._server, sender, channel._clock)

    (outcome,) = await channel.send(message(names={"en": name}), [artist(1)], attempt_id="try-1")

    assert outcome.fate is Fate.HANDED_OVER
    check_headers(mail)


def check_headers(mail: MailServer) -> None:
    """The one letter has exactly the headers that we write, by their raw lines, to one artist."""
    (taken,) = mail.taken
    head = taken.raw.partition(b"\r\n\r\n")[0]
    assert b"\r" not in head.replace(b"\r\n", b"")
    assert b"\n" not in head.replace(b"\r\n", b"")
    names = [
        line.partition(b":")[0].decode("ascii")
        for line in head.split(b"\r\n")
        if not line.startswith((b" ", b"\t"))
    ]
    assert sorted(names) == sorted(HEADERS)
    assert taken.recipients == ["artist1@mail.example"]
    (writer,) = taken.letter["From"].addresses
    assert writer.addr_spec == "notices@sounds.example"


async def test_what_is_kept_of_a_refusal_has_no_address(
    mail: MailServer, channel: EmailChannel
) -> None:
    """Servers like to repeat it, as they please; what is kept of their words outlives it."""
    mail.at_rcpt["artist1@mail.example"] = "550 5.1.1 <Artist1@Mail.Example>: no such user"

    (outcome,) = await tell(channel, artist(1))

    assert outcome.fate is Fate.BOUNCED
    assert outcome.reason == "the mail server answered 550 5.1.1 <…>: no such user"


@given(st.integers(0, 999), st.text())
def test_only_5yz_can_be_permanent(code: int, said: str) -> None:
    """Whatever the words."""
    assert not is_permanent(code, said) or 500 <= code < 600


def text_of(words: str) -> object:
    """Terms with these words."""
    return dataclasses.replace(message().texts["en"], words=words)
