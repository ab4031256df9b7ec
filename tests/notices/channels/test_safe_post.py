"""One POST to a stranger: to the checked address, by the name's certificate, and not for ever."""

import asyncio
import os
import ssl
from collections.abc import Callable, Sequence

import pytest

from service.notices.channels.safe_address import AddressRules, UnsafeAddress
from service.notices.channels.safe_post import LARGEST_ANSWER, NotSent, SafePoster
from tests.notices.channels.conftest import LOOPBACK
from tests.notices.channels.listening import Listener, answer, listening


def url(listener: Listener, scheme: str = "https", host: str = "hooks.example") -> str:
    """Where a listener is to be found, by a name that only the tests' resolver knows."""
    return f"{scheme}://{host}:{listener.port}/hook?x=1"


async def test_the_name_is_kept_and_the_checked_address_used(
    endpoint: Listener, poster: SafePoster
) -> None:
    """TLS asks for the name, its certificate is checked against it, and so is the Host header."""
    endpoint.answers = [answer("200 OK", b"thanks", "X-Note: hello")]

    said = await poster.post(url(endpoint), {"Webhook-Id": "msg_1"}, b"body")

    assert (said.status, said.body, said.headers["x-note"]) == (200, b"thanks", "hello")
    assert endpoint.names == ["hooks.example"]
    heard = endpoint.heard[0]
    assert heard.line == "POST /hook?x=1 HTTP/1.1"
    assert heard.body == b"body"
    assert heard.headers["host"] == f"hooks.example:{endpoint.port}"
    assert heard.headers["webhook-id"] == "msg_1"


async def test_a_name_is_resolved_once_a_try(endpoint: Listener, trusting: ssl.SSLContext) -> None:
    """DNS rebinding: the second answer would lead elsewhere, and is never asked for."""
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    poster = SafePoster(LOOPBACK, tls=trusting, resolve=rebinding)

    assert (await poster.post(url(endpoint), {}, b"")).status == 200
    assert asked == ["hooks.example"]
    with pytest.raises(UnsafeAddress):
        await poster.post(url(endpoint), {}, b"")  # and each try checks anew
    assert endpoint.connections == 1


async def test_one_bad_answer_and_nothing_is_connected(
    endpoint: Listener, trusting: ssl.SSLContext
) -> None:
    """Even where the first address is fine."""

    async def mixed(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1", "192.168.0.1"]

    with pytest.raises(UnsafeAddress, match=r"192\.168\.0\.1"):
        await SafePoster(LOOPBACK, tls=trusting, resolve=mixed).post(url(endpoint), {}, b"")
    assert endpoint.connections == 0


async def test_loopback_is_closed_unless_configured(
    endpoint: Listener, trusting: ssl.SSLContext
) -> None:
    """The same server, by the rules of production."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    rules = AddressRules(ports=frozenset({endpoint.port}))

    with pytest.raises(UnsafeAddress, match="not a public address"):
        await SafePoster(rules, tls=trusting, resolve=resolve).post(url(endpoint), {}, b"")
    assert endpoint.connections == 0


async def test_the_next_address_is_tried(endpoint: Listener, trusting: ssl.SSLContext) -> None:
    """Where the first does not answer: hosts with a dead IPv6 address still get their notices."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.2", "127.0.0.1"]  # nobody listens on the first

    poster = SafePoster(LOOPBACK, tls=trusting, resolve=resolve)

    assert (await poster.post(url(endpoint), {}, b"")).status == 200


async def test_another_hosts_certificate_is_refused(
    certified: Callable[..., ssl.SSLContext], poster: SafePoster
) -> None:
    """Though it is good and leads to the right address."""
    async with listening(certified("other.example")) as listener:
        with pytest.raises(NotSent, match=r"hooks\.example"):
            await poster.post(url(listener), {}, b"secret")
        assert not listener.heard


async def test_an_unknown_authority_is_refused(endpoint: Listener) -> None:
    """Without being told of the tests' own authority nobody trusts it."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    with pytest.raises(NotSent, match=r"(?i)certificate"):
        await SafePoster(LOOPBACK, resolve=resolve).post(url(endpoint), {}, b"secret")
    assert not endpoint.heard


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
async def test_redirects_are_answers(endpoint: Listener, poster: SafePoster, status: str) -> None:
    """They come back as they are; where they lead is never asked."""
    endpoint.answers = [answer(status, b"", "Location: http://169.254.169.254/latest/meta-data")]

    said = await poster.post(url(endpoint), {}, b"")

    assert said.status == int(status[:3])
    assert endpoint.connections == 1


async def test_proxies_of_the_environment_are_ignored(
    endpoint: Listener, poster: SafePoster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would resolve the name again, unchecked."""
    async with listening(None) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"):
            monkeypatch.setitem(os.environ, name, f"http://127.0.0.1:{proxy.port}")

        assert (await poster.post(url(endpoint), {}, b"")).status == 200
        assert proxy.connections == 0


