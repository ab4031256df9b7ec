"""A public log's files, fetched over HTTP: few at once, none larger than such a file can be."""

import asyncio
from asyncio import timeout
from typing import Final, Self

import httpx2

from service.verify.finding import CannotLook

_LARGEST: Final = 256 * (2 + 65_535)
"""Bytes: a bundle of the longest entries there may be."""
_SECONDS: Final = 30
_WHOLE: Final = 180
"""Seconds that one file may take, however steadily it drips."""
_TRIES: Final = 3
_PAUSE: Final = 1.0
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})
_GONE: Final = frozenset({404, 410})
_CLOSED: Final = frozenset({401, 403})
_CODINGS: Final = frozenset({"", "identity", "gzip"})
"""One layer at most: several would swell to more than memory holds before they can be measured."""


class NotPublic(Exception):  # noqa: N818 - names what was found
    """The log does not show this to everybody."""


class PublicLog:
    """The files below a log's address, such as `https://music.example/log`."""

    def __init__(self, url: str) -> None:
        """Take the address; nothing is fetched before it is asked for."""
        self.url = url.rstrip("/")
        self._http = httpx2.AsyncClient(
            timeout=_SECONDS, follow_redirects=True, headers={"Accept-Encoding": "gzip"}
        )

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def get(self, path: str) -> bytes | None:
        """Return a file, or None where there is none.

        Raises NotPublic where it is not for everybody, and CannotLook where it cannot be fetched.
        """
        url, why = f"{self.url}/{path}", ""
        for attempt in range(_TRIES):
            await asyncio.sleep(attempt * _PAUSE)
            try:
                async with timeout(_WHOLE), self._http.stream("GET", url) as response:
                    if response.is_success:
                        return await _body(response, url)
                    if response.status_code in _GONE:
                        return None
                    if response.status_code in _CLOSED:
                        raise NotPublic(url)
                    why = f"status {response.status_code}"
                    if response.status_code not in _AGAIN:
                        break
            except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError) as error:
                why = str(error) or type(error).__name__
        raise CannotLook(f"{url} cannot be fetched: {why}")


async def _body(response: httpx2.Response, url: str) -> bytes:
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding not in _CODINGS:
        raise CannotLook(f"{url} is encoded as {coding[:40]!r}, which nobody has asked for")
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > _LARGEST:
            raise CannotLook(f"{url} is larger than any file of a log")
    return bytes(body)
