"""Certificates, a listening endpoint and a mail server, all real and all on loopback."""

import ssl
from collections.abc import AsyncIterator, Callable

import pytest
import trustme

from service.notices.channels.safe_address import AddressRules
from service.notices.channels.safe_post import SafePoster
from tests.notices.channels.listening import Listener, listening
from tests.notices.channels.mail_server import MailServer, serving_mail
from tests.notices.channels.telling import StoppedClock

LOOPBACK = AddressRules(development=True)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority of this test run's own."""
    return trustme.CA()


@pytest.fixture(scope="session")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """What a client has who trusts that authority and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


@pytest.fixture
def certified(authority: trustme.CA) -> Callable[..., ssl.SSLContext]:
    """What makes a server's context with a certificate for these names."""

    def make(*names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(context)
        return context

    return make


@pytest.fixture
def clock() -> StoppedClock:
    """A clock that stands still."""
    return StoppedClock()


@pytest.fixture
async def endpoint(certified: Callable[..., ssl.SSLContext]) -> AsyncIterator[Listener]:
    """An https server that is certified as hooks.example."""
    async with listening(certified("hooks.example")) as listener:
        yield listener


@pytest.fixture
def poster(trusting: ssl.SSLContext) -> SafePoster:
    """A poster to whom every name is on loopback, which it may reach."""

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    return SafePoster(LOOPBACK, tls=trusting, resolve=resolve, deadline_s=10)


@pytest.fixture
async def mail(certified: Callable[..., ssl.SSLContext]) -> AsyncIterator[MailServer]:
    """A mail server that takes nothing before STARTTLS."""
    async with serving_mail(certified("localhost", "127.0.0.1"), require_starttls=True) as server:
        yield server