async def test_nothing_is_remembered_between_tries(endpoint: Listener, poster: SafePoster) -> None:
    """No cookie comes back and no connection is used twice."""
    endpoint.answers = [answer("200 OK", b"", "Set-Cookie: a=b")]

    await poster.post(url(endpoint), {}, b"")
    await poster.post(url(endpoint), {}, b"")

    assert "cookie" not in endpoint.heard[1].headers
    assert endpoint.connections == 2


async def test_answers_are_read_up_to_a_limit(endpoint: Listener, poster: SafePoster) -> None:
    """An endless body fills no memory: 64 kB are kept and the connection is dropped."""
    stopped = asyncio.Event()

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"c000\r\n" + b"x" * 0xC000 + b"\r\n")
                await writer.drain()
        finally:
            stopped.set()

    endpoint.answers = [endless]

    said = await poster.post(url(endpoint), {}, b"")

    assert (said.status, len(said.body)) == (200, LARGEST_ANSWER)
    await asyncio.wait_for(stopped.wait(), 10)


async def test_compressed_answers_are_not_unpacked(endpoint: Listener, poster: SafePoster) -> None:
    """A small body cannot become a large one."""
    endpoint.answers = [answer("200 OK", b"\x1f\x8b\x08 not unpacked", "Content-Encoding: gzip")]

    assert (await poster.post(url(endpoint), {}, b"")).body == b"\x1f\x8b\x08 not unpacked"
    assert endpoint.heard[0].headers["accept-encoding"] == "identity"


async def test_there_is_a_deadline_over_everything(
    endpoint: Listener, trusting: ssl.SSLContext
) -> None:
    """A header line that drips for ever keeps each read busy, but not the whole."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async def dripping(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    endpoint.answers = [dripping]
    poster = SafePoster(LOOPBACK, tls=trusting, resolve=resolve, deadline_s=0.3)

    with pytest.raises(NotSent, match=r"no answer within 0\.3 s"):
        await poster.post(url(endpoint), {}, b"")


async def test_a_resolver_that_hangs_meets_the_deadline(trusting: ssl.SSLContext) -> None:
    """The deadline holds before there is a connection, too."""

    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    poster = SafePoster(LOOPBACK, tls=trusting, resolve=never, deadline_s=0.05)

    with pytest.raises(NotSent, match="no answer"):
        await poster.post("https://hooks.example/", {}, b"")


async def test_a_status_counts_though_the_body_stalls(
    endpoint: Listener, trusting: ssl.SSLContext
) -> None:
    """The receiver has said 200: sending again would only repeat."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async def stalling(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await writer.drain()
        await asyncio.Event().wait()

    endpoint.answers = [stalling]
    poster = SafePoster(LOOPBACK, tls=trusting, resolve=resolve, deadline_s=2)

    assert (await poster.post(url(endpoint), {}, b"")).status == 200


async def test_a_status_counts_though_the_connection_breaks(
    endpoint: Listener, poster: SafePoster
) -> None:
    """Likewise where the body ends early."""

    async def breaking(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.write(b"")
        await writer.drain()
        writer.transport.abort()

    async def early(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await writer.drain()
        writer.close()

    endpoint.answers = [breaking, early]

    assert (await poster.post(url(endpoint), {}, b"")).status == 204
    assert (await poster.post(url(endpoint), {}, b"")).status == 200


@pytest.mark.parametrize(
    "nonsense",
    [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00" * 100, b"x" * 200_000],
)
async def test_what_is_no_http_is_no_answer(
    endpoint: Listener, poster: SafePoster, nonsense: bytes
) -> None:
    """A server of another kind behind the port is a failure like any other."""
    endpoint.answers = [nonsense]

    with pytest.raises(NotSent):
        await poster.post(url(endpoint), {}, b"")


async def test_nobody_there_is_no_answer(poster: SafePoster, endpoint: Listener) -> None:
    """Refused connections and unknown names."""

    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("Name or service not known")

    with pytest.raises(NotSent, match="not known"):
        await SafePoster(LOOPBACK, resolve=unknown).post("https://hooks.example/", {}, b"")
    async with listening(None) as gone:
        pass
    with pytest.raises(NotSent):
        await poster.post(url(gone), {}, b"")


async def test_plain_http_in_development(poster: SafePoster) -> None:
    """To loopback, for a platform's developer."""
    async with listening(None) as listener:
        said = await poster.post(url(listener, "http", "localhost"), {}, b"body")

        assert said.status == 200
        assert listener.heard[0].body == b"body"


async def test_plain_http_never_in_production(trusting: ssl.SSLContext) -> None:
    """The URL is refused before anything is resolved."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        raise AssertionError("asked")

    with pytest.raises(UnsafeAddress, match="https"):
        await SafePoster(AddressRules(), tls=trusting, resolve=resolve).post(
            "http://hooks.example/", {}, b""
        )
