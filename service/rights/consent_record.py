"""One consent record as ISO/IEC TS 27560 has it: header, processing, parties, events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from service.db.tables import Consent
from service.domain.consent import Answer
from service.domain.instant import format_instant
from service.domain.uses import covers
from service.ledger.events import Json
from service.rights.handling import CONTROLLER, PRINCIPAL
from service.rights.vocabulary import RECORD, RECORD_SCHEMA, state_of


@dataclass(slots=True)
class YesesBefore:
    """What an artist has said yes to so far, so that a no can be told from taking a yes back."""

    _anywhere: set[tuple[str, str | None]] = field(default_factory=set)
    _of: dict[str | None, set[tuple[str, str | None]]] = field(default_factory=dict)

    def add(self, record: Consent) -> None:
        """Remember a record, if it is a yes."""
        if record.answer == Answer.OPT_IN:
            said = (record.use, record.recipient)
            self._anywhere.add(said)
            self._of.setdefault(record.content, set()).add(said)

    def overlap(self, record: Consent) -> bool:
        """Tell whether any of them was about something that this record is about too."""
        return any(_meet(said, record) for said in self._about(record.content))

    def _about(self, content: str | None) -> set[tuple[str, str | None]]:
        if content is None:
            return self._anywhere
        return self._of.get(content, set()) | self._of.get(None, set())


def _meet(said: tuple[str, str | None], record: Consent) -> bool:
    use, recipient = said
    same_recipient = None in {recipient, record.recipient} or recipient == record.recipient
    return same_recipient and (covers(use, record.use) or covers(record.use, use))


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

    def record(self, row: Consent, yeses: YesesBefore) -> Json:
        """Return one record, without what is the same of all processing."""
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
                        after_a_yes=yeses.overlap(row),
                        by_the_artist=row.acting_as == PRINCIPAL,
                    ),
                }
            ],
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


def _validity(row: Consent) -> str:
    if row.expires_at is None:
        return "until something else is said at this scope"
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
