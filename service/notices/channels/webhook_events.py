"""The bodies of webhooks about notices: ids, never words, and always under 20 kB."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from service.domain.instant import Instant, format_duration, format_instant
from service.notices.channels.channel import Addressee, Message

MOST_BYTES: Final = 20_000
"""Standard Webhooks 1.0.0: a payload is smaller than 20 kB."""


def event_body(kind: str, occurred_at: Instant, data: Mapping[str, Any]) -> bytes:
    """Return an event as it is signed and sent: JSON in ASCII, keys in order, no blanks."""
    event = {"type": kind, "timestamp": format_instant(occurred_at), "data": data}
    return json.dumps(event, separators=(",", ":"), sort_keys=True).encode("ascii")


def notice_bodies(
    message: Message, addressees: Sequence[Addressee]
) -> Iterator[tuple[Sequence[Addressee], bytes]]:
    """Yield as few events as hold all addressees, in order, each with its own addressees.

    The same message and addressees are always divided the same way and give the same bytes.
    """
    entries = [_entry(addressee) for addressee in addressees]
    frame = len(_body(message, []))
    first, size = 0, frame
    for n, entry in enumerate(entries):
        grown = size + len(json.dumps(entry, separators=(",", ":"))) + 1
        if grown >= MOST_BYTES and n > first:
            yield addressees[first:n], _body(message, entries[first:n])
            first, grown = n, frame + grown - size
        size = grown
    if first < len(entries):
        yield addressees[first:], _body(message, entries[first:])


def _body(message: Message, artists: Sequence[Mapping[str, str]]) -> bytes:
    data: dict[str, Any] = {
        "notice": message.notice_id,
        "use": message.use,
        "version": message.version,
        "notice_period": format_duration(message.window),
        "texts": [
            {"locale": locale, "sha256": text.sha256}
            for locale, text in sorted(message.texts.items())
        ],
        "artists": list(artists),
    }
    if message.reminder:
        data["reminder"] = message.reminder
    kind = "notice.reminder" if message.reminder else "notice.announced"
    return event_body(kind, message.occurred_at, data)


def _entry(addressee: Addressee) -> dict[str, str]:
    entry = {"artist": addressee.artist_id}
    if addressee.closes_at is not None:
        entry["closes_at"] = format_instant(addressee.closes_at)
    return entry
