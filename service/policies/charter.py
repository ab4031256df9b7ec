"""The charter: what the platform binds itself to when the ledger is opened."""

from sqlalchemy import insert, select
from sqlmodel import col

from service.db.engine import ReadSession
from service.db.tables import Charter
from service.domain.instant import SECOND, Duration, format_duration, format_instant
from service.domain.refusal import RefusalKind, refuse
from service.ledger.append import Write
from service.ledger.events import Json, Kind
from service.ledger.facts import charter_event
from service.ledger.transaction import Transaction


async def current_charter(session: ReadSession) -> Charter | None:
    """Return the charter in force, or None while the ledger is not opened."""
    newest = select(Charter).order_by(col(Charter.revision).desc()).limit(1)
    return (await session.execute(newest)).scalar_one_or_none()


async def require_charter(session: ReadSession) -> Charter:
    """Return the charter in force. Raises Refused: nothing happens before it is opened."""
    charter = await current_charter(session)
    if charter is None:
        raise refuse(
            "charter",
            "charter_not_opened",
            "open the charter first: it fixes the shortest window anybody will ever get",
            RefusalKind.CONFLICT,
        )
    return charter


def open_charter(platform: str, min_notice_period: Duration) -> Write:
    """Open the ledger with its charter. It can be done once."""

    async def write(transaction: Transaction) -> Json:
        if await current_charter(transaction.session) is not None:
            raise refuse(
                "charter",
                "charter_already_open",
                "this ledger has its charter; it can be tightened, not opened again",
                RefusalKind.CONFLICT,
            )
        if min_notice_period < SECOND:
            raise refuse(
                "min_notice_period",
                "notice_period_too_short",
                "a window takes some time: give at least PT1S, better P30D",
            )
        return await _set(transaction, Kind.CHARTER_OPENED, platform, min_notice_period)

    return write


def tighten_charter(min_notice_period: Duration) -> Write:
    """Raise the shortest window that any later policy version may promise (R6)."""

    async def write(transaction: Transaction) -> Json:
        charter = await require_charter(transaction.session)
        if min_notice_period <= charter.min_notice_period:
            least = format_duration(charter.min_notice_period)
            raise refuse(
                "min_notice_period",
                "charter_only_tightens",
                f"it can only be raised, and it is {least} already (R6)",
            )
        return await _set(transaction, Kind.CHARTER_TIGHTENED, charter.platform, min_notice_period)

    return write


async def _set(
    transaction: Transaction, kind: Kind, platform: str, min_notice_period: Duration
) -> Json:
    recorded = await transaction.record(charter_event(kind, platform, min_notice_period))
    await transaction.session.execute(
        insert(Charter).values(
            revision=recorded.revision,
            platform=platform,
            min_notice_period=min_notice_period,
            recorded_at=recorded.recorded_at,
        )
    )
    return {
        "platform": platform,
        "min_notice_period": format_duration(min_notice_period),
        "revision": recorded.revision,
        "recorded_at": format_instant(recorded.recorded_at),
    }
