"""Events as the ledger keeps them: kinds, leaf bytes (RFC 8785 canonical JSON) and their facts.

Field names and kinds are for ever: they are never reused, and new ones come with a default.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any, TypeAlias

import msgspec
import rfc8785

from service.domain import merkle
from service.domain.instant import Instant, format_instant

LEAF_VERSION = 1
LONGEST_LEAF = 65_535
"""Entry bundles give an entry's length in 16 bits (C2SP tlog-tiles v0.1.0)."""

Json: TypeAlias = dict[str, Any]


class Kind(StrEnum):
    """What happened."""

    CHARTER_OPENED = "charter.opened"
    CHARTER_TIGHTENED = "charter.tightened"
    USE_NAMED = "use.named"
    POLICY_PUBLISHED = "policy.published"
    ARTISTS_REGISTERED = "artists.registered"
    ARTIST_ERASED = "artist.erased"
    DELEGATE_GRANTED = "delegate.granted"
    DELEGATE_REVOKED = "delegate.revoked"
    CONTENT_PUT = "content.put"
    NOTICE_DELIVERED = "notice.delivered"
    CONSENT_RECORDED = "consent.recorded"
    DECISIONS_SEALED = "decisions.sealed"
    RETENTION_SET = "retention.set"
    HOLD_PLACED = "hold.placed"
    HOLD_LIFTED = "hold.lifted"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event about to be appended.

    `public` stands in the leaf in clear. `rows` of a bulk event are kept beside it and stand in
    the leaf as their number and digest. `details` are what an artist said: they are sealed under
    the key of `subject` and stand in the leaf as a commitment. `timeless` says that only the order
    of the event matters, so that it can be recorded while nobody knows what time it is.
    """

    kind: Kind
    public: Json = field(default_factory=dict)
    rows: Sequence[Json] | None = None
    subject: str | None = None
    details: Json | None = None
    timeless: bool = False


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where an event stands in the ledger, and when it was recorded by the ledger's clock."""

    revision: int
    recorded_at: Instant


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event read back and held against its leaf. `details` is None once erased."""

    revision: int
    recorded_at: Instant
    kind: Kind
    leaf_hash: bytes
    public: Json
    rows: Sequence[Json] | None
    details: Json | None


class LedgerBroken(Exception):  # noqa: N818 - names what was found
    """The ledger contradicts itself. Nothing may be answered from it."""


def canonical(value: Any) -> bytes:
    """Return the RFC 8785 canonical JSON of a value."""
    return rfc8785.dumps(value)


def batch_body(rows: Sequence[Json]) -> bytes:
    """Return the bytes that a bulk event's digest is taken over: canonical JSON too.

    What the rows are made of (texts, lists, null; names in ASCII) msgspec writes as RFC 8785 does,
    sixty times faster. A test holds the two against each other.
    """
    return msgspec.json.encode(list(rows), order="sorted")


def digest(body: bytes) -> str:
    """Return the hexadecimal SHA-256 of a batch or a text."""
    return sha256(body).hexdigest()


def leaf_bytes(
    event: NewEvent,
    *,
    recorded_at: Instant,
    nonce: bytes,
    batch_digest: str | None,
    commitment: str | None,
) -> bytes:
    """Return the event's exact leaf bytes. Raises ValueError where they would be too long."""
    leaf: Json = {
        **event.public,
        "v": LEAF_VERSION,
        "type": event.kind.value,
        "at": format_instant(recorded_at),
        "nonce": nonce.hex(),
    }
    if event.rows is not None:
        leaf |= {"count": len(event.rows), "digest": batch_digest}
    if event.subject is not None:
        leaf |= {"subject": event.subject}
    if commitment is not None:
        leaf |= {"commitment": commitment}
    encoded = canonical(leaf)
    if len(encoded) > LONGEST_LEAF:
        message = f"an event takes at most {LONGEST_LEAF} bytes, this one {len(encoded)}"
        raise ValueError(message)
    return encoded


def check_leaf(revision: int, leaf: bytes, stored_hash: bytes, body: bytes | None) -> Json:
    """Return the leaf's JSON after holding it against its stored hash and its batch.

    Raises LedgerBroken naming the revision.
    """
    if merkle.leaf_hash(leaf) != stored_hash:
        message = f"event {revision}: its bytes do not have the hash stored with them"
        raise LedgerBroken(message)
    decoded: Json = msgspec.json.decode(leaf)
    if decoded.get("digest") != (None if body is None else digest(body)):
        message = f"event {revision}: its batch is not the one its leaf speaks of"
        raise LedgerBroken(message)
    return decoded
