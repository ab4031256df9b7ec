"""Publishing a policy version, and naming the nodes of the tree of uses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import col

from service.db.engine import ReadSession
from service.db.tables import Artist, Notice, Policy, PolicyText, Use
from service.domain import uses
from service.domain.events import PolicyPublished
from service.domain.instant import format_duration, format_instant
from service.domain.policy import PolicyDraft, PolicyVersion, refuse_policy, terms_of
from service.domain.refusal import RefusalKind, Refused, refuse
from service.ledger.append import Write
from service.ledger.events import LONGEST_LEAF, Json, NewEvent, Recorded, canonical
from service.ledger.facts import policy_event, use_event
from service.ledger.transaction import Transaction, require_opened
from service.policies.charter import require_charter
from service.policies.versions import load_versions, text_hashes

_ENVELOPE: Final = 500
"""Bytes that a leaf takes beside what the event says: its kind, time, nonce and format."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A draft that may be published now, as the next version after `earlier`."""

    fact: PolicyPublished
    earlier: list[PolicyVersion]
    launch: bool

    @property
    def number(self) -> int:
        """The version number it would get."""
        return len(self.earlier) + 1

    def as_version(self, recorded: Recorded) -> PolicyVersion:
        """Return the version it is once recorded."""
        fact = self.fact
        return PolicyVersion(
            use=fact.use,
            version=self.number,
            mode=fact.mode,
            recipients=fact.recipients,
            notice_period=fact.notice_period,
            texts=fact.texts,
            editorial=fact.editorial,
            launch=self.launch,
            terms=terms_of(self.earlier, fact.texts, editorial=fact.editorial),
            published_at=recorded.recorded_at,
            revision=recorded.revision,
        )


def notice_id(use: str, version: int) -> str:
    """Return the id of a version's notice."""
    return f"{use}:{version}"


async def admit(session: ReadSession, draft: PolicyDraft, *, after: int | None = None) -> Admitted:
    """Hold a draft against the rules as they stand. Raises Refused with every reason.

    `after` insists on the version it follows.
    """
    charter = await require_charter(session)
    known = await load_versions(session)
    conflict = uses.leaf_conflict(draft.use, known)
    if conflict is not None:
        raise refuse(
            "use",
            "not_a_leaf",
            f"only leaves carry policies, and {conflict} is one on the same branch",
            RefusalKind.CONFLICT,
        )
    launch = (await session.execute(select(col(Artist.subject)).limit(1))).first() is None
    texts = text_hashes(draft.texts)
    earlier = known.get(draft.use, [])
    if after is not None and after != len(earlier):
        raise refuse(
            "after",
            "other_version_published",
            f"the latest version is {len(earlier)}: look at it and try again",
            RefusalKind.CONFLICT,
        )
    refusals = refuse_policy(
        draft, texts, earlier, launch=launch, min_notice_period=charter.min_notice_period
    )
    if refusals:
        raise Refused(refusals)
    fact = PolicyPublished(
        use=draft.use,
        mode=draft.mode,
        recipients=draft.recipients,
        notice_period=draft.notice_period,
        texts=texts,
        editorial=draft.editorial,
    )
    admitted = Admitted(fact, earlier, launch)
    _refuse_too_long("recipients", policy_event(fact, admitted.number))
    return admitted


def _refuse_too_long(field: str, event: NewEvent) -> None:
    """Raise Refused where the event would not fit into one leaf of the ledger."""
    most, length = LONGEST_LEAF - _ENVELOPE, len(canonical(event.public))
    if length > most:
        message = f"this comes to {length} bytes in the ledger, which takes {most}: shorten it"
        raise refuse(field, "too_long_for_the_ledger", message)


def publish_policy(draft: PolicyDraft, *, after: int | None = None) -> Write:
    """Publish the draft as the next version; `after` insists on the version it follows."""

    async def write(transaction: Transaction) -> Json:
        admitted = await admit(transaction.session, draft, after=after)
        recorded = await transaction.record(policy_event(admitted.fact, admitted.number))
        version = admitted.as_version(recorded)
        await _keep(transaction, version, draft.texts)
        return version_json(version, draft.texts)

    return write


async def _keep(transaction: Transaction, version: PolicyVersion, texts: Mapping[str, str]) -> None:
    session = transaction.session
    named = {"use": version.use, "version": version.version}
    await session.execute(
        insert(Policy).values(
            **named,
            mode=version.mode.value,
            recipients=sorted(version.recipients),
            notice_period=version.notice_period,
            editorial=version.editorial,
            launch=version.launch,
            terms=version.terms,
            published_at=version.published_at,
            revision=version.revision,
        )
    )
    hashes = dict(version.texts)
    await session.execute(
        insert(PolicyText),
        [
            {**named, "locale": locale, "text": text, "sha256": hashes[locale]}
            for locale, text in texts.items()
        ],
    )
    await session.execute(
        insert(Notice).values(
            notice_id=notice_id(version.use, version.version),
            **named,
            announced_at=version.published_at,
            revision=version.revision,
        )
    )


def version_json(version: PolicyVersion, texts: Mapping[str, str]) -> Json:
    """Return one version as the API shows it."""
    hashes = dict(version.texts)
    return {
        "use": version.use,
        "version": version.version,
        "mode": version.mode.value,
        "recipients": sorted(version.recipients),
        "notice_period": format_duration(version.notice_period),
        "texts": {
            locale: {"text": text, "sha256": hashes[locale]}
            for locale, text in sorted(texts.items())
        },
        "editorial": version.editorial,
        "launch": version.launch,
        "terms": version.terms,
        "published_at": format_instant(version.published_at),
        "revision": version.revision,
        "notice": notice_id(version.use, version.version),
    }


def name_use(use: str, names: Mapping[str, str]) -> Write:
    """Say what a node of the tree is called, by locale. It changes no answer."""

    async def write(transaction: Transaction) -> Json:
        require_opened(transaction)
        known = await transaction.session.get(Use, use)
        if known is not None and known.names == dict(names):
            return {"use": use, "names": dict(names), "revision": known.revision}
        event = use_event(use, names)
        _refuse_too_long("names", event)
        recorded = await transaction.record(event)
        row = {"names": dict(names), "revision": recorded.revision}
        await transaction.session.execute(
            upsert(Use)
            .values(use=use, **row)
            .on_conflict_do_update(index_elements=["use"], set_=row)
        )
        return {"use": use, **row}

    return write
