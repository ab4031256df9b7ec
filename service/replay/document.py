"""A sheet as JSON: what is signed, what programs read, and what the page is another form of."""

from service.decisions.log.written import answer_json, entry_json, result_json
from service.domain.assessment import Applied, Reason
from service.domain.instant import Instant, format_duration, format_instant
from service.domain.policy import PolicyVersion
from service.ledger.events import Json
from service.ledger.opening import Opening
from service.replay.chain import Chain, Part, Told
from service.replay.excerpt import ReadEvent, rows_about
from service.replay.sheet import Sheet
from service.transparency.note import encode64
from service.transparency.publication import Inclusion


def sheet_json(sheet: Sheet, *, batches: bool) -> Json:
    """Return a sheet as JSON; with `batches` the whole batches of bulk events too."""
    chain = sheet.chain
    return {
        "decision": entry_json(sheet.entry),
        "position": sheet.position,
        "outcome": result_json(sheet.entry.about, sheet.outcome, chain.artist_ids),
        "verdict": chain.verdict.value,
        "recomputed": None if chain.recomputed is None else answer_json(chain.recomputed),
        "refused_outright": _word(chain.refused_outright),
        "charter": _charter_json(chain),
        "first_artists": chain.first_artists if chain.parts else None,
        "content": _content_json(chain),
        "policies": [_policy_json(version) for version in chain.versions],
        "rightsholders": [_part_json(part) for part in chain.parts],
        "checkpoint": sheet.note,
        "verifier_key": sheet.key,
        "events": [_event_json(sheet, one, batches=batches) for one in chain.events.values()],
    }


def _charter_json(chain: Chain) -> Json | None:
    charter = chain.charter
    if charter is None:
        return None
    return {
        "platform": charter.platform,
        "min_notice_period": format_duration(charter.min_notice_period),
        "event": charter.revision,
    }


def _content_json(chain: Chain) -> Json | None:
    content = chain.content
    if content is None:
        return None
    return {
        "content": content.content,
        "status": content.status.value,
        "rightsholders": list(content.rightsholders),
        "event": chain.content_put,
    }


def _policy_json(version: PolicyVersion) -> Json:
    return {
        "version": version.version,
        "mode": version.mode.value,
        "recipients": sorted(version.recipients),
        "notice_period": format_duration(version.notice_period),
        "editorial": version.editorial,
        "launch": version.launch,
        "terms": version.terms,
        "texts": dict(sorted(version.texts)),
        "published_at": format_instant(version.published_at),
        "event": version.revision,
    }


def _part_json(part: Part) -> Json:
    return {
        "artist": part.artist_id,
        "subject": part.subject,
        "reason": _word(part.reason),
        "permitted_from": _optional(part.interval.start),
        "valid_until": _optional(part.interval.end),
        "registered_at": _optional(part.registered_at),
        "registered": part.registered,
        "erased": part.erased,
        "governing": part.governing,
        "judged_by": part.judged_by,
        "bound": [
            {
                "version": one.version,
                "since": format_instant(one.since),
                "clause": one.clause.value,
            }
            for one in part.bound
        ],
        "windows": [_window_json(one) for one in part.told],
        "records": [_record_json(one) for one in part.applied],
        "gone": list(part.gone),
    }


def _window_json(told: Told) -> Json:
    return {
        "version": told.window.version,
        "opens_at": format_instant(told.window.opens_at),
        "closes_at": format_instant(told.window.closes_at),
        "event": told.delivered,
    }


def _record_json(applied: Applied) -> Json:
    record = applied.record
    return {
        "answer": record.answer.value,
        "use": record.scope.use,
        "content": record.scope.content,
        "recipient": record.scope.recipient,
        "recorded_at": format_instant(record.recorded_at),
        "expires_at": _optional(record.expires_at),
        "standing": applied.standing.value,
        "shown_version": applied.version,
        "lapses_at": _optional(applied.lapses_at),
        "lifted_by": applied.lifted_by,
        "event": record.revision,
    }


def _event_json(sheet: Sheet, one: ReadEvent, *, batches: bool) -> Json:
    event = one.event
    opening = sheet.openings.get(event.revision)
    return {
        "revision": event.revision,
        "recorded_at": format_instant(event.recorded_at),
        "type": event.kind.value,
        "entry": encode64(one.leaf),
        "proof": _proof_json(sheet.proofs[event.revision]),
        "batch": _batch_json(sheet.chain, one, batches=batches),
        "opening": None if opening is None else _opening_json(opening),
    }


def _proof_json(proof: Inclusion) -> Json:
    return {
        "logIndex": str(proof.index),
        "rootHash": encode64(proof.checkpoint.root),
        "treeSize": str(proof.checkpoint.size),
        "hashes": [encode64(one) for one in proof.hashes],
        "checkpoint": {"envelope": proof.note},
    }


def _batch_json(chain: Chain, one: ReadEvent, *, batches: bool) -> Json | None:
    if one.body is None:
        return None
    rows = rows_about(one.event, chain.names)
    return {
        "digest": one.event.public["digest"],
        "count": one.event.public["count"],
        "rows": [{"position": place, "row": row} for place, row in rows],
        "body": encode64(one.body) if batches else None,
    }


def _opening_json(opening: Opening) -> Json:
    return {"key": encode64(opening.key), "details": opening.details.decode()}


def _word(reason: Reason | None) -> str | None:
    return None if reason is None else reason.value


def _optional(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)
