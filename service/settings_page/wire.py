"""Sheets and effects as the API shows them."""

from collections.abc import Mapping

from service.domain.instant import Instant, format_duration, format_instant
from service.ledger.events import Json
from service.settings_page.sheet import (
    Effect,
    Group,
    Pending,
    Said,
    Sheet,
    Today,
    TrackFlip,
    UseSetting,
    Words,
)


def sheet_json(sheet: Sheet) -> Json:
    """Return the sheet without what is said in headers: its tag, its revision and its time."""
    return {
        "artist": sheet.artist,
        "name": sheet.name,
        "acting_as": sheet.acting_as,
        "can_say_yes": sheet.can_say_yes,
        "no_ai": said_json(sheet.no_ai),
        "pending": [_pending(one) for one in sheet.pending],
        "groups": [_group(group) for group in sheet.groups],
        "not_reached": list(sheet.not_reached),
        "partners": [
            {"recipient": one.recipient, "uses": list(one.uses), "said": said_json(one.said)}
            for one in sheet.partners
        ],
        "elsewhere": [said_json(one) for one in sheet.elsewhere],
        "tracks": [
            {"said": said_json(one.said), "title": one.title, "lifted": one.lifted}
            for one in sheet.tracks
        ],
        "track_total": sheet.track_total,
        "tracks_before": sheet.tracks_before,
        "history_before": sheet.history_before,
    }


def said_json(said: Said | None) -> Json | None:
    """Return one record that stands, without its evidence."""
    if said is None:
        return None
    return {
        "revision": said.revision,
        "answer": said.answer,
        "use": said.use,
        "content": said.content,
        "recipient": said.recipient,
        "recorded_at": format_instant(said.recorded_at),
        "expires_at": _instant(said.expires_at),
        "acting_as": said.acting_as,
    }


def _instant(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)


def _words(words: Mapping[str, Words]) -> Json:
    return {
        locale: {"text": one.text, "sha256": one.sha256} for locale, one in sorted(words.items())
    }


def _pending(one: Pending) -> Json:
    return {
        "notice": one.notice,
        "use": one.use,
        "version": one.version,
        "recipients": list(one.recipients),
        "notice_period": format_duration(one.notice_period),
        "announced_at": format_instant(one.announced_at),
        "delivered_at": _instant(one.delivered_at),
        "closes_at": _instant(one.closes_at),
        "texts": _words(one.words),
        "answered": one.answered,
    }


def _group(group: Group) -> Json:
    return {
        "node": group.node,
        "names": group.names,
        "said": said_json(group.said),
        "uses": [_use(use) for use in group.uses],
    }


def _use(use: UseSetting) -> Json:
    return {
        "use": use.use,
        "names": use.names,
        "version": use.version,
        "mode": use.mode,
        "recipients": list(use.recipients),
        "texts": _words(use.words),
        "today": [_today(today) for today in use.today],
        "said": said_json(use.said),
    }


def _today(today: Today) -> Json:
    return {
        "recipient": today.recipient,
        "permitted": today.permitted,
        "reason": today.reason,
        "policy_version": today.version,
        "permitted_from": _instant(today.interval.start),
        "valid_until": _instant(today.interval.end),
        "said": said_json(today.said),
    }


def effect_json(effect: Effect) -> Json:
    """Return what a statement would change."""
    return {
        "flips": [
            {
                "use": flip.use,
                "recipient": flip.recipient,
                "permitted_before": flip.permitted_before,
                "permitted_after": flip.permitted_after,
                "reason_before": flip.reason_before,
                "reason_after": flip.reason_after,
            }
            for flip in effect.flips
        ],
        "tracks": [_track(flip) for flip in effect.tracks],
        "tracks_stopped": effect.tracks_stopped,
        "tracks_restored": effect.tracks_restored,
        "not_reached": list(effect.not_reached),
        "pending_stopped": list(effect.pending_stopped),
    }


def _track(flip: TrackFlip) -> Json:
    return {
        "content": flip.content,
        "title": flip.title,
        "use": flip.use,
        "recipient": flip.recipient,
        "permitted_before": flip.permitted_before,
        "permitted_after": flip.permitted_after,
    }
