"""Exports that contradict themselves: each column of each dataset is held, or told as not."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest

from service.transparency.keys import SigningKey
from service.verify.bundle import verify_bundle
from service.verify.finding import Report, What
from service.verify.held import NOT_HELD, alone, uncounted
from service.verify.notes import Key, read_key
from service.verify.statements import GONE_SINCE, NO_OPENINGS, WHOSE_IDS
from tests.api.door import make_clock_movable, make_issuer, open_door
from tests.api.people import AUDITOR
from tests.api.story import Story
from tests.exports.bundles import opened_office
from tests.exports.conftest import tell
from tests.verify.exporting import DATASETS, FORMATS, Platform, copy_of
from tests.verify.forging import Rows, change_rows, columns_of, otherwise, sign

NO_ENTRY_SAYS: Final = {
    "artists": {"subject", "artist_id", "name"},
    "content": {"content_id", "status", "rightsholders", "artist_ids", "title", "isrc"},
    "deliveries": {"subject", "artist_id", "channel"},
    "bounces": {"subject", "artist_id", "channel"},
    "decisions": {
        "evaluated_at",
        "client",
        "caller",
        "one",
        "permitted_from",
        "valid_until",
        "job",
        "request",
        "artist_id",
    },
}
"""Columns that are held against nothing, or not always. Of these datasets it is said."""


class Forger:
    """Has a key of the log's, and signs whatever it changes in copies of a bundle."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        """Take the platform, and where copies may lie."""
        self._key = SigningKey(read_key(platform.verifier).name, bytes(32))
        self._folder = folder
        self._number = 0
        self.keys: list[Key] = [read_key(platform.verifier), read_key(str(self._key.verifier()))]

    def changed(self, bundle: Path, dataset: str, change: object) -> Report:
        """Return what is found in a copy in which a dataset's rows were changed."""
        self._number += 1
        copy = copy_of(bundle, self._folder / str(self._number))
        change_rows(copy, dataset, change)  # type: ignore[arg-type]
        sign(copy, self._key)
        return verify_bundle(copy, self.keys)


@pytest.fixture
def forger(platform: Platform, tmp_path: Path) -> Forger:
    """Return a forger of this platform's bundles."""
    return Forger(platform, tmp_path)


@pytest.mark.parametrize("form", FORMATS)
def test_a_value_that_was_changed(platform: Platform, forger: Forger, form: str) -> None:
    """Whatever an entry says, or another column does, is found where it is not so."""
    bundle = platform.bundles[form]
    for dataset, column, type_ in columns_of(bundle):

        def change(rows: Rows, column: str = column, type_: str = type_) -> Rows:
            row = next((one for one in rows[::-1] if one[column] is not None), rows[0])
            row[column] = otherwise(type_, row[column])
            return rows

        report = forger.changed(bundle, dataset, change)
        named = f"{dataset}.{column}"
        if column in NO_ENTRY_SAYS.get(dataset, ()):
            assert NOT_HELD[dataset] in report.unseen, named
        else:
            assert not report.holds, named


@pytest.mark.parametrize("form", FORMATS)
def test_a_row_that_is_gone(platform: Platform, forger: Forger, form: str) -> None:
    """Of events in bulk entries say only how many rows they had, so it is told."""
    bundle = platform.bundles[form]
    for dataset in DATASETS:
        if dataset != "events":
            report = forger.changed(bundle, dataset, lambda rows: rows[1:])
            told = dataset in {"content", "deliveries", "bounces"}
            assert report.holds is told, dataset
            assert not told or "whether any is missing" in NOT_HELD[dataset]


@pytest.mark.parametrize("form", FORMATS)
def test_a_row_too_many(platform: Platform, forger: Forger, form: str) -> None:
    """The last one twice; events made that many rows and no more."""
    for dataset in DATASETS:
        report = forger.changed(platform.bundles[form], dataset, lambda rows: [*rows, rows[-1]])
        found = {one.what for one in report.findings}
        assert not report.holds or dataset in {"deliveries", "bounces"}, dataset
        assert What.EXPORT_ALTERED not in found or dataset == "events"


def test_without_entries_all_of_it_is_told(platform: Platform, forger: Forger) -> None:
    """Nothing is passed over silently; what holds by itself is held all the same."""
    report = verify_bundle(platform.without_entries, forger.keys)
    assert report.findings == ()
    others = {one for one in DATASETS if one != "events"}
    assert {alone(one) for one in others} < report.unseen.keys()
    assert {NO_OPENINGS, WHOSE_IDS, *NOT_HELD.values()} < report.unseen.keys()
    assert uncounted() not in report.unseen
    for dataset, column in (
        ("policies", "text"),
        ("decisions", "reason"),
        ("decisions", "answered_at"),
        ("runs", "permitted"),
    ):
        types = {(one, name): type_ for one, name, type_ in columns_of(platform.without_entries)}

        def change(rows: Rows, column: str = column, type_: str = types[dataset, column]) -> Rows:
            rows[0][column] = otherwise(type_, rows[0][column])
            return rows

        assert not forger.changed(platform.without_entries, dataset, change).holds


def test_entries_that_are_not_all_there(platform: Platform, forger: Forger) -> None:
    """Those that are there are held against what stands beside them all the same."""

    def change(rows: Rows) -> Rows:
        rows[0]["kind"] = "policy.published"
        return rows

    [finding] = forger.changed(platform.narrowed, "events", change).findings
    assert finding.what is What.ROW_DIFFERS


def test_a_rewritten_policy_is_named_as_such(platform: Platform, forger: Forger) -> None:
    """In the words that a lawyer reads: which row, which column, which event says otherwise."""

    def change(rows: Rows) -> Rows:
        return [row | {"mode": "open", "text": "You agreed to everything."} for row in rows]

    report = forger.changed(platform.bundles["csv"], "policies", change)
    said = {one.says for one in report.findings}
    assert "text: it has not the digest beside it" in said
    assert any(one.startswith("mode: not as event ") for one in said)


async def test_who_was_erased_after_the_state_that_is_shown(
    database_url: str, tmp_path: Path
) -> None:
    """Their statements are gone, and no entry says why: `artists` tells it, or nobody does."""
    await make_clock_movable(database_url)
    async with AsyncExitStack() as stack:
        door = await stack.enter_async_context(open_door(database_url, make_issuer()))
        office = await stack.enter_async_context(opened_office(door, tmp_path))
        await tell(Story(door))
        await door.done("POST", "/v1/artists/cleo/erasure", {"dry_run": False}, by=AUDITOR)
        keys = [read_key(str(office.desk.key.verifier()))]
        told = await office.bundle("artists", "consents", "events", as_of=18)
        untold = await office.bundle("consents", "events", as_of=18)
        now = await office.bundle(*DATASETS, openings=True)
    assert verify_bundle(told.folder, keys).findings == ()
    assert GONE_SINCE not in verify_bundle(told.folder, keys).unseen
    report = verify_bundle(untold.folder, keys)
    assert report.findings == ()
    assert report.unseen[GONE_SINCE] == 1
    assert verify_bundle(now.folder, keys).findings == ()
