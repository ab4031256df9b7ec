"""The words of records and receipts: ISO/IEC TS 27560 names its fields, DPV says what they mean.

Fields are called as TS 27560 calls them, in lower case; the context maps each to the term that the
DPV community's guide to TS 27560 gives for it. It stands in the document, so that nobody has to
fetch anything to read it as RDF.
"""

from collections.abc import Mapping
from typing import Any, Final

from service.domain.consent import Answer

RECORD_SCHEMA: Final = "https://w3id.org/dpv/schema/dpv-27560#record"
RECEIPT_SCHEMA: Final = "https://w3id.org/dpv/schema/dpv-27560#receipt"

RECORD: Final = "dpv:ConsentRecord"
RECEIPT: Final = "dpv:ConsentReceipt"

_OWN: Final = "urn:fermata:term:"


def _time(term: str) -> Mapping[str, str]:
    return {"@id": term, "@type": "xsd:dateTime"}


def _term(term: str) -> Mapping[str, str]:
    return {"@id": term, "@type": "@vocab"}


CONTEXT: Final[Mapping[str, Any]] = {
    "@version": 1.1,
    "@vocab": _OWN,
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "schema": "https://schema.org/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "schema_version": {"@id": "dct:conformsTo", "@type": "@id"},
    "record_id": "dct:identifier",
    "receipt_id": "dct:identifier",
    "record": "dpv:hasRecordOfActivity",
    "pii_principal_id": "dpv:hasDataSubject",
    "pii_processing": "dpv:hasProcess",
    "privacy_notice": "dpv:hasNotice",
    "language": "dct:language",
    "purposes": "dpv:hasPurpose",
    "purpose": "dct:title",
    "lawful_basis": _term("dpv:hasLegalBasis"),
    "pii_information": "dpv:hasPersonalData",
    "pii_type": "dct:title",
    "pii_controllers": "dpv:hasDataController",
    "collection_method": "dpv:hasDataSource",
    "storage_locations": "dpv:hasStorageCondition",
    "retention_period": "dpv:hasDuration",
    "jurisdiction": "dpv:hasJurisdiction",
    "recipient_third_parties": "dpv:hasRecipient",
    "withdrawal_method": "dpv:hasConsentControl",
    "privacy_rights": _term("dpv:hasRight"),
    "party_identification": "dpv:hasEntity",
    "party_id": "dct:identifier",
    "party_type": "@type",
    "party_name": "schema:name",
    "party_address": "schema:address",
    "party_contact": "schema:contactPoint",
    "event": "dpv:hasConsentStatus",
    "event_time": _time("dpv:isIndicatedAtTime"),
    "entity_id": "dpv:isIndicatedBy",
    "event_type": "dpv:hasIndicationMethod",
    "event_state": "@type",
    "validity_duration": "dpv:hasDuration",
}
"""What every field means. Fields of our own are terms of our own."""

NOTHING_SAID: Final = "urn:fermata:term:NothingSaid"
"""Of something taken back that was no yes: DPV has no word for never having answered."""


EXPIRED: Final = "dpv:ConsentExpired"
"""Of a yes whose time is over."""


def state_of(answer: Answer, *, takes_back_a_yes: bool, by_the_artist: bool) -> str:
    """Return the status of consent that a statement leaves behind, as DPV calls it.

    `takes_back_a_yes` says that a yes to something of it stood until then.
    """
    if answer is Answer.OPT_IN:
        return "dpv:ConsentGiven"
    if takes_back_a_yes:
        return "dpv:ConsentWithdrawn" if by_the_artist else "dpv:ConsentRevoked"
    return "dpv:ConsentRefused" if answer is Answer.OPT_OUT else NOTHING_SAID
