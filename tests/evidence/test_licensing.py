"""The licensing pack: what was permitted, on what ground, who said yes to it when."""

from collections import Counter
from dataclasses import replace
from typing import Any

import jsonschema
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from service.domain.instant import DAY, parse_instant, to_instant
from service.domain.refusal import Refused
from service.evidence.licensing import NAME, WITHOUT_YES_NAME
from tests.api.story import MUSIC, ONLY_ASKS, RECOMMENDATION
from tests.evidence.shapes import LICENSING
from tests.evidence.tale import FORMULA, FRAUD, ISRC, MUTE, YES, Tale

pytestmark = ONLY_ASKS

Row = dict[str, Any]


async def rows_of(tale: Tale, wanted: Any = None, name: str = NAME) -> list[Row]:
    """Return the rows of a file of the pack."""
    folder = await tale.write(NAME, wanted or await tale.now())
    found: list[Row] = pq.read_table(folder / f"{name}.parquet").to_pylist()
    return found


def of(rows: list[Row], content: str) -> list[Row]:
    """Return one content's rows."""
    return [row for row in rows if row["content"] == content]


async def test_there_is_a_row_for_each_rightsholder_of_all_that_was_permitted(tale: Tale) -> None:
    """In the order of content and of its rightsholders; nothing that was denied is there."""
    rows = await rows_of(tale)
    songs = [f"song-of-{artist}" for artist in (*YES, "gone", *MUTE)]
    duets = ["two-yes", "yes-and-mute", "mute-and-yes", "yes-and-gone"]
    assert {row["content"] for row in rows} == {
        *songs,
        "one-of-said-so",
        *(f"duet-of-{one}" for one in duets),
    }
    assert [(row["content"], row["position"]) for row in rows] == sorted(
        (row["content"], row["position"]) for row in rows
    )
    assert [(row["position"], row["rightsholder"]) for row in of(rows, "duet-of-mute-and-yes")] == [
        (1, "mute-01"),
        (2, "yes-01"),
    ]
    assert all(row["agrees_with_ledger"] is not False for row in rows)


async def test_a_yes_is_named_with_its_record(tale: Tale) -> None:
    """Which event it is, when it was recorded, what it spoke of and who said it."""
    rows = await rows_of(tale)
    [last] = of(rows, "song-of-gone")
    [song] = of(rows, "song-of-yes-12")
    [one] = of(rows, "one-of-said-so")
    assert (song["basis"], song["policy_version"]) == ("opted_in", 1)
    assert song["consent_revision"] == tale.revisions["last yes"] - 1
    assert (song["consent_use"], song["consent_content"]) == ("training", None)
    assert (song["consent_given_as"], song["consent_given_by"]) == ("artist", "yes-12")
    assert (song["bound_by"], song["window_closed_at"]) == (None, None)
    assert (one["consent_use"], one["consent_content"]) == (MUSIC, "one-of-said-so")
    assert one["consent_revision"] == tale.revisions["yes to one"]
    assert song["consent_recorded_at"] < one["consent_recorded_at"]
    assert last["consent_revision"] is None


async def test_silence_is_named_with_the_delivery_and_the_end_of_the_window(tale: Tale) -> None:
    """Under new terms: the event that recorded the arrival, and when the thirty days were over."""
    [song] = of(await rows_of(tale), "song-of-mute-11")
    assert (song["basis"], song["policy_version"]) == ("window_closed", 2)
    assert (song["bound_by"], song["bound_version"]) == ("window", 2)
    assert song["delivery_revision"] == tale.revisions["told"]
    opened, closed = song["window_opened_at"], song["window_closed_at"]
    assert to_instant(closed) - to_instant(opened) == 30 * DAY
    assert song["decided_at"] > closed
    assert song["consent_revision"] is None


async def test_every_rightsholder_has_a_basis_of_their_own(tale: Tale) -> None:
    """The decision's reason is that of the first; the second may have said nothing at all."""
    rows = await rows_of(tale)
    [yes, mute] = of(rows, "duet-of-yes-and-mute")
    assert (yes["basis"], mute["basis"]) == ("opted_in", "window_closed")
    assert (yes["yes_of_all"], mute["yes_of_all"]) == (False, False)
    assert {row["yes_of_all"] for row in of(rows, "duet-of-two-yes")} == {True}


async def test_what_was_said_later_changes_nothing(tale: Tale) -> None:
    """One who said no since had said yes then, and one who said yes since was silent then."""
    rows = await rows_of(tale)
    assert [row["basis"] for row in of(rows, "song-of-yes-03")] == ["opted_in"]
    assert [row["basis"] for row in of(rows, "song-of-mute-02")] == ["window_closed"]


