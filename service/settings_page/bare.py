"""The sheet without the words: all that follows from the ledger's history alone. Pure."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from service.consents.authority import ActingAs
from service.domain import uses
from service.domain.assessment import Reason
from service.domain.consent import Answer, ConsentRecord, Scope
from service.domain.decision import permitted_interval, span_at, spans_of
from service.domain.history import History
from service.domain.instant import Instant
from service.settings_page.exceptions import Exceptions
from service.settings_page.pending import Waiting, waiting
from service.settings_page.sheet import (
    Group,
    Partner,
    Pending,
    Said,
    Sheet,
    Today,
    TrackException,
    UseSetting,
)
from service.settings_page.view import INTERNAL, View, in_order, view_of

MOST_TRACKS: Final = 200
"""Track exceptions on one sheet; the rest are on the next pages of them."""


def bare_sheet(
    history: History, subject: str, now: Instant, *, tracks_before: int | None = None
) -> Sheet:
    """Return one artist's sheet as the rules see it.

    What only the tables know is left open: ids, names, words, titles, in whose role anything was
    said or is looked at, and the tag.
    """
    view = view_of(history, subject, now)
    groups = tuple(_groups(view))
    root = view.said(Scope(uses.ROOT))
    tracks = Exceptions(view)
    page, more = tracks.page(tracks_before, MOST_TRACKS)
    said = [record.revision for record in view.artist.records.values()]
    return Sheet(
        artist="",
        name=None,
        acting_as=None,
        can_say_yes=False,
        revision=history.revision,
        evaluated_at=view.now,
        etag="",
        no_ai=_said(root) if root is not None and root.answer is Answer.OPT_OUT else None,
        pending=tuple(_pending(one) for one in waiting(view)),
        groups=groups,
        not_reached=tuple(_open_uses(groups)),
        partners=tuple(_partners(view)),
        elsewhere=tuple(_elsewhere(view, groups)),
        tracks=tuple(TrackException(_is_said(one), None, tracks.lifted(one)) for one in page),
        track_total=len(tracks.records),
        tracks_before=more,
        history_before=max(said) + 1 if said else None,
    )


def _said(record: ConsentRecord | None) -> Said | None:
    return None if record is None else _is_said(record)


def _is_said(record: ConsentRecord) -> Said:
    return Said(
        revision=record.revision,
        answer=record.answer,
        use=record.scope.use,
        content=record.scope.content,
        recipient=record.scope.recipient,
        recorded_at=record.recorded_at,
        expires_at=record.expires_at,
        acting_as=ActingAs.ARTIST,
    )


def _groups(view: View) -> Iterator[Group]:
    for node, leaves in groupby(sorted(view.versions), lambda use: use.partition(".")[0]):
        yield Group(
            node=node,
            names={},
            said=_said(view.said(Scope(node))),
            uses=tuple(_use(view, use) for use in leaves),
        )


def _use(view: View, use: str) -> UseSetting:
    latest = view.versions[use][-1]
    return UseSetting(
        use=use,
        names={},
        version=latest.version,
        mode=latest.mode,
        words={},
        recipients=tuple(in_order(latest.recipients)),
        today=tuple(_today(view, use, recipient) for recipient in view.recipients(use)),
        said=_said(view.said(Scope(use))),
    )


def _today(view: View, use: str, recipient: str) -> Today:
    spans = spans_of(view.column(use, recipient))
    now = span_at(spans, view.now)
    return Today(
        recipient=recipient,
        permitted=now.permitted,
        reason=now.reason,
        version=now.policy_version,
        interval=permitted_interval(spans),
        said=_said(view.said(Scope(use, recipient=recipient))),
    )


def _pending(one: Waiting) -> Pending:
    return Pending(
        notice=one.notice,
        use=one.version.use,
        version=one.version.version,
        recipients=one.recipients,
        notice_period=one.version.notice_period,
        announced_at=one.version.published_at,
        delivered_at=one.delivered_at,
        closes_at=one.closes_at,
        words={},
        answered=one.answered,
    )


def _open_uses(groups: Iterable[Group]) -> Iterator[str]:
    for group in groups:
        for use in group.uses:
            if any(today.reason is Reason.OPEN for today in use.today):
                yield use.use


def _partners(view: View) -> Iterator[Partner]:
    listing: dict[str, list[str]] = {}
    for use in sorted(view.versions):
        for recipient in view.versions[use][-1].recipients:
            listing.setdefault(recipient, []).append(use)
    for recipient in in_order(frozenset(listing) - {INTERNAL}):
        said = _said(view.said(Scope(uses.ROOT, recipient=recipient)))
        yield Partner(recipient, tuple(listing[recipient]), said)


def _elsewhere(view: View, groups: Iterable[Group]) -> Iterator[Said]:
    placed = {Scope(uses.ROOT, recipient=one.recipient) for one in _partners(view)}
    for group in groups:
        placed.add(Scope(group.node))
        for use in group.uses:
            placed.add(Scope(use.use))
            placed |= {Scope(use.use, recipient=today.recipient) for today in use.today}
    for record in view.artist.said_of(None):
        is_switch = record.scope == Scope(uses.ROOT) and record.answer is Answer.OPT_OUT
        if record.answer is not Answer.INHERIT and not is_switch and record.scope not in placed:
            yield _is_said(record)
