"""Exports that contradict themselves: each column of each dataset is held, or told as not."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest

from service.cli.verify_bundle import NOT_ASKED, NOT_ENOUGH, PUT_ANEW, verified_bundle
from service.cli.verify_database import GONE, NOT_REPLAYED
from service.transparency.keys import SigningKey
from service.verify.bundle import verify_bundle
from service.verify.finding import Report, What
from service.verify.held import NOT_HELD, UNCOUNTED, alone
from service.verify.notes import Key, read_key
from service.verify.statements import GONE_SINCE, NO_OPENINGS, WHOSE_IDS
from tests.api.door import make_clock_movable, make_issuer, open_door
from tests.api.people import AUDITOR
from tests.api.story import RECOMMENDATION, Story
from tests.exports.bundles import opened_office
from tests.exports.conftest import tell
from tests.verify.exporting import DATASETS, FORMATS, Platform, copy_of
from tests.verify.forging import Rows, change_rows, columns_of, otherwise, sign

NO_ENTRY_SAYS: Final = {
    "artists": {"subject", "artist_id", "name"},
    "content": {"content_id", "status", "rightsholders", "artist_ids", "title", "isrc"},
    "deliveries": {"subject", "artist_id", "channel"},
    "bounces": {"subject", "artist_id", "channel"},
    "decisions": {"evaluated_at", "client", "caller", "job", "request", "artist_id"},
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
        return looked_at(copy, self.keys)


def looked_at(bundle: Path, keys: list[Key]) -> Report:
    """Look at all of it, as the command does."""
    return verified_bundle(bundle, keys, (), decisions=True, advance=lambda _done, _all: None)


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
    """Bulk entries say only how many rows they had: where no answer rests on one, it is told."""
    bundle = platform.bundles[form]
    for dataset in DATASETS:
        if dataset != "events":
            report = forger.changed(bundle, dataset, lambda rows: rows[1:])
            told = dataset in {"content", "deliveries", "bounces"}
            assert not report.holds or told, dataset
            assert not told or "whether any is missing" in NOT_HELD[dataset]


@pytest.mark.parametrize("form", FORMATS)
def test_a_row_too_many(platform: Platform, forger: Forger, form: str) -> None:
    """The last one twice; events made that many rows and no more."""
    for dataset in DATASETS:
        report = forger.changed(platform.bundles[form], dataset, lambda rows: [*rows, rows[-1]])
        found = {one.what for one in report.findings}
        assert not report.holds or dataset in {"deliveries", "bounces"}, dataset
        assert What.EXPORT_ALTERED not in found or dataset == "events"


def test_a_decision_that_is_there_twice(platform: Platform, forger: Forger) -> None:
    """Far from where it was, and with all its rows."""

    def change(rows: Rows) -> Rows:
        return [*rows, *(row for row in rows if row["decision_id"] == rows[0]["decision_id"])]

    report = forger.changed(platform.without_entries, "decisions", change)
    assert "it is there twice, or not in its place" in {one.says for one in report.findings}


def test_without_entries_all_of_it_is_told(platform: Platform, forger: Forger) -> None:
    """Nothing is passed over silently; what holds by itself is held all the same."""
    report = looked_at(platform.without_entries, forger.keys)
    assert report.findings == ()
    assert NOT_ENOUGH in report.unseen
    others = {one for one in DATASETS if one != "events"}
    assert {alone(one) for one in others} < report.unseen.keys()
    assert {NO_OPENINGS, WHOSE_IDS, *NOT_HELD.values()} < report.unseen.keys()
    assert UNCOUNTED not in report.unseen
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
    report = looked_at(now.folder, keys)
    assert report.findings == ()
    assert report.unseen[GONE] == 3, "of cleo, as a rightsholder and about herself"


@pytest.mark.parametrize("form", FORMATS)
def test_decisions_are_recomputed(platform: Platform, forger: Forger, form: str) -> None:
    """From the bundle alone; nobody has to ask for it, and one may do without."""
    bundle = platform.bundles[form]
    report = looked_at(bundle, forger.keys)
    assert report.findings == ()
    assert report.looked["decisions"] == 4
    assert report.looked["outcomes of decisions"] == report.looked["rows of decisions"] == 8
    assert report.unseen.keys() == {*NOT_HELD.values(), WHOSE_IDS}
    report = verified_bundle(
        bundle, forger.keys, (), decisions=False, advance=lambda _done, _all: None
    )
    assert report.unseen[NOT_ASKED]
    report = forger.changed(bundle, "policies", lambda rows: rows[1:])
    assert report.unseen[NOT_REPLAYED]


ANSWERS_REST_ON: Final = {
    "content": ("content_id", "odd", "status", "removed"),
    "decisions": ("one", "odd", "one", "tune"),
}


@pytest.mark.parametrize("dataset", ANSWERS_REST_ON)
def test_what_answers_rest_on_was_changed(platform: Platform, forger: Forger, dataset: str) -> None:
    """No entry tells it in public, and the decisions that were given do."""
    known, value, column, other = ANSWERS_REST_ON[dataset]

    def change(rows: Rows) -> Rows:
        return [row | {column: other} if row[known] == value else row for row in rows]

    report = forger.changed(platform.bundles["parquet"], dataset, change)
    assert {one.what for one in report.findings} == {What.DECISION_DIFFERS}
    assert report.findings[0].says.startswith("the ledger leads to another answer")


def test_datasets_that_contradict_each_other(platform: Platform, forger: Forger) -> None:
    """Whoever was told something was registered before."""

    def change(rows: Rows) -> Rows:
        return [row | {"subject": "nobody"} for row in rows]

    [finding] = forger.changed(platform.bundles["ndjson"], "deliveries", change).findings
    assert finding.what is What.EXPORT_ALTERED
    assert "an artist who is not registered" in finding.says


async def test_content_that_was_put_anew(database_url: str, tmp_path: Path) -> None:
    """What was answered before cannot be recomputed, and is counted; everything else is."""
    await make_clock_movable(database_url)
    async with AsyncExitStack() as stack:
        door = await stack.enter_async_context(open_door(database_url, make_issuer()))
        office = await stack.enter_async_context(opened_office(door, tmp_path))
        story = Story(door)
        await tell(story)
        await story.put("odd", "cleo", "ana")
        await story.check(RECOMMENDATION, "odd", "tune")
        keys = [read_key(str(office.desk.key.verifier()))]
        bundle = await office.bundle(*DATASETS)
    report = looked_at(bundle.folder, keys)
    assert report.findings == ()
    assert report.unseen[PUT_ANEW] == 2
    assert report.looked["outcomes of decisions"] == 8