async def test_asking_again_makes_no_yes_of_silence(tale: Tale) -> None:
    """Of all permits the one on the weakest ground is shown, and how many there are."""
    [again] = tale.decisions["again"]["results"]
    assert again["reason"] == "opted_in"
    wanted = await tale.now()
    for changed in (wanted, replace(wanted, run="r1")):
        [row] = of(await rows_of(tale, changed), "song-of-mute-02")
        late = tale.decisions["late"]
        assert (row["basis"], row["yes_of_all"], row["permits"]) == ("window_closed", False, 2)
        assert (row["decision_id"], row["decision_revision"]) == (
            late["decision_id"],
            late["revision"],
        )
        assert to_instant(row["decided_at"]) == parse_instant(late["evaluated_at"])
        [listed] = of(await rows_of(tale, changed, WITHOUT_YES_NAME), "song-of-mute-02")
        assert (listed["why"], listed["permits"]) == ("window_closed", 2)


async def test_what_was_asked_with_a_yes_alone_has_one(tale: Tale) -> None:
    """A pack about the time since then knows of no silence before."""
    since = parse_instant(tale.decisions["again"]["evaluated_at"])
    [row] = await rows_of(tale, replace(await tale.now(), since=since))
    assert (row["content"], row["basis"], row["permits"]) == ("song-of-mute-02", "opted_in", 1)


async def test_every_permit_is_counted(tale: Tale) -> None:
    """Whatever it rested on, and however many of them rest on the same."""
    permits = {row["content"]: row["permits"] for row in await rows_of(tale)}
    for content, number in (("song-of-yes-01", 3), ("song-of-yes-02", 2), ("song-of-mute-11", 1)):
        assert permits[content] == number


async def test_of_permits_on_the_same_ground_the_last_is_named(tale: Tale) -> None:
    """With the revision it was made at; one about another instant permits nothing."""
    rows = await rows_of(tale)
    late, second = tale.decisions["late"], tale.decisions["r2"]
    [again], [once] = of(rows, "song-of-yes-01"), of(rows, "song-of-yes-02")
    assert (again["decision_id"], once["decision_id"]) == (
        second["decision_id"],
        late["decision_id"],
    )
    assert (once["decision_revision"], to_instant(once["decided_at"])) == (
        late["revision"],
        parse_instant(late["evaluated_at"]),
    )


async def test_erased_artists_are_marked_and_not_named(tale: Tale) -> None:
    """Nobody can tell any more what their permission rested on, nor hold it against the ledger."""
    rows = await rows_of(tale)
    [yes, gone] = of(rows, "duet-of-yes-and-gone")
    assert (gone["erased"], gone["rightsholder"], gone["basis"]) == (True, None, None)
    assert (yes["erased"], yes["rightsholder"], yes["basis"]) == (False, "yes-01", "opted_in")
    assert (yes["agrees_with_ledger"], gone["agrees_with_ledger"]) == (None, None)


async def test_what_has_no_yes_stands_in_a_list_of_its_own(tale: Tale) -> None:
    """A row for each content, with the weakest ground and the first rightsholder it is of."""
    rows = await rows_of(tale, name=WITHOUT_YES_NAME)
    assert Counter(row["why"] for row in rows) == {"window_closed": 13, "artist_erased": 2}
    found = {row["content"]: row for row in rows}
    assert found["duet-of-yes-and-mute"]["rightsholder"] == "mute-01"
    assert found["duet-of-yes-and-gone"]["rightsholder"] is None
    assert found["duet-of-yes-and-gone"]["erased"] is True
    assert "duet-of-two-yes" not in found


async def test_the_cover_sheet_has_the_totals(tale: Tale) -> None:
    """Content, rightsholders, grounds, and how much has a yes of everybody."""
    wanted = await tale.now()
    document = await tale.document(NAME, wanted)
    assert document["totals"] == {
        "content": 29,
        "rightsholders": 25,
        "erased_rightsholders": 1,
        "asked": 39,
        "yes_of_all": 14,
        "without_yes": 15,
    }
    assert [
        (row["ground"], row["policy_version"], row["mode"], row["content"], row["rightsholders"])
        for row in document["grounds"]
    ] == [
        ("window_closed", 2, "opt_out", 13, 12),
        ("artist_erased", None, None, 2, 2),
        ("opted_in", 1, "opt_in", 14, 13),
    ]
    assert document["scope"]["revision"] == wanted.until_revision
    assert document["decisions"]["number"] == 4
    assert [table["rows"] for table in document["tables"]] == [33, 15]
    assert len(document["without_yes"]) == 15
    assert document["not_covered"][-2:] == [
        (
            "1 decision about artists themselves, such as their voices: only decisions about"
            " content are looked at."
        ),
        "1 decision about another instant than that of the answer: they let nobody use anything.",
    ]


async def test_launch_terms_are_named_where_silence_or_nothing_was_asked_for(tale: Tale) -> None:
    """No window was needed: the terms were there before the first artist."""
    wanted = await tale.now()
    for use, basis in ((FRAUD, "open"), (RECOMMENDATION, "window_closed")):
        [row] = await rows_of(tale, replace(wanted, use=use))
        assert (row["basis"], row["bound_by"], row["bound_version"]) == (basis, "launch_terms", 1)
        assert (row["delivery_revision"], row["window_closed_at"]) == (None, None)
        document = await tale.document(NAME, replace(wanted, use=use))
        assert document["totals"]["without_yes"] == 1


