"""A platform with artists, notices to tell them of, and workers: all real, but for the clocks.

The ledger's clock and the machine's stand still until a test moves them, together or apart. What is
sent goes to a real HTTP server and a real mail server on loopback.
"""

import base64
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import asyncpg
from pydantic import SecretStr

from service.catalog.artists import ArtistRow, register_artists
from service.consents.authority import Actor
from service.consents.records import Statement, record_consent
from service.db.engine import Database
from service.domain.consent import Answer, Scope
from service.domain.instant import DAY, Duration, Instant
from service.domain.policy import Mode, PolicyDraft
from service.ledger.append import Appender
from service.ledger.derived_keys import WEBHOOK_KEYS, derived_key
from service.ledger.head import HeadReader
from service.ledger.vault import Vault
from service.notices.contacts import ContactRow, put_contacts
from service.notices.deliveries import DeliveryRow, Outcome, record_deliveries
from service.notices.endpoint import Keeper, put_endpoint
from service.notices.worker import Machinery, Worker
from service.policies.charter import open_charter
from service.policies.publish import publish_policy
from service.settings import Settings
from service.telemetry import Telemetry
from tests.ledger.stopped_clock import NOON, set_clock, stop_clock
from tests.notices.channels.listening import Heard, Listener, listening
from tests.notices.channels.mail_server import MailServer, serving_mail
from tests.notices.channels.telling import StoppedClock

KEY: Final = bytes(range(32))
USE: Final = "training.generative.music"
WORDS: Final = "What we would do with your music."


@dataclass
class Office:
    """One platform. Verbs that something happens; questions what is known."""

    url: str
    clock: StoppedClock
    database: Database
    appender: Appender
    heads: HeadReader
    listener: Listener
    mail: MailServer
    connection: asyncpg.Connection
    settings: Settings
    telemetry: Telemetry = field(default_factory=Telemetry)

    def worker(self, **changes: Any) -> Worker:
        """Return a worker that plans and sends when it is told to."""
        return Worker(
            self.settings.model_copy(update=changes),
            KEY,
            Machinery(
                self.database,
                self.appender,
                self.heads,
                self.clock,
                os.urandom,
                self.telemetry,
            ),
        )

    async def work(self, **changes: Any) -> Worker:
        """Let a new worker plan and send once."""
        worker = self.worker(**changes)
        await worker.plan()
        await worker.send()
        return worker

    async def pass_time(self, length: Duration, *, of_the_machine: bool = True) -> None:
        """Let time pass for the ledger, and for this machine unless its clock goes wrong."""
        await self.connection.execute(
            "UPDATE stopped.clock SET at = at + $1", timedelta(microseconds=length)
        )
        if of_the_machine:
            self.clock.advance(length)

    async def publish(
        self,
        mode: Mode = Mode.OPT_OUT,
        *recipients: str,
        words: str = WORDS,
        use: str = USE,
        period: Duration = 30 * DAY,
        editorial: bool = False,
    ) -> str:
        """Publish the next version, and return its notice's id."""
        draft = PolicyDraft(
            use, mode, frozenset(recipients or {"internal"}), period, {"en": words}, editorial
        )
        answered = await self.appender.submit(publish_policy(draft))
        return str(answered.body["notice"])

    async def register(self, *artists: str) -> None:
        """Register artists."""
        await self.appender.submit(register_artists([ArtistRow(one) for one in artists]))

    async def deliver(self, notice: str, *artists: str) -> None:
        """Confirm that the notice has arrived at these."""
        rows = [DeliveryRow(one, Outcome.DELIVERED, "in_app") for one in artists]
        await self.appender.submit(record_deliveries(notice, rows))

    async def say_no(self, artist: str, use: str = "*", recipient: str | None = None) -> None:
        """Let the artist say no about all tracks."""
        statement = Statement(Answer.OPT_OUT, Scope(use, None, recipient), "in_app")
        actor = Actor(artist, is_platform=False)
        await self.appender.submit(record_consent(artist, statement, actor))

    async def contact(self, **emails: str | None) -> None:
        """Say where artists can be reached by e-mail."""
        async with self.database.keep() as session:
            await put_contacts(
                session, [ContactRow(artist, email, "en") for artist, email in emails.items()]
            )

    async def put_endpoint(self, path: str = "/hook") -> None:
        """Register the listener at this path, and take it for proven."""
        keeper = Keeper(derived_key(KEY, WEBHOOK_KEYS), os.urandom, self.clock.now())
        async with self.database.keep() as session:
            await put_endpoint(session, f"http://127.0.0.1:{self.listener.port}{path}", keeper)
        await self.connection.execute(
            "UPDATE private.webhook_endpoint SET proven_at = clock_timestamp()"
        )

    async def sends(self, notice: str | None = None) -> dict[tuple[str, str, int], str]:
        """Return every send's state, by artist, channel and reminder."""
        rows = await self.connection.fetch(
            "SELECT coalesce(artist_id, subject), channel, reminder, state FROM sends"
            " JOIN artists USING (subject) WHERE $1::text IS NULL OR notice_id = $1",
            notice,
        )
        return {(artist, channel, reminder): state for artist, channel, reminder, state in rows}

    async def audience(self, notice: str) -> set[str]:
        """Return who is to be told of a notice."""
        rows = await self.connection.fetch(
            "SELECT artist_id FROM audience JOIN artists USING (subject) WHERE notice_id = $1",
            notice,
        )
        return {artist for (artist,) in rows}

    async def one(self, query: str, *arguments: Any) -> Any:
        """Return one value from the database."""
        return await self.connection.fetchval(query, *arguments)

    async def now(self) -> Instant:
        """Return the ledger's time: a moment after noon, for no two events are recorded at once."""
        return (await self.heads.read()).now

    def calls(self) -> list[tuple[str, list[str]]]:
        """Return each webhook that came in: its message id, and the artists it named."""
        return [(one.headers["webhook-id"], artists_of(one)) for one in self.listener.heard]

    def told(self) -> Counter[str]:
        """Return how many different messages named each artist."""
        different = dict(self.calls())
        return Counter(artist for artists in different.values() for artist in artists)


