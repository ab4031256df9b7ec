"""What the ledger's events mean to the rules: the facts that can change an answer.

Artists are named by their reference in the ledger, never by the platform's own id. A bulk write is
one event, so the facts it brings are tuples.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from service.domain.consent import Answer, Scope
from service.domain.instant import Duration, Instant
from service.domain.policy import Mode


class ContentStatus(StrEnum):
    """Whether a content may be used at all (R1)."""

    ACTIVE = "active"
    DISPUTED = "disputed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class CharterSet:
    """The charter was opened or tightened."""

    min_notice_period: Duration


@dataclass(frozen=True, slots=True)
class PolicyPublished:
    """A new version of a use's policy; its number follows the last one's."""

    use: str
    mode: Mode
    recipients: frozenset[str]
    notice_period: Duration
    texts: frozenset[tuple[str, str]]
    editorial: bool


@dataclass(frozen=True, slots=True)
class ArtistsRegistered:
    """Artists who can say yes or no from now on."""

    artists: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ArtistErased:
    """An artist whose private parts are destroyed; nothing of theirs is permitted again."""

    artist: str


@dataclass(frozen=True, slots=True)
class ContentItem:
    """One content as it is from now on; `rightsholders` in the content's own order."""

    content: str
    rightsholders: tuple[str, ...]
    status: ContentStatus


@dataclass(frozen=True, slots=True)
class ContentPut:
    """Content added or replaced."""

    items: tuple[ContentItem, ...]


@dataclass(frozen=True, slots=True)
class NoticeDelivered:
    """Artists at whom a version's notice has arrived. Bounces are not among them (R6)."""

    use: str
    version: int
    artists: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConsentRecorded:
    """A statement by or for an artist."""

    artist: str
    answer: Answer
    scope: Scope
    expires_at: Instant | None = None


Fact: TypeAlias = (
    CharterSet
    | PolicyPublished
    | ArtistsRegistered
    | ArtistErased
    | ContentPut
    | NoticeDelivered
    | ConsentRecorded
)
