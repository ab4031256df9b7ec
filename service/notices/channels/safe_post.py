"""One POST to a stranger's endpoint, to addresses that were checked and to nowhere else.

Built on httpcore2 and not on an HTTP client: it knows no redirects, no proxies, no environment
variables, no cookies and no compression, so that none of them has to be switched off.
"""

import asyncio
import ssl
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpcore2

from service.notices.channels.safe_address import (
    Address,
    AddressRules,
    Resolve,
    UnsafeAddress,
    checked_addresses,
    read_target,
    resolve_by_system,
)

LARGEST_ANSWER: Final = 64 * 1024
"""Bytes of an answer's body that are read at most; the connection is dropped after them."""

DEADLINE_S: Final = 20.0
"""Seconds that one try may take altogether: resolving, connecting, sending, reading."""

_CONNECT_S: Final = 5.0
_MOST_ADDRESSES: Final = 4
_OUR_TROUBLE = (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException)


class NotSent(Exception):  # noqa: N818 - an outcome that the caller turns into a value
    """No answer came. The receiver may have got it all the same; the message says what happened."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint said: its status, its headers with lower-case names, some of its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class SafePoster:
    """Sends POST requests to URLs that somebody else chose.

    Each try resolves the name once, checks every answer and connects to one of the checked
    addresses; TLS, its certificate check and the Host header are for the name. No connection is
    used twice, so none is shared between endpoints.
    """

    def __init__(
        self,
        rules: AddressRules,
        *,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = resolve_by_system,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """Trust the system's certificate authorities unless a context is given."""
        self._rules = rules
        self._tls = tls if tls is not None else ssl.create_default_context()
        self._resolve = resolve
        self._deadline_s = deadline_s

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send one request and return the answer, whatever its status.

        Once the status is there it counts, even if the body then stalls, breaks off or is too
        long. Raises UnsafeAddress where it must not be sent and NotSent where no answer came.
        """
        begun: list[Answer] = []
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._exchange(url, headers, body, begun)
        except TimeoutError:
            if not begun:
                raise NotSent(f"no answer within {self._deadline_s:g} s") from None
        except (*_OUR_TROUBLE, OSError) as error:
            if not begun:
                raise NotSent(f"{type(error).__name__}: {error}") from error
        return begun[-1]

    async def _exchange(
        self, url: str, headers: Mapping[str, str], body: bytes, begun: list[Answer]
    ) -> None:
        target = read_target(url, self._rules)
        addresses = await checked_addresses(target, self._rules, self._resolve)
        request = {
            "Host": target.authority,
            "Accept-Encoding": "identity",
            "Connection": "close",
            "Content-Length": str(len(body)),
            **headers,
        }
        connection = httpcore2.AsyncHTTPConnection(
            httpcore2.Origin(target.scheme.encode(), target.host.encode(), target.port),
            ssl_context=self._tls,
            network_backend=_CheckedOnly(target.host, addresses),
        )
        async with connection:
            where = httpcore2.URL(
                scheme=target.scheme, host=target.host, port=target.port, target=target.path
            )
            response = await connection.handle_async_request(
                httpcore2.Request("POST", where, headers=list(request.items()), content=body)
            )
            answer = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in response.headers
            }
            begun.append(Answer(response.status, answer, b""))
            kept = await _first_bytes(response.aiter_stream())
            begun.append(Answer(response.status, answer, kept))


async def _first_bytes(stream: AsyncIterable[bytes]) -> bytes:
    kept = bytearray()
    async for chunk in stream:
        kept += chunk[: LARGEST_ANSWER - len(kept)]
        if len(kept) >= LARGEST_ANSWER:
            break
    return bytes(kept)


class _CheckedOnly(httpcore2.AsyncNetworkBackend):
    """Connects to the checked addresses in turn, whatever the name would resolve to by now."""

    def __init__(self, host: str, addresses: Sequence[Address]) -> None:
        self._host = host
        self._addresses = addresses[:_MOST_ADDRESSES]
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - httpcore2's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address that answers. Raises ConnectError when none does."""
        if host != self._host:
            raise UnsafeAddress(f"{host} was not checked")
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in self._addresses:
            try:
                return await self._network.connect_tcp(
                    str(address), port, _CONNECT_S, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure
