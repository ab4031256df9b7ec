"""Signing and verifying webhooks, and what a receiver's status means (Standard Webhooks 1.0.0)."""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from service.domain.instant import SECOND, Duration, Instant
from service.notices.channels.webhook_keys import SigningKey, VerifyingKey

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"

TOLERANCE: Final[Duration] = 300 * SECOND
"""How far a receiver's clock and the time of signing may lie apart."""

MOST_SIGNATURES: Final = 32
"""No more entries of one header are looked at: each costs a computation."""

_THROTTLING = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}
)
_SUCCESS = range(200, 300)


class Meaning(StrEnum):
    """What a receiver's status says to a sender."""

    TAKEN = "taken"
    """2xx, and nothing else."""
    FAILED = "failed"
    """Try again later. Redirects are failures: following one would evade the address check."""
    THROTTLE = "throttle"
    """429, 502, 504: the receiver is overloaded; send it less."""
    GONE = "gone"
    """410: the receiver wants no more; disable the endpoint."""


def meaning_of(status: int) -> Meaning:
    """Return what a status says."""
    if status in _SUCCESS:
        return Meaning.TAKEN
    if status == HTTPStatus.GONE:
        return Meaning.GONE
    return Meaning.THROTTLE if status in _THROTTLING else Meaning.FAILED


def signed_headers(
    identifier: str, now: Instant, body: bytes, keys: Iterable[SigningKey]
) -> dict[str, str]:
    """Return the three headers of one try, signed with every key.

    The time is that of this try, in whole seconds; the id is the same on every retry. Raises
    ValueError for an id that could be mistaken for part of the signed content, or without a key.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", identifier):
        message = f"a webhook's id has letters, digits, _ and - only: {identifier!r}"
        raise ValueError(message)
    seconds = str(now // SECOND)
    content = _signed_content(identifier, seconds, body)
    signatures = [
        f"{key.version},{base64.b64encode(key.sign(content)).decode('ascii')}" for key in keys
    ]
    if not signatures:
        message = "a webhook is never sent unsigned: give its endpoint a key"
        raise ValueError(message)
    return {ID: identifier, TIMESTAMP: seconds, SIGNATURE: " ".join(signatures)}


@dataclass(frozen=True, slots=True)
class Genuine:
    """A webhook that its sender signed, not long ago. Its id tells repetitions from news."""

    identifier: str
    signed_at: Instant


class Dubious(StrEnum):
    """Why a webhook proves nothing."""

    INCOMPLETE = "incomplete"
    """One of the three headers is missing or cannot be read."""
    STALE = "stale"
    """Signed too long ago, or in the future."""
    FORGED = "forged"
    """No signature in the header is by a key we know."""


def verify(
    headers: Mapping[str, str],
    body: bytes,
    keys: Iterable[VerifyingKey],
    now: Instant,
    tolerance: Duration = TOLERANCE,
) -> Genuine | Dubious:
    """Tell whether one of these keys signed exactly this body, this id and this time.

    Whatever a header holds is answered with a value, never with an exception. Schemes that no key
    speaks are skipped, so a sender can add one.
    """
    given = {name.lower(): value for name, value in headers.items()}
    identifier, seconds = given.get(ID, ""), given.get(TIMESTAMP, "")
    if (
        not identifier
        or "." in identifier
        or not identifier.isascii()
        or not re.fullmatch(r"[0-9]{1,12}", seconds)
        or not given.get(SIGNATURE)
    ):
        return Dubious.INCOMPLETE
    signed_at = int(seconds) * SECOND
    if abs(now - signed_at) > tolerance:
        return Dubious.STALE
    content = _signed_content(identifier, seconds, body)
    known = list(keys)
    for version, signature in _signatures(given[SIGNATURE]):
        if any(key.version == version and key.verifies(content, signature) for key in known):
            return Genuine(identifier, signed_at)
    return Dubious.FORGED


def _signed_content(identifier: str, seconds: str, body: bytes) -> bytes:
    return f"{identifier}.{seconds}.".encode("ascii") + body


def _signatures(header: str) -> Iterator[tuple[str, bytes]]:
    for entry in header.split(" ")[:MOST_SIGNATURES]:
        version, comma, text = entry.partition(",")
        try:
            if comma:
                yield version, base64.b64decode(text.encode(), validate=True)
        except (binascii.Error, ValueError):
            continue
