"""What each dataset holds, how it is narrowed, and what it was at an earlier revision."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import asyncpg
import pytest

from service.db.engine import connect
from service.domain.instant import LATEST, to_datetime, to_instant
from service.exports.dataset import Source
from service.exports.datasets import DATASETS
from service.exports.wanted import FILTERS, Filters, Moment
from tests.api.people import AUDITOR
from tests.api.refusals import refused
from tests.api.story import MUSIC, ONLY_ASKS, RECOMMENDATION, Story
from tests.exports.bundles import Bundle, Office

WITHOUT_EVENTS: Final = tuple(name for name in DATASETS if name != "events")


async def values(office: Office, dataset: str, column: str, **filters: Any) -> list[Any]:
    """Return a column of a dataset, narrowed."""
    bundle = await office.bundle(dataset, filters=filters)
    return [row[column] for row in bundle.rows(dataset)]


@ONLY_ASKS
async def test_consents_have_their_evidence(everything: Bundle) -> None:
    """Who said it, as what, where, in which language, and what they were shown."""
    by_label, yes, _ = everything.rows("consents")
    assert (by_label["revision"], by_label["artist_id"], by_label["use"]) == (15, "ana", "training")
    assert (by_label["actor_id"], by_label["acting_as"]) == ("label", "delegate")
    assert by_label["actor"].startswith("dlg_")
    assert (yes["answer"], yes["content"], yes["locale"]) == ("opt_in", "tune", "de")
    assert (yes["actor"], yes["actor_id"], yes["channel"]) == ("ben", "ben", "settings_page")
    assert yes["shown"].startswith('{"names": {"training.generative.music": 2}')


@ONLY_ASKS
async def test_what_is_null_and_what_is_empty_differ(everything: Bundle) -> None:
    """No recipient is null; a text that looks like nothing is itself."""
    by_label, _, to_internal = everything.rows("consents")
    assert (by_label["recipient"], to_internal["recipient"]) == (None, "internal")
    names = {row["artist_id"]: row["name"] for row in everything.rows("artists")}
    assert names == {"ana": None, "ben": None, "cleo": "=Cléo, “the one”"}


@ONLY_ASKS
async def test_content_has_its_rightsholders_in_their_order(everything: Bundle) -> None:
    """By reference and by the platform's ids, side by side."""
    content = {row["content_id"]: row for row in everything.rows("content")}
    subjects = {row["artist_id"]: row["subject"] for row in everything.rows("artists")}
    assert content["duet"]["artist_ids"] == ["ana", "ben"]
    assert content["duet"]["rightsholders"] == [subjects["ana"], subjects["ben"]]
    assert (content["song"]["status"], content["song"]["revision"]) == ("disputed", 18)
    assert (content["odd"]["title"], content["odd"]["isrc"]) == ("-1+2", "QZES71982312")


@ONLY_ASKS
async def test_policies_have_their_words(everything: Bundle) -> None:
    """A row for each version and language, to the byte."""
    rows = [row for row in everything.rows("policies") if row["use"] == MUSIC]
    assert [(row["version"], row["locale"]) for row in rows] == [(1, "de"), (1, "en"), (2, "en")]
    assert (rows[2]["text"], rows[2]["mode"]) == ("New\nwords.", "opt_out")
    assert rows[2]["recipients"] == ["internal", "partner:tuney"]
    assert rows[2]["notice_period_seconds"] == 30 * 86_400


@ONLY_ASKS
async def test_deliveries_have_their_windows(everything: Bundle) -> None:
    """From the recorded arrival to exactly the notice period later; a bounce opens none."""
    rows = everything.rows("deliveries")
    assert sorted(row["artist_id"] for row in rows) == ["ana", "cleo"]
    assert {row["closes_at"] - row["delivered_at"] for row in rows} == {timedelta(days=30)}
    assert [row["artist_id"] for row in everything.rows("bounces")] == ["ben"]


@ONLY_ASKS
async def test_a_decision_has_a_row_for_each_outcome(told: Office, everything: Bundle) -> None:
    """They say what `GET /v1/decisions` says; artists stand by reference and by id."""
    rows = everything.rows("decisions")
    for decision_id in {row["decision_id"] for row in rows}:
        path = f"/v1/decisions/{decision_id}"
        read = await told.door.done("GET", path, by=AUDITOR)
        ours = [row for row in rows if row["decision_id"] == decision_id]
        assert [row["position"] for row in ours] == list(range(read["number"]))
        assert [row["reason"] for row in ours] == [one["reason"] for one in read["results"]]
        assert [row["artist_id"] for row in ours] == [one["artist"] for one in read["results"]]
        assert {row["run"] for row in ours} == {read["run"]}


