"""Whatever is killed while a notice is sent: everybody is told once, with the whole window."""

import asyncio
import base64
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from service.cli.local import free_port
from service.db.embedded import EmbeddedPostgres
from service.db.migrate import upgrade
from service.settings import KEY_BYTES
from tests.faults.asking import over_the_network
from tests.faults.messaging import messaging
from tests.faults.process import Command, Served, kill_with_children, served
from tests.faults.proxy import Proxy
from tests.faults.telling import (
    Telling,
    delivered_in_ledger,
    let_leases_run_out,
    until_settled,
)
from tests.faults.waiting import until
from tests.ledger.writing import connected
from tests.notices.channels.mail_server import MailServer, serving_mail

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="finds processes where Linux tells of them"
)

ARTISTS: Final = [f"artist-{number:05}" for number in range(10_000)]
TO_LOOPBACK: Final = {
    "webhook_development": "true",
    "webhook_calls_per_minute": "600",  # fifty calls in five seconds: time to be killed in
}
KEY: Final = base64.b64encode(bytes(KEY_BYTES)).decode()


class Workers:
    """Two `fermata worker` at once, over one database."""

    def __init__(self, home: Path, **settings: str) -> None:
        """Start them."""
        self._home = home
        self._settings = settings
        self._running = [self._start(), self._start()]

    def _start(self) -> Command:
        return Command(self._home, "worker", **self._settings)

    def kill(self, number: int) -> None:
        """Kill one, and start another in its place."""
        assert self._running[number].runs, "the worker has ended by itself"
        self._running[number].kill()
        self._running[number] = self._start()

    def stop(self) -> None:
        """Stop both."""
        for worker in self._running:
            worker.stop()


@asynccontextmanager
async def workers(home: Path, **settings: str) -> AsyncIterator[Workers]:
    """Let two work until the block ends."""
    pair = Workers(home, **settings)
    try:
        yield pair
    finally:
        await asyncio.to_thread(pair.stop)


async def test_workers_are_killed_in_the_middle(scratch_dir: Path, seed: int) -> None:
    """One or both at once, again and again, with a messaging that fails before and after taking."""
    randomness = random.Random(seed)
    async with (
        messaging(seed, trouble=0.1) as inbox,
        served(scratch_dir / "data", free_port(), send_notices="false", **TO_LOOPBACK) as service,
        over_the_network(service.url) as ask,
    ):
        url = service.database_url()
        told = Telling(ask, inbox, randomness, ARTISTS)
        await told.begin()
        await told.put_endpoint()
        settings = {"database_url": url, "key_encryption_key": service.key_encryption_key()}
        async with workers(scratch_dir, **settings, **TO_LOOPBACK) as pair, told.reporting():
            for calls in sorted(randomness.sample(range(1, 45), 2)):
                await told.until_called(calls)
                for doomed in randomness.choice([[0], [1], [0, 1]]):
                    pair.kill(doomed)
                await let_leases_run_out(url)
            await told.until_sent(url)
        await told.finish()
        await told.hold_to_account(url)


async def test_the_service_is_killed_while_it_sends(scratch_dir: Path, seed: int) -> None:
    """With the worker that is inside, and with its database; started again, it goes on."""
    randomness, port = random.Random(seed), free_port()
    async with (
        messaging(seed, trouble=0.1) as inbox,
        over_the_network(f"http://127.0.0.1:{port}") as ask,
    ):
        told = Telling(ask, inbox, randomness, ARTISTS)
        first = Served(scratch_dir / "data", port, **TO_LOOPBACK)
        try:
            await first.until_ready()
            await told.begin()
            await told.put_endpoint()
            async with AsyncExitStack() as again:
                async with told.reporting():
                    await told.until_called(randomness.randrange(5, 40))
                    first.kill()
                    second = served(scratch_dir / "data", port, **TO_LOOPBACK)
                    url = (await again.enter_async_context(second)).database_url()
                    await let_leases_run_out(url)
                    await told.until_sent(url)
                await told.finish()
                await told.hold_to_account(url)
        finally:
            first.kill()


