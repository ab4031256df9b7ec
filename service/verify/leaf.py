"""Reading one event's bytes: its JSON, in its one spelling, and its time."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

import msgspec

Leaf: TypeAlias = dict[str, Any]

FORMAT: Final = 1
LONGEST: Final = 65_535
_NONCE: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_AT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

KINDS: Final = frozenset(
    {
        "charter.opened",
        "charter.tightened",
        "use.named",
        "policy.published",
        "artists.registered",
        "artist.erased",
        "delegate.granted",
        "delegate.revoked",
        "content.put",
        "notice.delivered",
        "consent.recorded",
        "decisions.sealed",
        "retention.set",
        "hold.placed",
        "hold.lifted",
    }
)


def read_leaf(data: bytes) -> Leaf:
    """Return what an event's bytes say: its kind is known, its time and its subject can be read.

    Raises ValueError saying why they are no event, whatever they are.

    They have to be in the one spelling that there is of them (RFC 8785), or two readers could read
    two things.
    """
    if len(data) > LONGEST:
        raise ValueError(f"it has {len(data)} bytes, and an entry has {LONGEST} at most")
    try:
        leaf = msgspec.json.decode(data, type=dict[str, Any])
        encoded = msgspec.json.encode(leaf, order="sorted")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"its bytes are no JSON object: {error}") from None
    if encoded != data:
        raise ValueError("its bytes are not in their one canonical spelling")
    kind = leaf.get("type")
    if leaf.get("v") != FORMAT or not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"it is of a kind nobody knows here: {str(kind)[:40]!r}")
    instant(leaf.get("at"))
    if not isinstance(leaf.get("subject", None if "commitment" in leaf else ""), str):
        raise ValueError("it does not say whose it is")  # noqa: TRY004 - of bytes, not of a caller
    if not _NONCE.fullmatch(str(leaf.get("nonce"))):
        raise ValueError("it has no nonce of 16 bytes")
    return leaf


def stored_json(text: str | None) -> Any:
    """Read what a table has as JSON; what cannot be read is returned as it is: no event says so."""
    try:
        return msgspec.json.decode(text or "")
    except (msgspec.DecodeError, RecursionError):
        return text


def instant(text: object) -> int:
    """Read a time as the ledger writes it, in microseconds since 1970. Raises ValueError."""
    if not isinstance(text, str) or not _AT.fullmatch(text):
        raise ValueError(f"{str(text)[:40]!r} is no time in UTC with six decimals")
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND


_PERIOD: Final = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?",
    re.ASCII,
)


def period(text: object) -> int:
    """Read a duration such as P30D, in microseconds. Raises ValueError."""
    found = _PERIOD.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{str(text)[:40]!r} is no length of time")
    units = {unit: int(number) for unit, number in found.groupdict("0").items()}
    try:
        return timedelta(**units) // _MICROSECOND
    except OverflowError:
        raise ValueError(f"{str(text)[:40]!r} is longer than any time") from None