def artists_of(heard: Heard) -> list[str]:
    """Return the artists that a webhook names."""
    return [one["artist"] for one in json.loads(heard.body)["data"]["artists"]]


def many(count: int) -> list[str]:
    """Return the ids of so many artists."""
    return [f"artist-{n:05d}" for n in range(count)]


def times(artists: Iterable[str], number: int = 1) -> Counter[str]:
    """Return what `Office.told` is when each of these was told so often."""
    return Counter(dict.fromkeys(artists, number))


@asynccontextmanager
async def open_office(url: str, **changes: Any) -> AsyncIterator[Office]:
    """Open a ledger without policies or artists, at noon, with servers to send to."""
    await stop_clock(url)
    async with AsyncExitStack() as stack:
        connection = await asyncpg.connect(url)
        stack.push_async_callback(connection.close)
        await set_clock(connection, NOON)
        listener = await stack.enter_async_context(listening(None))
        mail = await stack.enter_async_context(serving_mail(None))
        clock = StoppedClock(now_us=NOON)
        settings = Settings(
            **{
                "database_url": url,
                "key_encryption_key": SecretStr(base64.b64encode(KEY).decode()),
                "public_url": "https://fermata.example",
                "webhook_development": True,
                # No pause that a stopped clock would show.
                "webhook_calls_per_minute": 1_000_000_000,
                "emails_per_minute": 1_000_000_000,
                **changes,
            }
        )
        heads = HeadReader(
            url,
            clock,
            timeout=settings.head_timeout,
            max_disagreement=settings.max_clock_disagreement,
        )
        stack.push_async_callback(heads.close)
        database = await stack.enter_async_context(Database(url, pool_size=5))
        vault = Vault(KEY, os.urandom)
        appender = await stack.enter_async_context(
            Appender(database, vault, os.urandom, heads.ledger_clock)
        )
        await appender.submit(open_charter("Example Sounds", DAY))
        yield Office(url, clock, database, appender, heads, listener, mail, connection, settings)


def mailing(office: Office) -> dict[str, Any]:
    """Return the settings with which the office's mail server is used."""
    return {
        "smtp_host": "127.0.0.1",
        "smtp_port": office.mail.port,
        "smtp_encryption": "unsafe_none",
        "mail_from": "notices@platform.example",
        "bounce_address": "bounces@platform.example",
    }
