"""Both directions between the ledger's JSON and the domain's facts, side by side.

Each pair below is one kind's format for ever: fields may be added with a default, never changed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from service.domain.consent import Answer, Scope
from service.domain.events import (
    ArtistErased,
    ArtistsRegistered,
    CharterSet,
    ConsentRecorded,
    ContentItem,
    ContentPut,
    ContentStatus,
    Fact,
    NoticeDelivered,
    PolicyPublished,
)
from service.domain.instant import (
    Duration,
    Instant,
    format_duration,
    format_instant,
    parse_duration,
    parse_instant,
)
from service.domain.policy import Mode
from service.ledger.events import Json, Kind, NewEvent, StoredEvent


def charter_event(kind: Kind, platform: str, min_notice_period: Duration) -> NewEvent:
    """The charter as it is from now on."""
    return NewEvent(
        kind, {"platform": platform, "min_notice_period": format_duration(min_notice_period)}
    )


def _charter(event: StoredEvent) -> Fact:
    return CharterSet(parse_duration(event.public["min_notice_period"]))


def use_event(use: str, names: Mapping[str, str]) -> NewEvent:
    """What a node of the tree is called. It changes no answer."""
    return NewEvent(Kind.USE_NAMED, {"use": use, "names": dict(names)})


def policy_event(fact: PolicyPublished, version: int) -> NewEvent:
    """A published version. The words themselves are kept beside; their hashes are public."""
    return NewEvent(
        Kind.POLICY_PUBLISHED,
        {
            "use": fact.use,
            "version": version,
            "mode": fact.mode.value,
            "recipients": sorted(fact.recipients),
            "notice_period": format_duration(fact.notice_period),
            "texts": dict(sorted(fact.texts)),
            "editorial": fact.editorial,
        },
    )


def _policy(event: StoredEvent) -> Fact:
    body = event.public
    return PolicyPublished(
        use=body["use"],
        mode=Mode(body["mode"]),
        recipients=frozenset(body["recipients"]),
        notice_period=parse_duration(body["notice_period"]),
        texts=frozenset(body["texts"].items()),
        editorial=body["editorial"],
    )


def artists_event(subjects: Sequence[str]) -> NewEvent:
    """Artists registered together. The platform's own ids stay outside the ledger."""
    return NewEvent(Kind.ARTISTS_REGISTERED, rows=[{"subject": subject} for subject in subjects])


def _artists(event: StoredEvent) -> Fact:
    return ArtistsRegistered(tuple(row["subject"] for row in event.rows or ()))


def erased_event(subject: str) -> NewEvent:
    """An artist of whom nothing is known any more. Like a no, it has to wait for no clock."""
    return NewEvent(Kind.ARTIST_ERASED, subject=subject, timeless=True)


def _erased(event: StoredEvent) -> Fact:
    return ArtistErased(event.public["subject"])


def delegate_event(kind: Kind, subject: str, details: Json) -> NewEvent:
    """An artist lets somebody act for them, or no longer does."""
    return NewEvent(kind, subject=subject, details=details)


def content_event(rows: Sequence[tuple[ContentItem, str | None]]) -> NewEvent:
    """Content as it is from now on, each with its ISRC if it has one."""
    return NewEvent(
        Kind.CONTENT_PUT,
        rows=[
            {
                "content": item.content,
                "rightsholders": list(item.rightsholders),
                "status": item.status.value,
                "isrc": isrc,
            }
            for item, isrc in rows
        ],
    )


def _content(event: StoredEvent) -> Fact:
    return ContentPut(
        tuple(
            ContentItem(row["content"], tuple(row["rightsholders"]), ContentStatus(row["status"]))
            for row in event.rows or ()
        )
    )


def delivery_event(use: str, version: int, rows: Sequence[Json]) -> NewEvent:
    """What became of a notice at many artists: rows of subject, outcome and channel."""
    return NewEvent(Kind.NOTICE_DELIVERED, {"use": use, "version": version}, rows=rows)


def _delivered(event: StoredEvent) -> Fact:
    return NoticeDelivered(
        event.public["use"],
        event.public["version"],
        tuple(row["subject"] for row in event.rows or () if row["outcome"] == "delivered"),
    )


def consent_event(fact: ConsentRecorded, evidence: Json) -> NewEvent:
    """What an artist said and how it is known. All of it is private to them."""
    expires_at = None if fact.expires_at is None else format_instant(fact.expires_at)
    return NewEvent(
        Kind.CONSENT_RECORDED,
        subject=fact.artist,
        details={
            "answer": fact.answer.value,
            "use": fact.scope.use,
            "content": fact.scope.content,
            "recipient": fact.scope.recipient,
            "expires_at": expires_at,
            "evidence": evidence,
        },
        timeless=fact.answer is Answer.OPT_OUT,
    )


def _consent(event: StoredEvent) -> Fact | None:
    said = event.details
    if said is None:
        return ArtistErased(event.public["subject"])
    expires_at: Instant | None = said["expires_at"] and parse_instant(said["expires_at"])
    return ConsentRecorded(
        artist=event.public["subject"],
        answer=Answer(said["answer"]),
        scope=Scope(said["use"], said["content"], said["recipient"]),
        expires_at=expires_at,
    )


def hold_event(kind: Kind, subject: str, details: Json) -> NewEvent:
    """Nothing of an artist's may be destroyed from now on, or may be again."""
    return NewEvent(kind, subject=subject, details=details)


def retention_event(what: str, keep: str | None) -> NewEvent:
    """How long one kind of thing is kept from now on; None is for ever. It changes no answer."""
    return NewEvent(Kind.RETENTION_SET, {"what": what, "keep": keep})


_FACTS: Final[Mapping[Kind, Callable[[StoredEvent], Fact | None]]] = {
    Kind.CHARTER_OPENED: _charter,
    Kind.CHARTER_TIGHTENED: _charter,
    Kind.USE_NAMED: lambda _: None,
    Kind.POLICY_PUBLISHED: _policy,
    Kind.ARTISTS_REGISTERED: _artists,
    Kind.ARTIST_ERASED: _erased,
    Kind.DELEGATE_GRANTED: lambda _: None,
    Kind.DELEGATE_REVOKED: lambda _: None,
    Kind.CONTENT_PUT: _content,
    Kind.NOTICE_DELIVERED: _delivered,
    Kind.CONSENT_RECORDED: _consent,
    Kind.DECISIONS_SEALED: lambda _: None,
    Kind.RETENTION_SET: lambda _: None,
    Kind.HOLD_PLACED: lambda _: None,
    Kind.HOLD_LIFTED: lambda _: None,
}


def fact_of(event: StoredEvent) -> Fact | None:
    """Return what the event means to the rules, or None where it changes no answer.

    A consent record whose private part is gone could be the no that nobody may forget: its artist
    counts as erased from there on, as the ledger says further on of everybody who is.
    """
    return _FACTS[event.kind](event)