@ONLY_ASKS
async def test_runs_are_counted(everything: Bundle) -> None:
    """By use and recipient: how many decisions, about how much, and why not."""
    recommended, trained = everything.rows("runs")
    assert (recommended["use"], recommended["decisions"], recommended["content"]) == (
        RECOMMENDATION,
        1,
        3,
    )
    assert (recommended["permitted"], recommended["denied"], recommended["artists"]) == (1, 2, 0)
    assert recommended["reasons"] == '{"content_disputed":1,"opted_out":1,"window_closed":1}'
    assert (trained["use"], trained["permitted"]) == (MUSIC, 1)


FOUND: Final[tuple[tuple[str, str, dict[str, Any], list[Any]], ...]] = (
    ("consents", "revision", {"use": "training.generative"}, [15, 16]),
    ("consents", "revision", {"use": "discovery"}, [17]),
    ("consents", "revision", {"recipient": "partner:tuney"}, [15, 16]),
    ("consents", "revision", {"artist": "ana"}, [15]),
    ("consents", "revision", {"content": "tune"}, [16]),
    ("consents", "revision", {"content": "duet"}, [15]),
    ("artists", "artist_id", {"artist": "ben"}, ["ben"]),
    ("content", "content_id", {"artist": "ben"}, ["duet", "song", "tune"]),
    ("content", "content_id", {"content": "odd"}, ["odd"]),
    ("policies", "version", {"use": "training.generative.music"}, [1, 1, 2]),
    ("policies", "use", {"recipient": "partner:tuney"}, [MUSIC]),
    ("notices", "version", {"use": "discovery"}, [1]),
    ("deliveries", "artist_id", {"artist": "cleo"}, ["cleo"]),
    ("deliveries", "artist_id", {"use": "discovery"}, []),
    ("bounces", "artist_id", {"use": "*"}, ["ben"]),
    ("decisions", "one", {"use": MUSIC}, ["tune", "odd"]),
    ("decisions", "reason", {"content": "odd"}, ["opted_out", "window_closed"]),
    ("decisions", "artist_id", {"artist": "cleo"}, [None, "cleo", None]),
    ("decisions", "one", {"artist": "ben"}, ["song", "tune", "tune"]),
    ("decisions", "one", {"artist": "cleo", "content": "odd"}, ["odd", "odd"]),
    ("decisions", "one", {"artist": "ana", "content": "odd"}, []),
    ("decisions", "one", {"run": "nightly", "use": "training"}, ["tune"]),
    ("decisions", "one", {"recipient": "partner:tuney"}, []),
    ("runs", "use", {"use": "training"}, [MUSIC]),
)


@ONLY_ASKS
@pytest.mark.parametrize(("dataset", "column", "filters", "found"), FOUND)
async def test_filters_narrow(
    told: Office, dataset: str, column: str, filters: dict[str, Any], found: list[Any]
) -> None:
    """A use covers what lies beneath, and of consents also what was said above."""
    assert await values(told, dataset, column, **filters) == found


