"""Reading policies: versions as the rules see them, words as they were published."""

from collections.abc import Iterable, Mapping
from hashlib import sha256

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import distinct_on
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
    texts = _hashes()
    if use is not None:
        policies = policies.where(col(Policy.use) == use)
        texts = texts.where(col(PolicyText.use) == use)
    found: dict[str, list[PolicyVersion]] = {}
    for version in await _read(session, policies, texts):
        found.setdefault(version.use, []).append(version)
    return found


async def latest_versions(session: ReadSession) -> list[PolicyVersion]:
    """Return the latest version of each leaf, in order of their paths.

    Every write that says something reads this under the lock of the head: no older version is read.
    """
    policies = (
        select(Policy)
        .ext(distinct_on(col(Policy.use)))
        .order_by(col(Policy.use), col(Policy.version).desc())
    )
    latest = (
        select(col(Policy.use), col(Policy.version))
        .ext(distinct_on(col(Policy.use)))
        .order_by(col(Policy.use), col(Policy.version).desc())
        .subquery()
    )
    texts = _hashes().join(
        latest,
        (col(PolicyText.use) == latest.c.use) & (col(PolicyText.version) == latest.c.version),
    )
    return await _read(session, policies, texts)


def _hashes() -> Select[str, int, str, str]:
    return select(
        col(PolicyText.use),
        col(PolicyText.version),
        col(PolicyText.locale),
        col(PolicyText.sha256),
    )


async def _read(
    session: ReadSession, policies: Select[Policy], texts: Select[str, int, str, str]
) -> list[PolicyVersion]:
    """Return the versions, in order, with the hashes of their words."""
    hashes: dict[tuple[str, int], set[tuple[str, str]]] = {}
    for use, version, locale, digest in await session.execute(texts):
        hashes.setdefault((use, version), set()).add((locale, digest))
    rows = (await session.execute(policies)).scalars()
    return [_version(row, hashes[row.use, row.version]) for row in rows]


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
