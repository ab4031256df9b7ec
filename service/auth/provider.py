"""The trusted issuer's signing keys and metadata, fetched and kept young.

What must hold of the issuer before a key of theirs proves anything (K1 to K7; the numbers return in
the code and in `tests/auth/test_provider.py`):

K1  Its discovery document comes by https (http only on loopback), from the place that OpenID
    Connect Discovery 1.0 names, without a redirect, in bounded size and time.
K2  That document names exactly the configured issuer (section 4.3).
K3  Its `jwks_uri` is as safe as the issuer itself: an https issuer's keys come by https.
K4  Keys older than `max_age_s` prove nothing. Older than `refresh_after_s`, they are refreshed
    behind the callers' backs. So a key that the issuer withdrew is refused after `max_age_s` at the
    latest, whether or not the issuer can be reached.
K5  A token that names an unknown key makes us ask again, so that a rotated key is known at once;
    but at most every `ask_again_after_s`, so that invented names cannot make us hammer the issuer.
K6  Everybody who waits for keys waits for the same fetch, and one who gives up ends it for nobody.
K7  Where the issuer cannot be asked, the answer is `IssuerUnreachable`, never an accept and never
    "unknown key".
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx2

from service.auth.key_set import PublishedKeys, read_key_set
from service.auth.problems import IssuerUnreachable
from service.auth.trusted_issuer import TrustedIssuer, require_safe_url
from service.clock import Clock
from service.domain.instant import SECOND

_LARGEST_DOCUMENT: Final = 1 << 20  # bytes; real ones have some thousands
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFreshness:
    """How long fetched keys are used and how often the issuer is asked, in seconds."""

    refresh_after_s: int = 300
    max_age_s: int = 900
    ask_again_after_s: int = 10
    retry_after_s: int = 1
    timeout_s: float = 5.0


class ProviderKeys:
    """The issuer's keys, for one event loop. Nothing is fetched before the first question.

    Ages are told by the monotonic clock: setting the wall clock back makes no key younger.
    """

    def __init__(
        self,
        trusted: TrustedIssuer,
        http: httpx2.AsyncClient,
        clock: Clock,
        freshness: KeyFreshness | None = None,
    ) -> None:
        """Ask through `http`, which stays the caller's to close."""
        self._trusted = trusted
        self._http = http
        self._clock = clock
        self._freshness = freshness or KeyFreshness()
        self._keys: PublishedKeys | None = None
        self._metadata: Mapping[str, object] = {}
        self._learnt_at = 0
        self._asked_at: int | None = None
        self._failure: str | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def current(self) -> PublishedKeys:
        """Return keys younger than `max_age_s`. Raises IssuerUnreachable."""
        age = self._clock.monotonic() - self._learnt_at
        if self._keys is not None and age < self._freshness.max_age_s * SECOND:  # K4
            if age >= self._freshness.refresh_after_s * SECOND:
                self._start_fetch()
            return self._keys
        return await self._fetched()

    async def metadata(self) -> Mapping[str, object]:
        """Return its discovery document, as old as the keys. Raises IssuerUnreachable."""
        await self.current()
        return self._metadata

    async def after_miss(self, seen: PublishedKeys) -> PublishedKeys:
        """Return newer keys than `seen`, which lacked one; or `seen` itself if asked too recently.

        Raises IssuerUnreachable when there may be newer keys and they cannot be had.
        """
        up_to_date = self._failure is None and not self._is_fetching()
        if up_to_date and self._asked_within(self._freshness.ask_again_after_s):  # K5
            return seen
        return await self._fetched()

    async def aclose(self) -> None:
        """Stop a fetch that nobody waits for any more."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    async def _fetched(self) -> PublishedKeys:
        fetch = self._start_fetch()
        if fetch is not None:
            await asyncio.shield(fetch)  # K6
        if self._failure is not None or self._keys is None:  # K7
            raise IssuerUnreachable(self._failure or f"{self._trusted.issuer} was never asked")
        return self._keys

    def _start_fetch(self) -> asyncio.Task[None] | None:
        """Begin a fetch or join the one under way; None while pausing after a failure."""
        if self._is_fetching():
            return self._fetching  # K6
        if self._failure is not None and self._asked_within(self._freshness.retry_after_s):
            return None
        self._asked_at = self._clock.monotonic()
        self._fetching = asyncio.create_task(self._fetch_and_keep(self._asked_at))
        return self._fetching

    def _is_fetching(self) -> bool:
        return self._fetching is not None and not self._fetching.done()

    def _asked_within(self, seconds: int) -> bool:
        if self._asked_at is None:
            return False
        return self._clock.monotonic() - self._asked_at < seconds * SECOND

    async def _fetch_and_keep(self, asked_at: int) -> None:
        try:
            async with asyncio.timeout(self._freshness.timeout_s):  # K1
                metadata, keys = await self._fetch()
        except IssuerUnreachable as unreachable:
            self._failure = unreachable.detail
        except TimeoutError:
            self._failure = f"{self._trusted.issuer} did not answer in time"
        else:
            # As old as the question: the answer may have been given right after it.
            self._keys, self._metadata = keys, metadata
            self._learnt_at, self._failure = asked_at, None
        if self._failure is not None:
            _logger.warning("The issuer's signing keys cannot be refreshed: %s", self._failure)

    async def _fetch(self) -> tuple[Mapping[str, object], PublishedKeys]:
        metadata = self._checked(await self._get_json(self._trusted.discovery_url))
        jwks_uri = self._checked_jwks_uri(metadata)
        try:
            return metadata, read_key_set(await self._get_json(jwks_uri))
        except ValueError as error:
            message = f"{jwks_uri} holds no keys: {error}"
            raise IssuerUnreachable(message) from error

    def _checked(self, metadata: object) -> Mapping[str, object]:
        trusted = self._trusted
        named = metadata.get("issuer") if isinstance(metadata, dict) else None
        if not isinstance(metadata, dict) or named != trusted.issuer:  # K2
            message = (
                f"{trusted.discovery_url} names the issuer {named!r}, but {trusted.issuer!r} is "
                "configured: configure exactly the name it gives itself, or the right place"
            )
            raise IssuerUnreachable(message)
        return metadata

    def _checked_jwks_uri(self, metadata: Mapping[str, object]) -> str:
        trusted = self._trusted
        jwks_uri = metadata.get("jwks_uri")
        try:
            require_safe_url(jwks_uri if isinstance(jwks_uri, str) else "", "its jwks_uri")
        except ValueError as error:
            message = f"{trusted.discovery_url}: {error}"
            raise IssuerUnreachable(message) from error
        if trusted.issuer.startswith("https:") and not str(jwks_uri).startswith("https:"):  # K3
            message = f"{trusted.discovery_url}: an https issuer's jwks_uri must be https too"
            raise IssuerUnreachable(message)
        return str(jwks_uri)

    async def _get_json(self, url: str) -> object:
        try:
            document: object = json.loads(await self._get(url))
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            message = f"{url} cannot be fetched: {type(error).__name__} {error}"
            raise IssuerUnreachable(message) from error
        except (ValueError, RecursionError) as error:
            message = f"{url} did not answer with JSON"
            raise IssuerUnreachable(message) from error
        return document

    async def _get(self, url: str) -> bytes:
        # Uncompressed, so that the bound below is one on what we hold in memory.
        accept = {"Accept": "application/json", "Accept-Encoding": "identity"}
        body = bytearray()
        async with self._http.stream("GET", url, headers=accept, follow_redirects=False) as answer:
            if not answer.is_success:  # K1: a redirect is none
                message = f"{url} answered {answer.status_code}"
                raise IssuerUnreachable(message)
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > _LARGEST_DOCUMENT:  # K1
                    message = f"{url} answered with more than {_LARGEST_DOCUMENT} bytes"
                    raise IssuerUnreachable(message)
        return bytes(body)
