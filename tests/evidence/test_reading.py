"""What was asked is the same wherever the log keeps it: in the table, in closed months, in both."""

import random
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from service.decisions.log import LoggedDecision
from service.domain.instant import LATEST
from service.evidence.asked import lay_out
from service.evidence.scratch import Scratch
from service.evidence.wanted import PackWanted
from service.sealing.period import SealedUnreadable
from service.storage.objects import Objects
from tests.conftest import migrated_database
from tests.decisions.log.deciding import LAUNCH, decision
from tests.sealing.months import APRIL, MARCH, MAY, Months, made_up, several_months

USE = "training.generative.music"
WANTED = PackWanted(USE, "internal", None, 99, LATEST, "Example Sounds")

_EVERYTHING = """
SELECT a.one, a.last_reason, l.decision_id AS last_decision, a.permitted, d.decision_id,
    p.revision, p.evaluated_at, p.min_version, p.reason, p.version
FROM asked AS a JOIN decisions AS l ON l.n = a.last_decision
LEFT JOIN (permits AS p JOIN decisions AS d ON d.n = p.decision) ON p.n = a.n
ORDER BY a.n, p.decision
"""


async def asked(months: Months, wanted: PackWanted, folder: Path) -> tuple[Any, Any]:
    """Return all that is laid out, and what is told of it."""
    async with months.database.read() as session, Scratch(folder) as scratch:
        asking = await lay_out(session, wanted, scratch)
        return asdict(asking), await scratch.rows(_EVERYTHING)


def narrowed() -> list[PackWanted]:
    """Return what a pack may be asked for of this log."""
    return [
        WANTED,
        replace(WANTED, until_revision=50),
        replace(WANTED, run="run-1"),
        replace(WANTED, since=APRIL.begins + 1, until=MAY.begins),
        replace(WANTED, as_of=MARCH.ends),
    ]


async def test_closed_months_and_the_rest_are_read_as_one(
    postgres_url: str, tmp_path: Path
) -> None:
    """Whatever is sealed, every question has the same answer; nothing is counted twice."""
    seed = random.getrandbits(32)
    draw = random.Random(seed)
    logged = [*made_up(draw, 120), *_of_everyone(draw), _at_another_instant()]
    async with (
        migrated_database(postgres_url) as url,
        several_months(url, tmp_path) as months,
    ):
        await months.record(*logged)
        wanted = narrowed()
        before = [await asked(months, one, tmp_path) for one in wanted]
        assert before[0][0]["decisions"] > 5, seed
        assert before[0][0]["at_other_instants"] == 1, seed
        assert "asked-of-the-past" not in {row["one"] for row in before[0][1]}, seed
        await months.seal(APRIL)
        sealed = [replace(one, objects=Objects(months.folder)) for one in wanted]
        assert [await asked(months, one, tmp_path) for one in sealed] == before, seed
        with pytest.raises(SealedUnreadable, match="FERMATA_SEALED_DECISIONS"):
            await asked(months, WANTED, tmp_path)
        [file, *_] = sorted(months.folder.glob("**/decisions-*"))
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.chmod(0o600)
        file.write_bytes(content)
        with pytest.raises(SealedUnreadable, match="was altered"):
            await asked(months, sealed[0], tmp_path)
        file.unlink()
        with pytest.raises(SealedUnreadable, match="is missing"):
            await asked(months, sealed[0], tmp_path)


def _of_everyone(draw: random.Random) -> list[LoggedDecision]:
    """Return decisions about more content than is laid out with others, in every month."""
    many = [f"track-{number}" for number in range(1_500)]
    instants = [month.begins + draw.randrange(10**9) for month in (MARCH, APRIL, MAY)]
    return [decision(many, at=at, use=USE, revision=3) for at in instants]


def _at_another_instant() -> LoggedDecision:
    """Return a decision that asked what would have been answered once."""
    asked_then = decision(["asked-of-the-past"], at=LAUNCH, use=USE, revision=1)
    return msgspec.structs.replace(asked_then, at=LAUNCH - 1)
