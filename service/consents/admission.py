"""What a statement has to be before it is recorded: said by somebody who may, to what is there."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from service.consents.authority import ActingAs, Actor, permits_more, role_of
from service.consents.precondition import Seen, refuse_unseen
from service.db.engine import ReadSession
from service.db.tables import Artist, Content
from service.domain.consent import (
    Answer,
    Scope,
    answerable_leaves,
    refuse_consent,
    refuse_shown,
)
from service.domain.instant import Instant
from service.domain.policy import PolicyVersion
from service.domain.refusal import Refusal, RefusalKind, Refused, refuse


@dataclass(frozen=True, slots=True)
class Shown:
    """What the giver was shown for one leaf: the version, and the words if they are known."""

    use: str
    version: int
    locale: str | None = None
    text_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody wants to have recorded for an artist."""

    answer: Answer
    scope: Scope
    channel: str
    expires_at: Instant | None = None
    locale: str | None = None
    shown: Sequence[Shown] = field(default_factory=tuple)


async def authority(
    session: ReadSession, artist: Artist, statement: Statement, actor: Actor
) -> ActingAs:
    """Return in what role the actor says this. Raises Refused where they may not."""
    acting_as, covers_yes = await role_of(session, actor, artist)
    if not covers_yes and await permits_more(session, artist, statement.answer, statement.scope):
        raise refuse(
            "answer",
            "delegate_may_not_opt_in",
            "this artist has let you say no for them, not yes",
            RefusalKind.NOT_ALLOWED,
        )
    return acting_as


async def require_sight(
    session: ReadSession,
    artist: Artist,
    acting_as: ActingAs,
    statement: Statement,
    latest: Sequence[PolicyVersion],
    seen: Seen | None,
) -> None:
    """Raise Refused where a yes is not known to be given to what stands now (R4).

    The platform, which shows its own pages, may instead say what was shown for every use that the
    yes covers. A no and a taking back are taken however old the page is.
    """
    if statement.answer is not Answer.OPT_IN:
        return
    if acting_as is ActingAs.PLATFORM and seen is None:
        _refuse_incomplete(statement, latest)
    else:
        await refuse_unseen(session, [artist.subject], seen)


def _refuse_incomplete(statement: Statement, latest: Sequence[PolicyVersion]) -> None:
    shown = {one.use for one in statement.shown}
    missing = sorted(
        v.use for v in answerable_leaves(statement.scope, latest) if v.use not in shown
    )
    if missing:
        message = (
            "send the ETag of the artist's settings in If-Match, or say in `shown` which version "
            f"was shown of {', '.join(missing)}"
        )
        raise refuse("shown", "precondition_required", message, RefusalKind.PRECONDITION_REQUIRED)


async def admit(
    session: ReadSession, statement: Statement, latest: Sequence[PolicyVersion], now: Instant
) -> None:
    """Hold a statement against what is there. Raises Refused with every reason."""
    refusals = refuse_consent(
        statement.answer, statement.scope, statement.expires_at, latest=latest, now=now
    )
    if statement.answer is Answer.OPT_IN:
        refusals += refuse_shown(
            {s.use: s.version for s in statement.shown}, statement.scope, latest
        )
        refusals += _refuse_repeated(statement.shown)
        refusals += _refuse_words(statement.shown, latest)
        refusals += await _refuse_content(session, statement.scope.content)
    if refusals:
        raise Refused(refusals)


async def _refuse_content(session: ReadSession, content: str | None) -> list[Refusal]:
    """A yes has to be for something that is there; a no may come before the upload."""
    if content is None or await session.get(Content, content) is not None:
        return []
    return [Refusal("content", "unknown_content", "no content of this id is known")]


def _refuse_repeated(shown: Sequence[Shown]) -> list[Refusal]:
    """Of two versions said to be shown for one use, at least one is not the latest."""
    uses_shown = [one.use for one in shown]
    return [
        Refusal(f"shown.{use}", "repeated", "name each use once, with what was shown for it")
        for use in sorted({use for use in uses_shown if uses_shown.count(use) > 1})
    ]


def _refuse_words(shown: Sequence[Shown], latest: Sequence[PolicyVersion]) -> list[Refusal]:
    texts = {version.use: version.texts for version in latest}
    return [
        Refusal(
            f"shown.{one.use}",
            "other_words_shown",
            "the words that were shown are not this version's text in this locale",
        )
        for one in shown
        if one.text_sha256 is not None and not _among_texts(one, texts.get(one.use, frozenset()))
    ]


def _among_texts(shown: Shown, texts: frozenset[tuple[str, str]]) -> bool:
    return any(
        digest == shown.text_sha256 and shown.locale in {None, locale} for locale, digest in texts
    )
