"""What permits rested on is what the rules said of the ledger as it stood then, whatever it was."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
import pytest

from service.db.engine import Database
from service.decisions.compiled.answers import Answers
from service.decisions.log import DecisionLog
from service.domain.assessment import PERMITS, Column, Reason
from service.domain.decision import Decision, Query, decide
from service.domain.events import ConsentRecorded, ContentStatus
from service.domain.history import History
from service.domain.instant import LATEST, SECOND, Instant, to_instant
from service.domain.interval import Interval
from service.evidence import licensing
from service.evidence.basis import Basis
from service.evidence.grounds import WEAKEST_FIRST, Ground
from service.evidence.rested import _agrees, _Part
from service.evidence.standing import Permit
from service.evidence.stood import Put
from service.evidence.wanted import PackWanted
from tests.decisions.log.deciding import decision
from tests.decisions.test_past import Dated, facts, fold
from tests.judge.histories import CONTENTS, LEAVES, RECIPIENTS
from tests.ledger.playing import play, playable
from tests.ledger.stopped_clock import stop_clock
from tests.ledger.writing import appending


@dataclass(frozen=True, slots=True)
class Asked:
    """One decision that was made: the history it was a function of, and what was answered."""

    history: History
    instant: Instant
    min_version: int
    answers: dict[str, Decision]


async def ask(
    log: DecisionLog, happened: Dated, rng: random.Random, use: str, recipient: str
) -> tuple[str, Asked]:
    """Make a decision about all content at some revision, and log it as checks do."""
    revision = rng.randrange(1, len(happened) + 1)
    instant = happened[revision - 1][0] + rng.choice([0, 1, 3, 90]) * SECOND
    history = History()
    for number, (at, fact) in enumerate(happened[:revision], start=1):
        history.apply(number, at, fact)
    least = rng.choice([1, 1, 1, 2])
    answers = {
        one: decide(history, Query(use, recipient, content=one, min_version=least), instant)
        for one in CONTENTS
    }
    logged = decision(
        list(CONTENTS),
        at=instant,
        evaluated_at=instant,
        revision=revision,
        use=use,
        recipient=recipient,
        answers=Answers.of(list(answers.values())),
        min_policy_version=None if least == 1 else least,
    )
    await log.record(logged)
    return logged.decision_id, Asked(history, instant, least, answers)


async def test_every_basis_is_what_the_rules_say(database_url: str, tmp_path: Path) -> None:
    """Of random ledgers and decisions at any revision: the reason, the yes, the window."""
    seed = random.getrandbits(32)
    rng = random.Random(seed)
    await stop_clock(database_url)
    async with appending(database_url) as appender:
        await play(database_url, appender, playable(rng, 60))
    happened = await facts(database_url)
    seen: set[str] = set()
    async with Database(database_url) as database:
        for use in LEAVES:
            for recipient in RECIPIENTS:
                async with DecisionLog(database_url, timeout=10) as log:
                    asked = dict([await ask(log, happened, rng, use, recipient) for _ in range(12)])
                if not fold(happened, LATEST).versions.get(use):
                    continue
                folder = tmp_path / f"{use}-{recipient}"
                folder.mkdir()
                wanted = PackWanted(use, recipient, None, len(happened), LATEST, "Example Sounds")
                async with database.read() as session:
                    await licensing.write(session, wanted, folder)
                rows = pq.read_table(folder / f"{licensing.NAME}.parquet").to_pylist()
                permitted = {
                    one for a in asked.values() for one, d in a.answers.items() if d.permitted
                }
                assert {row["content"] for row in rows} == permitted, seed
                for row in rows:
                    _check(row, asked[row["decision_id"]], happened, wanted, seed)
                    grounds = _grounds(row["content"], asked.values(), wanted)
                    assert _ground_of(rows, row["content"]) == min(grounds, key=_how_weak), seed
                    assert row["permits"] == len(grounds), seed
                    seen.add(row["basis"])
    assert seen <= {reason.value for reason in PERMITS}


def _how_weak(ground: str) -> int:
    return WEAKEST_FIRST.index(Ground(ground))


def _ground_of(rows: list[dict[str, Any]], content: str) -> str:
    """Return the weakest ground that is shown for a content."""
    shown: list[str] = [row["basis"] for row in rows if row["content"] == content]
    return min(shown, key=_how_weak)


def _grounds(content: str, asked: Iterable[Asked], wanted: PackWanted) -> list[str]:
    """Return the ground of every permit of a content, each by itself and by the rules."""
    found = []
    for one in asked:
        if one.answers[content].permitted:
            item, _ = one.history.content[content]
            columns = [
                Column(
                    one.history.artists[artist],
                    one.history.versions[wanted.use],
                    wanted.recipient,
                    content,
                    min_version=one.min_version,
                )
                for artist in item.rightsholders
            ]
            reasons = [column.assess(one.instant).reason.value for column in columns]
            found.append(min(reasons, key=_how_weak))
    return found


def _check(
    row: dict[str, Any], asked: Asked, happened: Dated, wanted: PackWanted, seed: int
) -> None:
    """Hold one row against the history that its decision was a function of."""
    history, versions = asked.history, asked.history.versions[wanted.use]
    item, _ = history.content[row["content"]]
    artist = history.artists[item.rightsholders[row["position"] - 1]]
    column = Column(
        artist, versions, wanted.recipient, row["content"], min_version=asked.min_version
    )
    found = column.assess(asked.instant)
    assert (row["basis"], row["policy_version"]) == (found.reason.value, found.policy_version), seed
    assert row["agrees_with_ledger"] is True, seed
    assert row["decision_revision"] == history.revision, seed
    if row["basis"] == "opted_in":
        at, said = happened[row["consent_revision"] - 1]
        assert isinstance(said, ConsentRecorded), seed
        assert (said.answer, at) == ("opt_in", to_instant(row["consent_recorded_at"])), seed
        assert said.artist == item.rightsholders[row["position"] - 1], seed
        assert said.scope.covers(wanted.use, row["content"], wanted.recipient), seed
        assert row["consent_revision"] <= history.revision, seed
        return
    bound, governing = versions[row["bound_version"] - 1], versions[row["policy_version"] - 1]
    assert bound.terms == governing.terms, seed
    assert (row["bound_by"] == "launch_terms") == bound.launch, seed
    if row["bound_by"] == "window":
        opened, closed = to_instant(row["window_opened_at"]), to_instant(row["window_closed_at"])
        assert artist.delivered[wanted.use][bound.version] == opened, seed
        assert Interval(opened, closed) == Interval(opened, opened + bound.notice_period), seed
        assert closed <= asked.instant, seed
        assert happened[row["delivery_revision"] - 1][0] == opened, seed


async def test_a_decision_that_the_ledger_does_not_bear_out_is_pointed_at(
    database_url: str, tmp_path: Path
) -> None:
    """Whoever wrote a permit into the log made no yes by that."""
    rng = random.Random(7)
    await stop_clock(database_url)
    async with appending(database_url) as appender:
        await play(database_url, appender, playable(rng, 40))
    happened = await facts(database_url)
    history = fold(happened, LATEST)
    use = next(iter(history.versions))
    made_up = decision([*CONTENTS, "never-put"], at=LATEST // 2, revision=len(happened), use=use)
    async with DecisionLog(database_url, timeout=10) as log:
        await log.record(made_up)
    wanted = PackWanted(use, "internal", None, len(happened), LATEST, "Example Sounds")
    async with Database(database_url) as database, database.read() as session:
        await licensing.write(session, wanted, tmp_path)
    rows = pq.read_table(tmp_path / f"{licensing.WITHOUT_YES_NAME}.parquet").to_pylist()
    found = {row["content"]: row for row in rows}
    assert found["never-put"]["why"] == "not_confirmed"
    assert found["never-put"]["rightsholder"] is None
    for content in CONTENTS:
        right = decide(history, Query(use, "internal", content=content), LATEST // 2)
        answered = (right.reason.value, right.policy_version) == ("window_closed", 1)
        assert (found[content]["why"] == "not_confirmed") is not answered


GONE: Final = "erased"


@pytest.mark.parametrize(
    ("bases", "agrees"),
    [
        ([GONE], None),
        ([GONE, Reason.OPTED_IN], None),
        ([GONE, Reason.OPTED_OUT], False),
        ([GONE, None], False),
        ([Reason.OPTED_IN, Reason.OPTED_OUT], False),
        ([Reason.OPTED_IN, Reason.OPTED_IN], True),
    ],
)
def test_who_is_erased_hides_nobody_elses_no(
    bases: Sequence[str | None],
    agrees: bool | None,  # noqa: FBT001 - of a table
) -> None:
    """What they said cannot be looked at again; one no of another is enough all the same (R8)."""
    parts = [
        _Part("art_1", one == GONE, Basis(Reason(one), 1) if one not in {GONE, None} else None)
        for one in bases
    ]
    permit = Permit(1, "song", Reason.OPTED_IN.value, 1, 1, "dec_1", 9, LATEST, 1, 1)
    put = Put(1, LATEST, ("art_1",), ContentStatus.ACTIVE)
    assert _agrees(permit, put, parts) is agrees
