"""One consent record as ISO/IEC TS 27560 has it: header, processing, parties, events."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from service.db.tables import Consent
from service.domain.consent import Answer, Scope
from service.domain.instant import Instant, format_instant
from service.domain.uses import covers
from service.ledger.events import Json
from service.rights.handling import CONTROLLER, PRINCIPAL
from service.rights.vocabulary import EXPIRED, RECORD, RECORD_SCHEMA, state_of


@dataclass(frozen=True, slots=True)
class _Said:
    """One statement that nothing has replaced. `uses` are the leaves that it covered then."""

    answer: Answer
    scope: Scope
    recorded_at: Instant
    expires_at: Instant | None
    uses: frozenset[str]

    def expired(self, now: Instant) -> bool:
        """Whether it is a yes that has turned into a no (R4)."""
        return self.expires_at is not None and self.expires_at <= now

    def no_since(self, now: Instant) -> Instant | None:
        """Return since when it is a no, or None where it is none."""
        if self.expired(now):
            return self.expires_at
        return self.recorded_at if self.answer is Answer.OPT_OUT else None


@dataclass(slots=True)
class SaidBefore:
    """What an artist has said so far, so that a no can be told from taking a yes back.

    Only a yes that still stands can be taken back: nothing has replaced it at its scope, it has not
    expired, and no later no reaches all that the two are about.
    """

    _by_content: dict[str | None, dict[Scope, _Said]] = field(default_factory=dict)
    _yeses: dict[Scope, _Said] = field(default_factory=dict)
    """In order of time."""
    _uses: dict[frozenset[str], frozenset[str]] = field(default_factory=dict)

    def add(self, record: Consent) -> None:
        """Remember a record, in place of what was said at its scope before."""
        scope = _scope(record)
        uses = frozenset(record.shown["names"])
        said = _Said(
            answer=Answer(record.answer),
            scope=scope,
            recorded_at=record.recorded_at,
            expires_at=record.expires_at,
            uses=self._uses.setdefault(uses, uses),
        )
        self._by_content.setdefault(scope.content, {})[scope] = said
        self._yeses.pop(scope, None)
        if said.answer is Answer.OPT_IN:
            self._yeses[scope] = said

    def takes_back_a_yes(self, record: Consent) -> bool:
        """Whether some yes stood until this record, about something that it is about too."""
        scope, now = _scope(record), record.recorded_at
        if record.answer == Answer.INHERIT:  # of exactly this scope, and nothing else
            here = self._yeses.get(scope)
            return here is not None and self._stands(here, scope, now)
        return record.answer == Answer.OPT_OUT and any(
            self._stands(yes, scope, now) for yes in self._yeses_within(scope, now)
        )

    def _yeses_within(self, scope: Scope, now: Instant) -> Iterator[_Said]:
        """Yield yeses that may stand for something within a scope, the newest first.

        There may be very many: what is older than a no to all of the scope is not looked at.
        """
        nos = [
            one.no_since(now) or 0
            for one in self._about(scope.content)
            if scope.at_least_as_specific_as(one.scope)
        ]
        since = max(nos, default=0)
        everything = scope.content is None
        among = reversed(self._yeses.values()) if everything else self._about(scope.content)
        for one in among:
            if one.recorded_at > since and one.answer is Answer.OPT_IN:
                yield one
            elif everything:
                return

    def _stands(self, yes: _Said, scope: Scope, now: Instant) -> bool:
        """Whether a yes stands for something within a scope."""
        if yes.expired(now) or not _meet(yes.scope.recipient, scope.recipient):
            return False
        content = yes.scope.content or scope.content
        recipient = yes.scope.recipient or scope.recipient
        later = [
            one.scope for one in self._about(content) if (one.no_since(now) or 0) > yes.recorded_at
        ]
        both = (Scope(use, content, recipient) for use in yes.uses if covers(scope.use, use))
        return any(not any(map(one.at_least_as_specific_as, later)) for one in both)

    def _about(self, content: str | None) -> Iterator[_Said]:
        """Yield what was said of a content, if it is one, and of all content."""
        for one in {content, None}:
            yield from self._by_content.get(one, {}).values()


def _scope(record: Consent) -> Scope:
    return Scope(record.use, record.content, record.recipient)


def _meet(one: str | None, other: str | None) -> bool:
    return None in {one, other} or one == other


@dataclass(frozen=True, slots=True)
class Telling:
    """How records of one artist are told.

    `origin` is the log's name, `delegates` names delegates by their references, and `recipients`
    are those that each version of a use lists.
    """

    origin: str
    artist_id: str
    delegates: Mapping[str, str]
    recipients: Mapping[tuple[str, int], Sequence[str]]

    def record(self, row: Consent, before: SaidBefore, *, expired: bool) -> Json:
        """Return one record, without what is the same of all processing.

        `expired` says that it is a yes that stood at its scope until its expiry, which is over.
        """
        speaker = self.delegates.get(row.actor, row.actor)
        return {
            "@type": RECORD,
            "schema_version": RECORD_SCHEMA,
            "record_id": f"urn:fermata:consent:{self.origin}:{row.revision}",
            "revision": row.revision,
            "pii_principal_id": self.artist_id,
            "answer": row.answer,
            "pii_processing": self._processing(row),
            "event": [
                {
                    "event_time": format_instant(row.recorded_at),
                    "validity_duration": _validity(row),
                    "entity_id": speaker,
                    "acting_as": row.acting_as,
                    "event_type": row.channel,
                    "event_state": state_of(
                        Answer(row.answer),
                        takes_back_a_yes=before.takes_back_a_yes(row),
                        by_the_artist=row.acting_as == PRINCIPAL,
                    ),
                },
                *([self._expiry(row)] if expired else []),
            ],
        }

    def _expiry(self, row: Consent) -> Json:
        """Return the event that a yes was over, which nobody but the log can tell."""
        return {
            "event_time": format_instant(row.expires_at or 0),
            "validity_duration": _UNTIL_SAID,
            "entity_id": self.origin,
            "acting_as": None,
            "event_type": "expiry",
            "event_state": EXPIRED,
        }

    def _processing(self, row: Consent) -> Json:
        names: Mapping[str, int] = row.shown["names"]
        listed = {one for named in names.items() for one in self.recipients.get(named, ())}
        return {
            "lawful_basis": "dpv:Consent" if row.answer == Answer.OPT_IN else None,
            "privacy_notice": row.shown["shown"],
            "language": row.locale,
            "purposes": [
                {"purpose": use, "policy_version": version} for use, version in names.items()
            ],
            "scope": {"use": row.use, "content": row.content, "recipient": row.recipient},
            "collection_method": row.channel,
            "recipient_third_parties": sorted(listed) if row.recipient is None else [row.recipient],
        }


_UNTIL_SAID: Final = "until something else is said at this scope"


def _validity(row: Consent) -> str:
    if row.expires_at is None:
        return _UNTIL_SAID
    return f"until {format_instant(row.expires_at)}"


def principal(artist_id: str, name: str | None) -> Json:
    """Return the artist, as one party of a record."""
    return {
        "party_id": artist_id,
        "party_name": name,
        "party_type": "dpv:DataSubject",
        "party_role": PRINCIPAL,
    }


def parties(controller: Json, artist: Json) -> list[Json]:
    """Return the parties of every record: the artist, and who asks them."""
    return [artist, {**controller, "party_role": CONTROLLER}]
