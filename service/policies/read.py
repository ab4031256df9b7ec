"""Reading uses and policies for people."""

from sqlalchemy import select
from sqlmodel import col

from service.db.engine import ReadSession
from service.db.tables import PolicyText, Use
from service.domain.refusal import RefusalKind, refuse
from service.ledger.events import Json
from service.policies.publish import version_json
from service.policies.versions import load_versions


async def list_uses(session: ReadSession) -> list[Json]:
    """Return every node that has a name or a policy, in order of its path."""
    names = {row.use: row for row in (await session.execute(select(Use))).scalars()}
    versions = await load_versions(session)
    found = []
    for use in sorted({*names, *versions}):
        latest = versions[use][-1] if use in versions else None
        found.append(
            {
                "use": use,
                "names": names[use].names if use in names else {},
                "latest_version": latest.version if latest else None,
                "mode": latest.mode.value if latest else None,
                "recipients": sorted(latest.recipients) if latest else [],
            }
        )
    return found


async def list_policies(session: ReadSession, use: str) -> list[Json]:
    """Return all versions of a use with their words. Raises Refused for an unknown use."""
    versions = (await load_versions(session, use)).get(use)
    if versions is None:
        raise refuse("use", "unknown_use", "this use has no policy", RefusalKind.UNKNOWN)
    texts: dict[int, dict[str, str]] = {}
    words = select(col(PolicyText.version), col(PolicyText.locale), col(PolicyText.text)).where(
        col(PolicyText.use) == use
    )
    for version, locale, text in await session.execute(words):
        texts.setdefault(version, {})[locale] = text
    return [version_json(version, texts[version.version]) for version in versions]