async def test_the_database_is_killed_while_a_notice_is_sent(scratch_dir: Path, seed: int) -> None:
    """Every process of it, twice; started again at another port, service and worker go on."""
    randomness = random.Random(seed)
    postgres = EmbeddedPostgres(scratch_dir / "postgres")
    try:
        await asyncio.to_thread(upgrade, await asyncio.to_thread(postgres.start))
        async with (
            messaging(seed, trouble=0.1) as inbox,
            Proxy(postgres.url) as proxy,
            served(
                _made(scratch_dir / "data"),
                free_port(),
                database_url=proxy.url,
                key_encryption_key=KEY,
                **TO_LOOPBACK,
            ) as service,
            over_the_network(service.url) as ask,
        ):
            told = Telling(ask, inbox, randomness, ARTISTS)
            await told.begin()
            await told.put_endpoint()
            async with told.reporting():
                for calls in sorted(randomness.sample(range(3, 42), 2)):
                    await told.until_called(calls)
                    await kill_and_start_again(postgres, proxy)
                await told.until_sent(proxy.url)
            await told.finish()
            await told.hold_to_account(postgres.url)
    finally:
        await asyncio.to_thread(postgres.stop)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


async def kill_and_start_again(postgres: EmbeddedPostgres, proxy: Proxy) -> None:
    """Kill the server and start it at another port."""
    assert postgres.pid is not None
    await kill_with_children(postgres.pid)
    await asyncio.to_thread(postgres.stop)
    proxy.retarget(await asyncio.to_thread(postgres.start))


class DropsOnce(dict[str, str]):
    """Answers to DATA of which one is lost on its way, after the letter was taken."""

    def get(self, recipient: str, default: str | None = None) -> str | None:  # type: ignore[override]  # what the mail server asks
        """Return what is answered to a letter to this recipient."""
        return self.pop(recipient, default)


async def test_letters_go_on_after_workers_were_killed(scratch_dir: Path, seed: int) -> None:
    """A mailbox may get a letter twice, as SMTP is; never two letters that it cannot tell apart.

    Who has no such mailbox bounces once, in the ledger and in what the sender keeps.
    """
    randomness = random.Random(seed)
    addresses = {artist: f"{artist}@letters.example" for artist in ARTISTS[:400]}
    *gone, lost = randomness.sample(sorted(addresses), 21)
    async with serving_mail(None) as mail, messaging(seed) as unused:
        mail.at_rcpt = {addresses[one]: "550 5.1.1 no such mailbox" for one in gone}
        mail.at_data = DropsOnce({addresses[lost]: "taken, then drop"})
        settings = {
            "smtp_host": "127.0.0.1",
            "smtp_port": str(mail.port),
            "smtp_encryption": "unsafe_none",
            "mail_from": "notices@sounds.example",
            "emails_per_minute": "6000",
            "send_notices": "false",
        }
        async with (
            served(scratch_dir / "data", free_port(), **settings) as service,
            over_the_network(service.url) as ask,
        ):
            url = service.database_url()
            told = Telling(ask, unused, randomness, sorted(addresses))
            await told.begin()
            await told.put_addresses(addresses)
            keys = {"database_url": url, "key_encryption_key": service.key_encryption_key()}
            async with workers(scratch_dir, **keys, **settings) as pair:
                for letters in sorted(randomness.sample(range(1, 300), 2)):
                    await until_taken(mail, letters)
                    pair.kill(randomness.randrange(2))
                    await let_leases_run_out(url)
                await until_taken(mail, len(addresses) - len(gone))
                await until_settled(url)

            got = message_ids(mail)
            assert set(got) == set(addresses.values()) - {addresses[one] for one in gone}
            assert {len(ids) for ids in got.values()} == {1}
            async with connected(url) as connection:
                bounces = await connection.fetch(
                    "SELECT artist_id FROM bounces JOIN artists USING (subject)"
                )
                states = await connection.fetch("SELECT state, count(*) FROM sends GROUP BY state")
            assert sorted(row["artist_id"] for row in bounces) == sorted(gone)
            assert dict(states) == {"bounced": len(gone), "handed_over": len(got)}
            await told.report([{"message": one, "channel": "email"} for (one,) in got.values()])
            assert told.answers[-1]["delivered"] == len(got) == len(await delivered_in_ledger(url))


def message_ids(mail: MailServer) -> dict[str, set[str]]:
    """Return under which ids each mailbox got letters."""
    found: dict[str, set[str]] = {}
    for taken in mail.taken:
        (recipient,) = taken.recipients
        found.setdefault(recipient, set()).add(taken.letter["Message-ID"])
    return found


async def until_taken(mail: MailServer, mailboxes: int) -> None:
    """Return once so many mailboxes have a letter."""
    await until(lambda: len({taken.recipients[0] for taken in mail.taken}) >= mailboxes)
