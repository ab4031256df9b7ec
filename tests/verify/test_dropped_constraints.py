"""A superuser drops the database's own constraints first: what they kept out is found all the same.

Nothing that stands in a table may stop the verifier: it says what is wrong, or that it cannot look.
"""

from typing import Final

import pytest

from service.verify.database import Trust, verify_database
from service.verify.finding import Report, What
from service.verify.notes import read_key
from tests.transparency.logs import superuser
from tests.verify.seeded import KEK, VERIFIERS, Seeded

KEYS: Final = tuple(read_key(one) for one in VERIFIERS)
NONCE: Final = '"nonce":"' + "0" * 32 + '"'
AT: Final = '"at":"2026-01-01T00:00:00.000000Z"'

TWICE: Final = {
    "consents": ("revision", "answer = 'opt_in'"),
    "content": ("content_id", "status = 'removed'"),
    "policy_texts": ("use, version, locale", "text = 'We may.'"),
    "ledger_head": ("id", "size = size - 3"),
}


async def after(url: str, *statements: str) -> Report:
    """Do harm, and look."""
    async with superuser(url) as connection:
        for statement in statements:
            await connection.execute(statement)
    return await verify_database(url, Trust(KEYS, KEK))


@pytest.mark.parametrize("table", TWICE)
async def test_a_row_that_is_there_twice(copy_url: str, table: str) -> None:
    """The altered one lies first, so that whoever keeps the last of a key sees the right one."""
    keys, alter = TWICE[table]
    report = await after(
        copy_url,
        f"ALTER TABLE {table} DROP CONSTRAINT pk_{table}",
        f"CREATE TABLE put_by AS SELECT * FROM {table} ORDER BY {keys} LIMIT 1",
        f"CREATE TABLE all_of_them AS SELECT * FROM {table}",
        f"UPDATE put_by SET {alter}",
        f"DELETE FROM {table}",
        f"INSERT INTO {table} SELECT * FROM put_by",
        f"INSERT INTO {table} SELECT * FROM all_of_them",
    )
    assert table in {one.where.partition(" ")[0] for one in report.findings}
    assert any("more than once" in one.says or "2 heads" in one.says for one in report.findings)


async def test_a_delivery_that_belongs_to_no_event(copy_url: str) -> None:
    """It would close a window, and has no revision to be looked for by."""
    report = await after(
        copy_url,
        "ALTER TABLE deliveries ALTER revision DROP NOT NULL",
        "INSERT INTO deliveries SELECT notice_id, a.subject, channel, delivered_at, closes_at, NULL"
        " FROM deliveries, artists a WHERE a.artist_id = 'artist-9' LIMIT 1",
    )
    [finding] = report.findings
    assert (finding.what, finding.where) == (What.ROW_EXTRA, "deliveries revision=NULL")


async def test_who_spoke_for_an_artist(copy_url: str) -> None:
    """A delegate stands in what they said as a reference, and the reference leads to them."""
    report = await after(copy_url, "UPDATE delegates SET reference = 'dlg_x'")
    [finding] = report.findings
    assert (finding.what, finding.where.partition(" ")[0]) == (What.ROW_MISSING, "delegates")


async def test_a_key_that_opens_nothing(copy_url: str) -> None:
    """Though its artist has said nothing: they would never be heard."""
    report = await after(
        copy_url,
        "UPDATE private.subjects SET wrapped_key = sha256(wrapped_key) || '12345678'::bytea "
        "WHERE subject = (SELECT subject FROM artists WHERE artist_id = 'artist-2')",
    )
    assert report.first_wrong is not None
    assert "private.subjects" in {one.where.partition(" ")[0] for one in report.findings}


async def test_an_event_far_off(copy_url: str, seeded: Seeded) -> None:
    """It is one too many, and what lies between is not looked for event by event."""
    report = await after(
        copy_url,
        "INSERT INTO ledger SELECT 9000000000000000, now() + interval '1 day', kind, leaf, "
        "leaf_hash FROM ledger WHERE revision = 3",
    )
    assert report.size == seeded.size
    assert What.EVENT_EXTRA in {one.what for one in report.findings}


LEAVES: Final = {
    "of a kind that is no text": f'{{{AT},{NONCE},"type":[],"v":1}}',
    "without a time": f'{{{NONCE},"type":"use.named","v":1}}',
    "of nobody": f'{{{AT},"commitment":"aa",{NONCE},"type":"consent.recorded","v":1}}',
    "nested without end": '{"a":' + "[" * 20_000 + "]" * 20_000 + "}",
    "with a window beyond all time": (
        f'{{{AT},"min_notice_period":"P99999999999999999W",{NONCE},"platform":"x",'
        '"type":"charter.tightened","v":1}'
    ),
    "with recipients of all kinds": (
        f'{{{AT},"editorial":false,"mode":"opt_in",{NONCE},"notice_period":"P30D",'
        '"recipients":[1,"a"],"texts":{},"type":"policy.published","use":"zoo","v":1,"version":1}'
    ),
}


@pytest.mark.parametrize("case", LEAVES)
async def test_an_event_that_makes_no_sense(copy_url: str, case: str) -> None:
    """Whatever its bytes are, it is the one that is named."""
    leaf = LEAVES[case]
    kind = "charter.tightened" if "charter" in leaf else "policy.published"
    report = await after(
        copy_url, f"UPDATE ledger SET kind = '{kind}', leaf = '{leaf}' WHERE revision = 400"
    )
    assert report.first_wrong == 400
    assert What.EVENT_UNREADABLE in {one.what for one in report.findings}


EMPTY: Final = {
    "ledger": "leaf",
    "ledger_tiles": "hashes",
    "ledger_checkpoints": "note",
    "policy_texts": "text",
    "delegates": "revision",
}


@pytest.mark.parametrize("table", EMPTY)
async def test_a_column_that_is_empty(copy_url: str, table: str) -> None:
    """It is found like any other change."""
    report = await after(
        copy_url,
        f"ALTER TABLE {table} ALTER {EMPTY[table]} DROP NOT NULL",
        f"UPDATE {table} SET {EMPTY[table]} = NULL",
    )
    assert table in {one.where.partition(" ")[0] for one in report.findings}
