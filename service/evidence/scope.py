"""What every document says: what it is about and as of when, and what of that it leaves out."""

from service.db.engine import ReadSession
from service.domain.instant import format_instant
from service.domain.policy import PolicyVersion
from service.domain.refusal import RefusalKind, refuse
from service.evidence.asked import Asking
from service.evidence.wanted import PackWanted
from service.ledger.events import Json
from service.policies.versions import load_versions


async def known_versions(session: ReadSession, wanted: PackWanted) -> list[PolicyVersion]:
    """Return all versions of the use that there were at the revision.

    Raises Refused where there was none.
    """
    versions = [
        version
        for version in (await load_versions(session, wanted.use)).get(wanted.use, [])
        if version.revision <= wanted.until_revision
    ]
    if not versions:
        message = f"{wanted.use} has no policy at revision {wanted.until_revision}: name a leaf use"
        raise refuse("use", "unknown_use", message, RefusalKind.UNKNOWN)
    return versions


def scope_json(wanted: PackWanted) -> Json:
    """Return what a document is about."""
    return {
        "platform": wanted.platform,
        "use": wanted.use,
        "recipient": wanted.recipient,
        "run": wanted.run,
        "since": None if wanted.since is None else format_instant(wanted.since),
        "until": None if wanted.until is None else format_instant(wanted.until),
        "revision": wanted.until_revision,
        "as_of": format_instant(wanted.as_of),
    }


def left_out(asking: Asking) -> list[str]:
    """Return what there is of the column in the log and not in the document, in sentences."""
    found = []
    if asking.about_artists:
        found.append(
            f"{_decisions(asking.about_artists)} about artists themselves, such as their voices:"
            " only decisions about content are looked at."
        )
    if asking.at_other_instants:
        found.append(
            f"{_decisions(asking.at_other_instants)} about another instant than that of the"
            " answer: they let nobody use anything."
        )
    if asking.discarded:
        found.append(f"Decisions of {', '.join(asking.discarded)}: they are not kept any more.")
    return found


def _decisions(number: int) -> str:
    return "1 decision" if number == 1 else f"{number:,} decisions"