async def test_a_run_has_its_own_decisions_alone(tale: Tale) -> None:
    """And a time of its own, where one is named: from then on, up to and without."""
    wanted = await tale.now()
    rows = await rows_of(tale, replace(wanted, run="r2"))
    assert [row["content"] for row in rows] == ["song-of-mute-01", "song-of-yes-01"]
    early = replace(wanted, until=parse_instant(tale.decisions["late"]["evaluated_at"]))
    assert not [row for row in await rows_of(tale, early) if row["basis"] == "window_closed"]
    again = parse_instant(tale.decisions["again"]["evaluated_at"])
    late = replace(wanted, since=tale.instants["before r2"], until=again)
    assert [row["content"] for row in await rows_of(tale, late)] == [
        "song-of-mute-01",
        "song-of-yes-01",
    ]


async def test_the_past_is_as_it_was_known_then(tale: Tale) -> None:
    """Up to a revision and an instant: no later decision, version or delivery is in it."""
    early = tale.decisions["early"]
    wanted = replace(
        await tale.now(),
        until_revision=early["revision"],
        as_of=parse_instant(early["evaluated_at"]) + 1_000_000,
    )
    document = await tale.document(NAME, wanted)
    assert {row["ground"] for row in document["grounds"]} == {"opted_in", "artist_erased"}
    assert document["decisions"]["number"] == 1


async def test_a_run_that_nobody_names_is_refused(tale: Tale) -> None:
    """Also where other uses' decisions name it, for a pack about nothing would look complete."""
    wanted = await tale.now()
    for changed in (replace(wanted, run="r9"), replace(wanted, use=FRAUD, run="r1")):
        with pytest.raises(Refused, match="names the run") as refused:
            await tale.write(NAME, changed)
        assert refused.value.refusals[0].code == "unknown_run"


@pytest.mark.parametrize("use", ["training", "no.such.use", ""])
async def test_a_use_without_a_policy_is_refused(tale: Tale, use: str) -> None:
    """A node above leaves has none of its own."""
    with pytest.raises(Refused, match="has no policy") as refused:
        await tale.write(NAME, replace(await tale.now(), use=use))
    assert refused.value.refusals[0].field == "use"


async def test_a_column_that_nobody_asked_about_has_empty_files(tale: Tale) -> None:
    """There with their columns, and the sheet says that nothing was permitted."""
    folder = await tale.write(NAME, replace(await tale.now(), recipient="partner:pex"))
    assert pq.read_table(folder / f"{NAME}.parquet").num_rows == 0
    assert (folder / f"{NAME}.csv").read_bytes().count(b"\r\n") == 1
    assert "Nothing was permitted." in (folder / f"{NAME}.html").read_text("utf-8")


async def test_the_csv_says_what_the_parquet_says(tale: Tale) -> None:
    """With an apostrophe before what a spreadsheet would run, and instants as RFC 3339."""
    folder = await tale.write(NAME, await tale.now())
    path = folder / f"{NAME}.csv"
    table, cells = pq.read_table(folder / f"{NAME}.parquet"), pyarrow.csv.read_csv(path)
    assert cells.num_rows == table.num_rows
    assert cells.column_names == table.column_names
    assert f'"\'{FORMULA}"' in path.read_text("utf-8-sig")
    title = next(row["title"] for row in table.to_pylist() if row["isrc"] == ISRC)
    assert title == FORMULA
    [line] = [one for one in path.read_text("utf-8").splitlines() if "song-of-mute-11" in one]
    closed = of(table.to_pylist(), "song-of-mute-11")[0]["window_closed_at"]
    assert closed.isoformat(timespec="microseconds").replace("+00:00", "Z") in line


async def test_columns_describe_themselves(tale: Tale) -> None:
    """In the file and in the document alike."""
    folder = await tale.write(NAME, await tale.now())
    document = await tale.document(NAME, await tale.now())
    for table in document["tables"]:
        schema = pq.read_schema(folder / table["files"][0])
        assert [
            (field.name, field.metadata[b"description"].decode(), field.nullable)
            for field in schema
        ] == [(one["name"], one["description"], one["nullable"]) for one in table["columns"]]


async def test_its_shape_is_the_one_that_is_promised(tale: Tale) -> None:
    """Every name and no other, whatever there is to say."""
    wanted = await tale.now()
    for changed in (
        wanted,
        replace(wanted, run="r2", since=1, until=wanted.as_of),
        replace(wanted, use=FRAUD),
        replace(wanted, recipient="partner:pex"),
    ):
        jsonschema.validate(await tale.document(NAME, changed), LICENSING)
