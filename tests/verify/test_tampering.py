"""A superuser of the database changes something, past every trigger: it is found, and where."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import asyncpg
import pytest

from service.verify.claims import Placed
from service.verify.database import Trust, verify_database
from service.verify.finding import Report, What
from service.verify.keeping import kept_checkpoint
from service.verify.notes import read_key
from tests.transparency.logs import grow, signing, superuser
from tests.verify.harm import (
    alter_batch,
    change_event,
    flip,
    insert_event,
    remove_event,
    rewrite_tail,
)
from tests.verify.seeded import KEK, VERIFIERS, Seeded, copied

KEYS: Final = tuple(read_key(one) for one in VERIFIERS)

Harm: TypeAlias = Callable[[asyncpg.Connection], Awaitable[object]]


async def verified(url: str, kept: Sequence[Placed] = ()) -> Report:
    """Look at everything, with all keys."""
    return await verify_database(url, Trust(KEYS, KEK), kept)


async def found_after(url: str, harm: Harm) -> Report:
    """Do harm, and look."""
    async with superuser(url) as connection:
        await harm(connection)
    return await verified(url)


def kept(seeded: Seeded, number: int) -> Placed:
    """Return one of the checkpoints that somebody outside has kept."""
    return kept_checkpoint(seeded.notes[number], f"kept {number}", KEYS)


@pytest.mark.parametrize("revision", [2, 256, 257, 530])
async def test_a_changed_event(copy_url: str, revision: int) -> None:
    """Though its stored hash was changed with it; in the first tile, the last, and in none."""
    report = await found_after(copy_url, lambda one: change_event(one, revision))
    assert report.first_wrong is not None
    if revision <= 512:
        assert report.first_wrong == revision
        assert What.TILE_ALTERED in {one.what for one in report.findings}
    else:  # no tile holds it yet: the head and the checkpoint say between which events it is
        assert report.first_wrong == 529
        assert What.HEAD_DIFFERS in {one.what for one in report.findings}
    assert What.HISTORY_CHANGED in {one.what for one in report.findings}


@pytest.mark.parametrize("revision", [100, 300, 540])
async def test_a_removed_event(copy_url: str, revision: int) -> None:
    """In the middle, or the last one, which the head still counts."""
    report = await found_after(copy_url, lambda one: remove_event(one, revision))
    assert report.first_wrong == revision
    assert What.EVENT_MISSING in {one.what for one in report.findings}


async def test_an_inserted_event(copy_url: str, seeded: Seeded) -> None:
    """Though it makes sense where it is, and every later one was numbered anew in every table."""
    revision = kept(seeded, 0).claim.size + 1
    report = await found_after(copy_url, lambda one: insert_event(one, revision))
    assert report.first_wrong == revision
    assert {What.TILE_ALTERED, What.HISTORY_CHANGED} <= {one.what for one in report.findings}


async def test_a_rewritten_tail(copy_url: str, seeded: Seeded) -> None:
    """With its tiles, its head and without later checkpoints only an older one outside tells."""
    assert (await found_after(copy_url, lambda one: rewrite_tail(one, 400))).holds
    report = await verified(copy_url, [kept(seeded, 2)])
    [finding] = report.findings
    assert (finding.what, finding.where) == (What.HISTORY_CHANGED, "kept 2")
    before = kept(seeded, 1).claim.size
    assert finding.revision == before + 1, "what is stored up to there was signed and holds"
    assert "400" not in finding.says, "nobody can know which of them it was"
    assert (await verified(copy_url, [kept(seeded, 0), kept(seeded, 1)])).holds


async def test_a_restored_backup(postgres_url: str, copy_url: str, seeded: Seeded) -> None:
    """The ledger is shorter than a checkpoint of it that somebody kept."""
    async with copied(postgres_url, seeded.url) as longer:
        await grow(longer, 3)
        async with signing(longer) as signer:
            assert signer.size == seeded.size + 3
        async with superuser(longer) as connection:
            note = await connection.fetchval(
                "SELECT note FROM ledger_checkpoints ORDER BY size DESC LIMIT 1"
            )
    report = await verified(copy_url, [kept_checkpoint(note, "kept", KEYS)])
    [finding] = report.findings
    assert (finding.what, finding.revision) == (What.WENT_BACK, seeded.size + 1)


async def revision_of(url: str, kind: str, number: int = 0) -> int:
    """Return where the n-th event of a kind is."""
    async with superuser(url) as connection:
        rows = await connection.fetch(
            "SELECT revision FROM ledger WHERE kind = $1 ORDER BY revision", kind
        )
    revision: int = rows[number][0]
    return revision


TILES: Final = {
    "a hash of events": ("hashes", "number = 1", 258),
    "a root": ("root", "number = 1", 257),
}


@pytest.mark.parametrize("case", TILES)
async def test_a_flipped_bit_in_a_tile(copy_url: str, case: str) -> None:
    """Each of its hashes counts, and its root."""
    column, where, revision = TILES[case]
    if column == "root":

        async def harm(one: asyncpg.Connection) -> None:
            await one.execute(f"UPDATE ledger_tiles SET root = sha256(root) WHERE {where}")
    else:

        async def harm(one: asyncpg.Connection) -> None:
            await flip(one, "ledger_tiles", column, where)

    report = await found_after(copy_url, harm)
    [finding] = report.findings
    assert (finding.what, finding.revision) == (What.TILE_ALTERED, revision)
    assert finding.where == "ledger_tiles 0/1"


# What is done, what is found, in which place, and which event it contradicts: kind and number.
ROWS: Final[dict[str, tuple[str, What, str, tuple[str, int] | None]]] = {
    "a consent flipped": (
        "UPDATE consents SET answer = 'opt_in' WHERE revision = $1",
        What.ROW_DIFFERS,
        "consents",
        ("consent.recorded", 4),
    ),
    "a consent that another said": (
        "UPDATE consents SET actor = 'somebody' WHERE revision = $1",
        What.ROW_DIFFERS,
        "consents",
        ("consent.recorded", 4),
    ),
    "a consent removed": (
        "DELETE FROM consents WHERE revision = $1",
        What.ROW_MISSING,
        "consents",
        ("consent.recorded", 7),
    ),
    "a consent removed with what it rests on": (
        (
            "WITH c AS (DELETE FROM consents WHERE revision = $1) "
            "DELETE FROM private.event_details WHERE revision = $1"
        ),
        What.PRIVATE_MISSING,
        "private.event_details",
        ("consent.recorded", 7),
    ),
    "what one artist said, said by another": (
        (
            "UPDATE private.event_details SET ciphertext = (SELECT ciphertext FROM "
            "private.event_details WHERE revision = $1 + 2) WHERE revision = $1"
        ),
        What.PRIVATE_ALTERED,
        "private.event_details",
        ("consent.recorded", 2),
    ),
    "an artist's key destroyed": (
        (
            "DELETE FROM private.subjects WHERE subject IN (SELECT subject FROM artists "
            "WHERE revision = $1 AND artist_id = 'artist-2')"
        ),
        What.PRIVATE_MISSING,
        "private.subjects",
        ("artists.registered", 0),
    ),
    "a delivery backdated": (
        (
            "UPDATE deliveries SET delivered_at = delivered_at - interval '30 days', "
            "closes_at = closes_at - interval '30 days' WHERE revision = $1 AND subject = "
            "(SELECT min(subject) FROM deliveries WHERE revision = $1)"
        ),
        What.ROW_DIFFERS,
        "deliveries",
        ("notice.delivered", 0),
    ),
    "a delivery made up": (
        (
            "INSERT INTO deliveries SELECT notice_id, subject, channel, bounced_at, bounced_at, "
            "revision FROM bounces b WHERE revision = $1 AND NOT EXISTS (SELECT FROM deliveries d "
            "WHERE d.subject = b.subject) LIMIT 1"
        ),
        What.ROW_EXTRA,
        "deliveries",
        ("notice.delivered", 0),
    ),
    "a bounce removed": (
        "DELETE FROM bounces WHERE revision = $1 AND subject = (SELECT min(subject) FROM bounces)",
        What.ROW_MISSING,
        "bounces",
        ("notice.delivered", 0),
    ),
    "an extra content": (
        (
            "INSERT INTO content SELECT 'extra', NULL, NULL, status, rightsholders, put_at, "
            "revision FROM content WHERE revision = $1 LIMIT 1"
        ),
        What.ROW_EXTRA,
        "content",
        ("content.put", 0),
    ),
    "a content put back to what it was": (
        (
            "UPDATE content SET (status, rightsholders, put_at, revision, isrc) = "
            "(SELECT status, rightsholders, put_at, revision, NULL FROM content_history h "
            "WHERE h.content_id = content.content_id ORDER BY revision LIMIT 1) WHERE revision = $1"
        ),
        What.ROW_DIFFERS,
        "content",
        ("content.put", 1),
    ),
    "a rightsholder left out": (
        "UPDATE content SET rightsholders = rightsholders[1:1] WHERE revision = $1",
        What.ROW_DIFFERS,
        "content",
        ("content.put", 1),
    ),
    "a past that was otherwise": (
        "UPDATE content_history SET status = 'active' WHERE revision = $1",
        What.ROW_DIFFERS,
        "content_history",
        ("content.put", 2),
    ),
    "an artist registered earlier": (
        (
            "UPDATE artists SET registered_at = registered_at - interval '1 day' WHERE subject = "
            "(SELECT min(subject) FROM artists WHERE revision = $1)"
        ),
        What.ROW_DIFFERS,
        "artists",
        ("artists.registered", 0),
    ),
    "an artist erased without a word": (
        (
            "UPDATE artists SET erased_at = now(), artist_id = NULL, name = NULL WHERE subject = "
            "(SELECT min(subject) FROM artists WHERE revision = $1 AND erased_at IS NULL)"
        ),
        What.ROW_DIFFERS,
        "artists",
        ("artists.registered", 0),
    ),
    "a delegate who may say yes": (
        "UPDATE delegates SET may_opt_in = true WHERE revision = $1",
        What.ROW_DIFFERS,
        "delegates",
        ("delegate.granted", 1),
    ),
    "a delegate nobody let act": (
        (
            "INSERT INTO delegates SELECT subject, 'mallory', true, granted_at, NULL, revision "
            "FROM delegates WHERE revision = $1"
        ),
        What.ROW_EXTRA,
        "delegates",
        ("delegate.granted", 1),
    ),
    "a hold lifted": (
        "UPDATE private.legal_holds SET lifted_at = now() WHERE revision = $1",
        What.ROW_DIFFERS,
        "private.legal_holds",
        ("hold.placed", 1),
    ),
    "a policy's mode": (
        "UPDATE policies SET mode = 'open' WHERE revision = $1",
        What.ROW_DIFFERS,
        "policies",
        ("policy.published", 1),
    ),
    "a policy's words": (
        (
            "UPDATE policy_texts SET text = 'We may.' WHERE locale = 'en' AND (use, version) = "
            "(SELECT use, version FROM policies WHERE revision = $1)"
        ),
        What.ROW_DIFFERS,
        "policy_texts",
        ("policy.published", 2),
    ),
    "a policy's words, with their hash": (
        (
            "UPDATE policy_texts SET text = 'x', sha256 = encode(sha256('x'), 'hex') WHERE "
            "locale = 'en' AND (use, version) = "
            "(SELECT use, version FROM policies WHERE revision = $1)"
        ),
        What.ROW_DIFFERS,
        "policy_texts",
        ("policy.published", 2),
    ),
    "a translation taken away": (
        (
            "DELETE FROM policy_texts WHERE locale = 'de' AND (use, version) = "
            "(SELECT use, version FROM policies WHERE revision = $1)"
        ),
        What.ROW_MISSING,
        "policy_texts",
        ("policy.published", 0),
    ),
    "a name": (
        "UPDATE uses SET names = '{}' WHERE revision = $1",
        What.ROW_DIFFERS,
        "uses",
        ("use.named", 5),
    ),
    "the charter": (
        "UPDATE charter SET min_notice_period = 1 WHERE revision = $1",
        What.ROW_DIFFERS,
        "charter",
        ("charter.tightened", 0),
    ),
    "the column kind": (
        "UPDATE ledger SET kind = 'use.named' WHERE revision = $1",
        What.ROW_DIFFERS,
        "ledger",
        ("content.put", 2),
    ),
    "the column recorded_at": (
        "UPDATE ledger SET recorded_at = recorded_at - interval '1 hour' WHERE revision = $1",
        What.ROW_DIFFERS,
        "ledger",
        ("content.put", 2),
    ),
    "a stored hash": (
        "UPDATE ledger SET leaf_hash = sha256(leaf_hash) WHERE revision = $1",
        What.EVENT_ALTERED,
        "ledger",
        ("use.named", 100),
    ),
    "what was erased put back": (
        (
            "INSERT INTO private.contacts SELECT subject, 'ana@example.com', NULL, now() "
            "FROM artists WHERE erased_at IS NOT NULL AND revision = $1 LIMIT 1"
        ),
        What.NOT_ERASED,
        "private.contacts",
        None,
    ),
}


@pytest.mark.parametrize("case", ROWS)
async def test_an_altered_row(copy_url: str, case: str) -> None:
    """Whatever table it is in, the event that it contradicts is named first."""
    statement, what, table, event = ROWS[case]
    revision = await revision_of(copy_url, *(event or ("artists.registered", 0)))

    async def harm(connection: asyncpg.Connection) -> None:
        assert not (await connection.execute(statement, revision)).endswith(" 0")

    report = await found_after(copy_url, harm)
    assert report.first_wrong == (None if event is None else revision)
    places = {(one.what, one.where.partition(" ")[0]) for one in report.findings}
    assert (what, table) in places


async def test_an_altered_batch(copy_url: str) -> None:
    """The rows of a bulk event are what its leaf has the digest of."""
    revision = await revision_of(copy_url, "notice.delivered")
    report = await found_after(copy_url, lambda one: alter_batch(one, revision))
    assert report.first_wrong == revision
    assert report.findings[0].what in {What.BATCH_ALTERED, What.ROW_EXTRA}
    assert What.BATCH_ALTERED in {one.what for one in report.findings}


CHECKPOINTS: Final = {
    "a changed root": "UPDATE ledger_checkpoints SET note = replace(note, E'\\n' || size, "
    "E'\\n' || size + 1)",
    "another's signature": "UPDATE ledger_checkpoints SET note = regexp_replace(note, "
    "'(— log.example/log )......', '\\1AAAAAA')",
    "no note at all": "UPDATE ledger_checkpoints SET note = 'trust me'",
    "a cosignature of another time": "UPDATE ledger_cosignatures SET line = (SELECT "
    "split_part(line, ' ', 1) || ' ' || split_part(line, ' ', 2) || ' ' || encode(set_byte("
    "decode(split_part(rtrim(line, E'\\n'), ' ', 3), 'base64'), 10, 7), 'base64') || E'\\n')",
}


@pytest.mark.parametrize("case", CHECKPOINTS)
async def test_an_altered_checkpoint(copy_url: str, case: str) -> None:
    """Whoever can write one into the database cannot sign it."""
    report = await found_after(copy_url, lambda one: one.execute(CHECKPOINTS[case]))
    assert not report.holds
    assert {one.what for one in report.findings} <= {
        What.SIGNATURE_WRONG,
        What.CHECKPOINT_UNREADABLE,
        What.ROW_DIFFERS,
    }
    assert report.findings[0].where.startswith(("ledger_checkpoints ", "ledger_cosignatures "))


async def test_several_processes_find_the_same(
    copy_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However a ledger is divided among them."""
    monkeypatch.setattr("service.verify.database.SMALL", 1)
    async with superuser(copy_url) as connection:
        await remove_event(connection, 300)
        await connection.execute("DELETE FROM consents")
    one = await verify_database(copy_url, Trust(KEYS, KEK))
    two = await verify_database(copy_url, Trust(KEYS, KEK), processes=2)
    assert two == one
    assert one.first_wrong is not None
