"""Plain SQL on an embedded PostgreSQL: tables as anybody would make them, one query for a batch.

Nothing of Fermata is in it. It knows no versions, no windows and no reasons; it says yes or no.
Some variants also keep what they answered, in the same transaction, as our answers are kept.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from bench.part import Run
from bench.peers.variant import Batch, Variant
from bench.serving import data_folder
from bench.world import MODES, World, covering
from service.db.embedded import EmbeddedPostgres

_SCHEMA: Final = """
CREATE TABLE uses (use text PRIMARY KEY, mode text NOT NULL);
CREATE TABLE covering (use text, node text, PRIMARY KEY (use, node));
CREATE TABLE tracks (track text PRIMARY KEY);
CREATE TABLE rightsholders (
    track text NOT NULL, position int NOT NULL, artist text NOT NULL, PRIMARY KEY (track, position)
);
CREATE TABLE statements (
    artist text NOT NULL, node text NOT NULL, track text, answer text NOT NULL
);
CREATE UNIQUE INDEX ON statements (node, artist, answer, coalesce(track, ''));
CREATE INDEX ON statements (artist);
CREATE TABLE decisions (
    decision bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, use text NOT NULL,
    answered_at timestamptz NOT NULL DEFAULT now(), tracks text[] NOT NULL,
    permitted bool[] NOT NULL
);
"""

_EXISTS: Final = """
SELECT n, a.track, t.track IS NOT NULL AND CASE (SELECT mode FROM uses WHERE use = $1)
    WHEN 'open' THEN true
    WHEN 'opt_out' THEN NOT EXISTS (
        SELECT FROM rightsholders r
        JOIN statements s ON s.artist = r.artist AND s.answer = 'no'
            AND (s.track IS NULL OR s.track = r.track)
        JOIN covering c ON c.node = s.node AND c.use = $1
        WHERE r.track = t.track)
    WHEN 'opt_in' THEN NOT EXISTS (
        SELECT FROM rightsholders r
        JOIN statements s ON s.artist = r.artist AND s.answer = 'no'
            AND (s.track IS NULL OR s.track = r.track)
        JOIN covering c ON c.node = s.node AND c.use = $1
        WHERE r.track = t.track
    ) AND NOT EXISTS (
        SELECT FROM rightsholders r WHERE r.track = t.track AND NOT EXISTS (
            SELECT FROM statements s
            WHERE s.artist = r.artist AND s.answer = 'yes' AND s.node = $1))
    ELSE false END AS permitted
FROM unnest($2::text[]) WITH ORDINALITY a (track, n) LEFT JOIN tracks t USING (track)
"""
_SETS: Final = """
WITH no AS MATERIALIZED (
    SELECT DISTINCT s.artist, s.track FROM statements s
    JOIN covering c ON c.node = s.node AND c.use = $1 WHERE s.answer = 'no'
), yes AS MATERIALIZED (
    SELECT artist FROM statements WHERE answer = 'yes' AND node = $1
)
SELECT n, a.track, bool_and(CASE u.mode
    WHEN 'open' THEN r.track IS NOT NULL
    WHEN 'opt_out' THEN r.track IS NOT NULL AND everything.artist IS NULL AND one.artist IS NULL
    WHEN 'opt_in' THEN r.track IS NOT NULL AND everything.artist IS NULL AND one.artist IS NULL
        AND yes.artist IS NOT NULL
    ELSE false END) AS permitted
FROM (SELECT mode FROM uses WHERE use = $1) u, unnest($2::text[]) WITH ORDINALITY a (track, n)
LEFT JOIN rightsholders r USING (track)
LEFT JOIN no everything ON everything.artist = r.artist AND everything.track IS NULL
LEFT JOIN no one ON one.artist = r.artist AND one.track = r.track
LEFT JOIN yes ON yes.artist = r.artist
GROUP BY n, a.track
"""
_ANSWERED: Final = "SELECT array_agg(permitted ORDER BY n) AS permitted FROM ({query}) answered"
_LOGGED: Final = """
INSERT INTO decisions (use, tracks, permitted)
SELECT $1, array_agg(track ORDER BY n), array_agg(permitted ORDER BY n) FROM ({query}) answered
RETURNING permitted
"""


@dataclass(frozen=True, slots=True)
class _Way:
    """One query, how it is planned, and whether it keeps what it answers."""

    how: str
    query: str
    planned: str
    logged: bool

    @property
    def statement(self) -> str:
        """The statement that is prepared."""
        return (_LOGGED if self.logged else _ANSWERED).format(query=self.query)


def measure(world: World, batches: Sequence[Batch], run: Run) -> list[Variant]:
    """Return what each query manages; those that log nothing are set aside."""
    with data_folder() as folder, EmbeddedPostgres(folder / "postgres") as postgres:
        return asyncio.run(_measure(postgres.url, world, batches, run))


def unlogged(variants: Sequence[Variant]) -> Variant:
    """Return the fastest of those that log nothing."""
    return max((one for one in variants if one.aside), key=lambda one: one.rate)


def _ways() -> Iterator[_Way]:
    for logged in (False, True):
        kept = "answers logged" if logged else "nothing logged"
        yield _Way(f"EXISTS, as one would write it, {kept}", _EXISTS, "auto", logged)
        yield _Way(f"EXISTS, planned each time, {kept}", _EXISTS, "force_custom_plan", logged)
        yield _Way(f"joins of sets, planned each time, {kept}", _SETS, "force_custom_plan", logged)


async def _measure(url: str, world: World, batches: Sequence[Batch], run: Run) -> list[Variant]:
    connection = await asyncpg.connect(url)
    await connection.execute(_SCHEMA)
    await _fill(connection, world)
    variants = []
    for way in _ways():
        await connection.execute(f"SET plan_cache_mode = {way.planned}")
        prepared = await connection.prepare(way.statement)
        for use, ids in batches:
            found = await prepared.fetchval(use, ids)
            if found != [world.permits(use, one) for one in ids]:
                raise ValueError(f"SQL ({way.how}) does not answer about {use} as we do")
        rates = [await _rate(prepared, batches, run.seconds) for _ in range(run.runs)]
        aside = "" if way.logged else "keeps no record of its answers; ours are all kept"
        variants.append(Variant("SQL", way.how, rates, aside=aside))
    await connection.close()
    return variants


async def _rate(
    prepared: "asyncpg.prepared_stmt.PreparedStatement", batches: Sequence[Batch], seconds: float
) -> float:
    began, done = time.perf_counter(), 0
    for use, ids in itertools.cycle(batches):
        await prepared.fetchval(use, ids)
        done += len(ids)
        if time.perf_counter() - began > seconds:
            break
    return done / (time.perf_counter() - began)


async def _fill(connection: asyncpg.Connection, world: World) -> None:
    rows: dict[str, list[tuple[object, ...]]] = {
        "uses": list(MODES.items()),
        "covering": [(use, node) for use in MODES for node in covering(use)],
        "tracks": [(one,) for one in world.ids],
        "rightsholders": [
            (track.name, position, artist)
            for track in world.tracks.values()
            for position, artist in enumerate(track.artists)
        ],
        "statements": [
            *((one.name, node, None, "no") for one in world.artists.values() for node in one.no),
            *((one.name, node, None, "yes") for one in world.artists.values() for node in one.yes),
            *(
                (one.artists[0], use, one.name, "no")
                for one in world.tracks.values()
                for use in one.no
            ),
        ],
    }
    for name, records in rows.items():
        await connection.copy_records_to_table(name, records=records)
    await connection.execute("VACUUM ANALYZE")
