"""What is asked of sealed files: DuckDB over them, in another thread, in bounded memory.

Every value is a parameter. Files of decisions are in order of time and those of outcomes in order
of what they are about, so that little of each is read.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import msgspec

from service.decisions.log.entry import Entry, Outcome, Place, entry_of
from service.decisions.log.find import Wanted
from service.decisions.log.packing import Outcomes, unpack
from service.decisions.log.theirs import FOR_EVER, Theirs
from service.decisions.question import About
from service.domain.assessment import Reason
from service.domain.decision import Decision
from service.domain.instant import LATEST, Instant, to_datetime
from service.domain.interval import Interval
from service.sealing.duck import open_duckdb

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MEMORY: Final = "256MB"
_THREADS: Final = 2
_AT_ONCE: Final = 2
"""Look-ups at once; more wait."""

_ROW: Final = """
SELECT decision_id, epoch_us(answered_at) AS answered_at, epoch_us(evaluated_at) AS evaluated_at,
    revision, client, caller, "use", recipient, about, "number", reasons, request, run, job,
"""
_BETWEEN: Final = """
    answered_at >= $bottom_at AND (answered_at > $bottom_at OR decision_id >= $bottom_id)
    AND answered_at <= $top_at AND (answered_at < $top_at OR decision_id < $top_id)
    AND ($client IS NULL OR client = $client) AND ($job IS NULL OR job = $job)
    AND ($run IS NULL OR run = $run)
    AND ($use IS NULL OR "use" = $use) AND ($recipient IS NULL OR recipient = $recipient)
"""
_NEWEST_FIRST: Final = "ORDER BY answered_at DESC, decision_id DESC"

_LISTED: Final = f"""
{_ROW} CASE WHEN "number" = 1 THEN outcomes END AS packed
FROM read_parquet($files, hive_partitioning = false)
WHERE {_BETWEEN} AND list_has_any(map_keys(reasons), $reasons::VARCHAR[])
{_NEWEST_FIRST} LIMIT $most
"""
_ABOUT_ONE: Final = f"""
SELECT epoch_us(answered_at), decision_id, "one", permitted, reason, policy_version,
    epoch_us(permitted_from), epoch_us(valid_until)
FROM (
    SELECT DISTINCT ON (answered_at, decision_id) *
    FROM read_parquet($files, hive_partitioning = false)
    WHERE about = $about AND "one" = $one AND {_BETWEEN}
    {_NEWEST_FIRST}, "position"
) WHERE list_contains($reasons::VARCHAR[], reason) {_NEWEST_FIRST} LIMIT $most
"""  # noqa: S608 - of texts from above; every value is a parameter
_ABOUT_THEIRS: Final = f"""
SELECT epoch_us(answered_at), decision_id, "one", permitted, reason, policy_version,
    epoch_us(permitted_from), epoch_us(valid_until)
FROM (
    SELECT DISTINCT ON (answered_at, decision_id) outcome.*
    FROM read_parquet($files, hive_partitioning = false) AS outcome JOIN (
        SELECT unnest($abouts::VARCHAR[]) AS about, unnest($ones::VARCHAR[]) AS "one",
            unnest($begins::BIGINT[]) AS begins, unnest($ends::BIGINT[]) AS ends
    ) AS theirs ON outcome.about = theirs.about AND outcome."one" = theirs."one"
        AND outcome.revision >= theirs.begins AND outcome.revision < theirs.ends
    WHERE {_BETWEEN} AND list_contains($reasons::VARCHAR[], reason)
    {_NEWEST_FIRST}, "position"
) {_NEWEST_FIRST} LIMIT $most
"""  # noqa: S608 - likewise
_NAMED: Final = f"""
{_ROW} NULL AS packed FROM read_parquet($files, hive_partitioning = false)
WHERE answered_at BETWEEN $first AND $last AND (answered_at, decision_id)
    IN (SELECT unnest($instants::TIMESTAMPTZ[]), unnest($names::VARCHAR[]))
"""
_WHOLE: Final = f"""
{_ROW} outcomes AS packed FROM read_parquet($files, hive_partitioning = false)
WHERE decision_id = $name AND ($instant IS NULL OR answered_at = $instant)
"""
_ANY: Final = """
SELECT 1 FROM read_parquet($files, hive_partitioning = false)
WHERE answered_at >= $bottom_at AND (answered_at > $bottom_at OR decision_id >= $bottom_id)
    AND answered_at <= $top_at AND (answered_at < $top_at OR decision_id < $top_id)
LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a file of decisions, as `entry_of` takes one."""

    decision_id: str
    answered_at: Instant
    evaluated_at: Instant
    revision: int
    client: str
    caller: str
    use: str
    recipient: str
    about: str
    number: int
    reasons: Mapping[str, int]
    request: Any
    run: str | None
    job: str | None
    packed: bytes | None

    @property
    def entry(self) -> Entry:
        """The decision, with its outcome where that is told."""
        return entry_of(self, self.outcomes)  # type: ignore[arg-type] # it has the same names

    @property
    def outcomes(self) -> Outcomes | None:
        """What was answered, if it was asked for. Raises Damaged."""
        return None if self.packed is None else unpack(self.packed)


class Lookup:
    """Looks into sealed files that are at hand, which have to stay there meanwhile."""

    def __init__(self, scratch: Path) -> None:
        """Take a folder for what does not fit into memory. Nothing is opened before it is used."""
        self._scratch = scratch
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._open = ExitStack()
        self._opening = Lock()
        self._duckdb: DuckDBPyConnection | None = None

    def close(self) -> None:
        """Give up what is open."""
        self._open.close()
        self._duckdb = None

    async def listed(
        self, paths: Sequence[str], wanted: Wanted, bottom: Place, top: Place, most: int
    ) -> list[Entry]:
        """Return the newest decisions that are wanted, of those from `bottom` on and below `top`.

        By everything but the one: files of decisions do not say what each outcome is about.
        """
        found = await self._ask(
            _LISTED, paths, **_conditions(wanted), **_stretch(bottom, top), most=most
        )
        return [row.entry for row in _rows(found)]

    async def about_one(
        self, paths: Sequence[str], wanted: Wanted, bottom: Place, top: Place, most: int
    ) -> list[tuple[Place, Outcome]]:
        """Return likewise what was answered about the one that is wanted, of files of outcomes."""
        found = await self._ask(
            _ABOUT_ONE,
            paths,
            **_conditions(wanted),
            **_stretch(bottom, top),
            about=None if wanted.about is None else wanted.about.value,
            one=wanted.one,
            most=most,
        )
        return _outcomes(found)

    async def about_theirs(
        self,
        paths: Sequence[str],
        wanted: Wanted,
        theirs: Theirs,
        bottom: Place,
        top: Place,
        most: int,
    ) -> list[tuple[Place, Outcome]]:
        """Return likewise what was answered about what is theirs: of each decision the first."""
        found = await self._ask(
            _ABOUT_THEIRS,
            paths,
            **_conditions(wanted),
            **_stretch(bottom, top),
            **_held(theirs),
            most=most,
        )
        return _outcomes(found)

    async def named(self, paths: Sequence[str], places: Sequence[Place]) -> dict[Place, Entry]:
        """Return decisions that stand at these places, without any outcome."""
        instants = [to_datetime(place.answered_at) for place in places]
        found = await self._ask(
            _NAMED,
            paths,
            first=min(instants),
            last=max(instants),
            instants=instants,
            names=[place.decision_id for place in places],
        )
        entries = [row.entry for row in _rows(found)]
        return {entry.place: entry for entry in entries}

    async def whole(
        self, paths: Sequence[str], name: str, instant: Instant | None
    ) -> tuple[Entry, Outcomes] | None:
        """Return one decision and all its outcomes, by its name and when it was made, if known."""
        moment = None if instant is None else to_datetime(instant)
        found = await self._ask(_WHOLE, paths, name=name, instant=moment)
        if not found:
            return None
        (row,) = _rows(found)
        outcomes = await asyncio.to_thread(unpack, row.packed or b"")
        return entry_of(row, outcomes), outcomes  # type: ignore[arg-type] # it has the same names

    async def any_between(self, paths: Sequence[str], bottom: Place, top: Place) -> bool:
        """Tell whether there is any decision from `bottom` on and below `top`."""
        return bool(await self._ask(_ANY, paths, **_stretch(bottom, top)))

    async def _ask(self, query: str, paths: Sequence[str], **values: Any) -> list[tuple[Any, ...]]:
        if not paths:
            return []
        async with self._turns:
            return await asyncio.to_thread(self._answer, query, {"files": list(paths)} | values)

    def _answer(self, query: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with self._opening:
            if self._duckdb is None:
                opened = open_duckdb(self._scratch, memory=_MEMORY, threads=_THREADS)
                self._duckdb = self._open.enter_context(opened)
        with self._duckdb.cursor() as cursor:
            return cursor.execute(query, values).fetchall()


def _conditions(wanted: Wanted) -> dict[str, Any]:
    return {
        "client": wanted.client,
        "job": wanted.job,
        "run": wanted.run,
        "use": wanted.use,
        "recipient": wanted.recipient,
        "reasons": [reason.value for reason in Reason if wanted.takes(reason)],
    }


def _held(theirs: Theirs) -> dict[str, Any]:
    """Return the artist themselves, at any revision, and what they held, column by column."""
    themselves = (About.ARTISTS.value, theirs.subject, 0, FOR_EVER)
    rows = [themselves, *((About.CONTENT.value, *stretch) for stretch in theirs.stretches)]
    return dict(
        zip(("abouts", "ones", "begins", "ends"), map(list, zip(*rows, strict=True)), strict=True)
    )


def _outcomes(found: Sequence[tuple[Any, ...]]) -> list[tuple[Place, Outcome]]:
    return [(Place(at, name), Outcome(one, _decision(*rest))) for at, name, one, *rest in found]


def _stretch(bottom: Place, top: Place) -> dict[str, Any]:
    return {
        "bottom_at": to_datetime(bottom.answered_at),
        "bottom_id": bottom.decision_id,
        "top_at": to_datetime(min(top.answered_at, LATEST)),
        "top_id": top.decision_id,
    }


def _rows(found: Sequence[tuple[Any, ...]]) -> list[_Row]:
    rows = [_Row(*one) for one in found]
    return [replace(row, request=msgspec.json.decode(row.request)) for row in rows]


def _decision(
    permitted: bool,  # noqa: FBT001 - a column of the query
    reason: str,
    version: int | None,
    start: Instant | None,
    end: Instant | None,
) -> Decision:
    return Decision(permitted, Reason(reason), version, Interval(start, end))