@ONLY_ASKS
@pytest.mark.parametrize(
    ("dataset", "column"),
    [
        ("consents", "recorded_at"),
        ("artists", "registered_at"),
        ("content", "put_at"),
        ("policies", "published_at"),
        ("notices", "announced_at"),
        ("deliveries", "delivered_at"),
        ("bounces", "bounced_at"),
        ("decisions", "answered_at"),
        ("events", "recorded_at"),
    ],
)
async def test_time_narrows(told: Office, everything: Bundle, dataset: str, column: str) -> None:
    """From `since` on, and before `until`."""
    instants = sorted(row[column] for row in everything.rows(dataset))
    edge = instants[len(instants) // 2]
    text = edge.isoformat().replace("+00:00", "Z")
    later = await values(told, dataset, column, since=text)
    earlier = await values(told, dataset, column, until=text)
    assert sorted(later) == [one for one in instants if one >= edge]
    assert sorted(earlier) == [one for one in instants if one < edge]


@ONLY_ASKS
@pytest.mark.parametrize("dataset", DATASETS)
async def test_a_filter_that_a_dataset_does_not_take_is_refused(told: Office, dataset: str) -> None:
    """Nothing is left unnarrowed quietly: the refusal names the filter."""
    one_of_each = {
        "use": "training",
        "recipient": "internal",
        "artist": "ana",
        "content": "song",
        "run": "nightly",
        "since": "2020-01-01T00:00:00Z",
        "until": "2100-01-01T00:00:00Z",
    }
    assert one_of_each.keys() == set(FILTERS)
    for name, value in one_of_each.items():
        body = {"datasets": [dataset], "filters": {name: value}}
        answer = await told.door.ask("POST", "/v1/exports", body, by=AUDITOR)
        if name in DATASETS[dataset].filters:
            assert answer.status_code == 202
            await told.door.ask("DELETE", answer.headers["location"], by=AUDITOR)
        else:
            refused(answer, 422, "filter_not_taken", f"filters.{name}")


@ONLY_ASKS
async def test_an_earlier_revision_is_shown_as_it_was(told: Office) -> None:
    """What came later is not in it, and content is as it was then; titles of then are unknown."""
    bundle = await told.bundle("consents", "content", "policies", "deliveries", as_of=14)
    assert (bundle.manifest["revision"], bundle.rows("consents")) == (14, [])
    song = bundle.rows("content")[2]
    assert (song["content_id"], song["status"], song["artist_ids"]) == ("song", "active", ["ana"])
    assert len(bundle.rows("deliveries")) == 2
    before = await told.bundle("content", "policies", "deliveries", as_of=10)
    assert len(before.rows("deliveries")) == 0
    assert {row["version"] for row in before.rows("policies")} == {1}


@ONLY_ASKS
async def test_an_instant_is_as_good_as_a_revision(told: Office, everything: Bundle) -> None:
    """Of events up to it, and decisions answered up to it."""
    first = everything.rows("decisions")[0]["answered_at"]
    bundle = await told.bundle("decisions", "runs", as_of=first.isoformat().replace("+00:00", "Z"))
    assert (bundle.manifest["revision"], len(bundle.rows("decisions"))) == (18, 3)
    assert [row["use"] for row in bundle.rows("runs")] == [RECOMMENDATION]
    at_15 = everything.rows("events")[14]["recorded_at"]
    bundle = await told.bundle("consents", as_of=at_15.isoformat().replace("+00:00", "Z"))
    assert [row["revision"] for row in bundle.rows("consents")] == [15]


@ONLY_ASKS
async def test_a_revision_lasts_until_the_next_event(told: Office, everything: Bundle) -> None:
    """So its decisions are all that were answered while it was the newest."""
    events = everything.rows("events")
    bundle = await told.bundle("decisions", as_of=17)
    as_of = to_datetime(int(events[17]["recorded_at"].timestamp() * 1_000_000) - 1)
    assert bundle.manifest["as_of"] == as_of.isoformat().replace("+00:00", "Z")
    assert bundle.rows("decisions") == []


@ONLY_ASKS
async def test_who_is_erased_keeps_their_reference_alone(office: Office) -> None:
    """In every dataset that is exported afterwards, of whatever revision."""
    story = Story(office.door)
    await story.register("dan")
    await story.put("ditty", "ana", "dan")
    await story.deliver(f"{RECOMMENDATION}:1", "dan")
    revision = (await story.say("dan", "opt_out"))["revision"]
    [known] = (await office.bundle("artists", filters={"artist": "dan"})).rows("artists")
    await office.door.done("POST", "/v1/artists/dan/erasure", {"dry_run": False}, by=AUDITOR)
    bundle = await office.bundle("artists", "content", "consents", "deliveries", as_of=revision)
    erased = next(row for row in bundle.rows("artists") if row["subject"] == known["subject"])
    assert (erased["artist_id"], erased["name"]) == (None, None)
    assert erased["erased_at"] is not None
    ditty = next(row for row in bundle.rows("content") if row["content_id"] == "ditty")
    assert (ditty["artist_ids"], ditty["rightsholders"][1]) == (["ana", None], known["subject"])
    for dataset in ("consents", "deliveries"):
        theirs = [row for row in bundle.rows(dataset) if row["subject"] == known["subject"]]
        assert all(row["artist_id"] is None for row in theirs)


@ONLY_ASKS
@pytest.mark.parametrize("dataset", [name for name in DATASETS if name != "runs"])
async def test_reading_goes_on_after_any_row(
    told: Office, everything: Bundle, dataset: str
) -> None:
    """None is left out or read twice, wherever whoever read before has ended."""
    rows = [
        {name: value for name, value in row.items() if not name.startswith("opening")}
        for row in everything.rows(dataset)
    ]
    moment = Moment(everything.manifest["revision"], LATEST)
    connection = await connect(told.door.database_url)
    source = Source(
        connection, connection, told.shop.vault, moment, Filters(), told.shop.sealed, ()
    )
    async with connection.transaction():
        for at in (0, len(rows) // 2, len(rows) - 1):
            while is_same_decision(rows, at):
                at += 1  # noqa: PLW2901 - nobody goes on within a decision
            left = [
                row
                async for piece in DATASETS[dataset].read(source, place_of(dataset, rows[at]))
                for row in piece.batch.to_pylist()
            ]
            assert left == rows[at + 1 :]
    await connection.close()


def is_same_decision(rows: Sequence[Mapping[str, Any]], at: int) -> bool:
    """Whether a row's decision has more rows behind it."""
    this, *following = (row.get("decision_id") for row in rows[at : at + 2])
    return this is not None and [this] == following


def place_of(dataset: str, row: Mapping[str, Any]) -> list[Any]:
    """Return the place of a row as its dataset would say it."""
    if dataset == "decisions":
        return [1, to_instant(row["answered_at"]), row["decision_id"]]
    return [row[name] for name in DATASETS[dataset].order]


@ONLY_ASKS
@pytest.mark.parametrize("large", [1 << 20, 90, 0])
async def test_however_little_is_taken_at_once(
    told: Office, everything: Bundle, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    """Also where artists, and decisions that are large, are looked up while others are streamed."""
    monkeypatch.setattr("service.exports.datasets.decisions.LARGE", large)
    monkeypatch.setattr("service.exports.reading.AT_ONCE", 1)
    monkeypatch.setattr("service.exports.datasets.decisions.OUTCOMES_AT_ONCE", 1)
    monkeypatch.setattr("service.exports.writers.GROUP", 1)
    bundle = await told.bundle(*DATASETS, openings=True, as_of=everything.manifest["revision"])
    assert any(row["about"] == "artists" for row in bundle.rows("decisions"))
    for dataset in DATASETS:
        assert bundle.rows(dataset) == everything.rows(dataset)


ASKING: Final = frozenset({"copy_from_query", "cursor", "execute", "fetch", "fetchrow", "fetchval"})


class Counted:
    """A connection that counts what is asked of it, by method."""

    def __init__(self, connection: asyncpg.Connection, seen: Counter[str]) -> None:
        """Count into `seen`."""
        self._connection = connection
        self._seen = seen

    def __getattr__(self, name: str) -> Any:
        if name in ASKING:
            self._seen[name] += 1
        return getattr(self._connection, name)


@ONLY_ASKS
async def test_an_export_takes_so_many_queries(
    told: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many rows there are: each dataset is counted once and streamed once.

    Beside that: the snapshot and its name, two counts of runs, and one look-up of the artists whom
    some decisions are about.
    """
    seen = Counter[str]()

    async def connected(url: str, **more: Any) -> Counted:
        return Counted(await connect(url, **more), seen)

    monkeypatch.setattr("service.exports.build.connect", connected)
    await told.bundle(*DATASETS)
    assert seen == {
        "copy_from_query": len(DATASETS),
        "fetchval": len(DATASETS) - len(("runs",)) + len(("the snapshot's name",)),
        "fetch": len(("runs", "their outcomes", "artists of decisions")),
        "execute": 2 * len(("the snapshot", "the same once more")),
    }


_SET: Final = """
SELECT name, setting FROM pg_settings WHERE name IN
    ('idle_in_transaction_session_timeout', 'max_parallel_workers_per_gather', 'statement_timeout')
"""


@ONLY_ASKS
async def test_an_export_takes_its_time_and_nobody_elses_processor(
    told: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both of its connections: each is told of, and neither is cut off, nor given helpers."""
    found = dict[int, dict[str, str]]()

    async def looked(_: object, source: Source) -> None:
        for one in (source.connection, source.beside):
            found[one.get_server_pid()] = dict(await one.fetch(_SET))

    monkeypatch.setattr("service.exports.datasets.decisions.Decisions.expected", looked)
    brought = dict[int, int]()
    office = replace(told, shop=replace(told.shop, bring_along=brought.__setitem__))
    await office.bundle("decisions")
    assert list(found) == list(brought)
    assert len(found) == 2
    assert all(set(settings.values()) == {"0"} for settings in found.values())
    assert len(set(brought.values()) - {0}) == 2
