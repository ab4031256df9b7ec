"""Reading policies: versions as the rules see them, words as they were published."""

from collections.abc import Iterable, Mapping
from hashlib import sha256

from sqlalchemy import select
from sqlmodel import col

from service.db.engine import ReadSession
from service.db.tables import Policy, PolicyText
from service.domain.policy import Mode, PolicyVersion


def text_hashes(texts: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Return each locale with the SHA-256 of its words' UTF-8 bytes, as the ledger keeps them."""
    return frozenset((locale, sha256(text.encode()).hexdigest()) for locale, text in texts.items())


async def load_versions(
    session: ReadSession, use: str | None = None
) -> dict[str, list[PolicyVersion]]:
    """Return every version of one use, or of all, in order."""
    policies = select(Policy).order_by(col(Policy.use), col(Policy.version))
    texts = select(
        col(PolicyText.use),
        col(PolicyText.version),
        col(PolicyText.locale),
        col(PolicyText.sha256),
    )
    if use is not None:
        policies = policies.where(col(Policy.use) == use)
        texts = texts.where(col(PolicyText.use) == use)
    hashes: dict[tuple[str, int], set[tuple[str, str]]] = {}
    for text_use, version, locale, digest in await session.execute(texts):
        hashes.setdefault((text_use, version), set()).add((locale, digest))
    found: dict[str, list[PolicyVersion]] = {}
    for row in (await session.execute(policies)).scalars():
        found.setdefault(row.use, []).append(_version(row, hashes[row.use, row.version]))
    return found


async def latest_versions(session: ReadSession) -> list[PolicyVersion]:
    """Return the latest version of each leaf."""
    return [versions[-1] for versions in (await load_versions(session)).values()]


def _version(row: Policy, texts: Iterable[tuple[str, str]]) -> PolicyVersion:
    return PolicyVersion(
        use=row.use,
        version=row.version,
        mode=Mode(row.mode),
        recipients=frozenset(row.recipients),
        notice_period=row.notice_period,
        texts=frozenset(texts),
        editorial=row.editorial,
        launch=row.launch,
        terms=row.terms,
        published_at=row.published_at,
        revision=row.revision,
    )
