"""Witnesses are asked beside the checkpoints, never before them, and are believed by their keys."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from service.clock import SystemClock
from service.db.engine import Database
from service.transparency.checkpoint import Checkpoint
from service.transparency.continuation import WentBack
from service.transparency.cosigning import Cosigning
from service.transparency.keys import KeyType, SigningKey
from service.transparency.note import parse_note
from service.transparency.publication import Publication
from service.transparency.remembered import Remembered
from service.transparency.signer import Signer
from service.transparency.witness import Witness
from service.transparency.witness_at import WitnessAt, parse_witness
from service.transparency.witness_http import witness_app
from tests.transparency.logs import IDENTITY, KEY, ORIGIN, grow, published, signing, superuser
from tests.transparency.trees import Log

WITNESS_KEY: Final = SigningKey("witness.example/w1", bytes(range(1, 33)))
AT: Final = WitnessAt("http://witness", WITNESS_KEY.verifier(KeyType.WITNESS))


@dataclass
class Heard:
    """What became of each question, as it became known."""

    outcomes: list[tuple[str, str]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(self, witness: str, outcome: str) -> None:
        """Note one."""
        self.outcomes.append((witness, outcome))
        self.news.set()

    async def next(self) -> str:
        """Return what became of the next question."""
        async with asyncio.timeout(20):
            await self.news.wait()
        self.news.clear()
        return self.outcomes[-1][1]


@dataclass
class Asked:
    """A log with a witness, and what the two have said to each other."""

    log: Publication
    signer: Signer
    cosigning: Cosigning
    heard: Heard
    url: str

    async def grown(self, events: int) -> str:
        """Grow, sign, ask, and return what became of it."""
        await grow(self.url, events)
        await self.signer.look()
        return await self.heard.next()

    async def cosigners(self) -> list[str]:
        """Return who has cosigned the newest checkpoint."""
        note = parse_note(await self.log.note() or "")
        return [one.name for one in note.signatures if AT.key.verifies(note.text, one)]


def real_witness(folder: Path) -> Starlette:
    """Return a witness that knows our log."""
    return witness_app(Witness(WITNESS_KEY, [KEY.verifier()], folder, SystemClock()))


@asynccontextmanager
async def cosigning_with(
    url: str, witness: Starlette, log: Publication, *witnesses: WitnessAt, **more: Any
) -> AsyncIterator[tuple[Cosigning, Remembered]]:
    """Ask witnesses, all of which are this app, and keep what they prove."""
    transport = httpx2.ASGITransport(app=witness)
    async with (
        httpx2.AsyncClient(transport=transport, timeout=5) as http,
        Database(url, pool_size=1) as database,
    ):
        remembered = Remembered(IDENTITY, http)
        cosigning = Cosigning(
            database, log, witnesses, SystemClock(), http=http, remembered=remembered, **more
        )
        async with cosigning:
            yield cosigning, remembered


@asynccontextmanager
async def asking(url: str, witness: Starlette, *more: WitnessAt) -> AsyncIterator[Asked]:
    """Run a signer over a ledger, and ask a witness that runs in this process."""
    heard = Heard()
    async with (
        published(url) as log,
        cosigning_with(url, witness, log, AT, *more, on_answer=heard.answer) as (
            cosigning,
            remembered,
        ),
        signing(url, on_signed=cosigning.ask_now, told=remembered.take) as signer,
    ):
        assert await heard.next() in {"cosigned", "refused", "failed", "went_back"}
        yield Asked(log, signer, cosigning, heard, url)


async def test_every_checkpoint_is_cosigned(database_url: str, tmp_path: Path) -> None:
    """As it grows; the signature is added to the note that is published."""
    async with asking(database_url, real_witness(tmp_path)) as asked:
        for events in (1, 4, 300):
            assert await asked.grown(events) == "cosigned"
            assert await asked.cosigners() == [AT.key.name]
    assert {outcome for _, outcome in asked.heard.outcomes} == {"cosigned"}


async def test_it_goes_on_after_a_restart(database_url: str, tmp_path: Path) -> None:
    """From what it was cosigned last; and where that is not known, from what the witness says."""
    async with asking(database_url, real_witness(tmp_path)) as asked:
        await asked.grown(7)
    await grow(database_url, 3)
    async with asking(database_url, real_witness(tmp_path)) as asked:
        assert await asked.cosigners() == [AT.key.name]
    async with superuser(database_url) as database:
        await database.execute("TRUNCATE ledger_cosignatures")
    await grow(database_url, 3)
    async with asking(database_url, real_witness(tmp_path)) as asked:
        assert await asked.cosigners() == [AT.key.name]
    assert asked.heard.outcomes == [(AT.key.name, "cosigned")]


async def test_a_witness_that_has_seen_more_is_an_alarm(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Our database went back, and nobody here remembers: nothing is signed any more."""
    await grow(database_url, 3)
    other = tmp_path / "other"
    witness = Witness(WITNESS_KEY, [KEY.verifier()], other, SystemClock())
    assert witness.add_checkpoint(Log(KEY).request(0, 40)).status == 200
    with caplog.at_level(logging.CRITICAL):
        async with asking(database_url, real_witness(other)) as asked:
            assert asked.heard.outcomes == [(AT.key.name, "went_back")]
            assert await asked.cosigners() == []
            await grow(database_url, 60)
            with pytest.raises(WentBack, match=r"first 40 .* memory of the witness"):
                await asked.signer.look()
            assert await asked.log.size() == 3
    assert "HAS SEEN 40 EVENTS" in caplog.text


async def test_a_witness_that_has_seen_another_ledger_is_an_alarm(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It answers 422, shows what we signed then, and nothing is signed any more."""
    await grow(database_url, 10)
    witness = Witness(WITNESS_KEY, [KEY.verifier()], tmp_path, SystemClock())
    assert witness.add_checkpoint(Log(KEY).request(0, 5)).status == 200
    with caplog.at_level(logging.CRITICAL):
        async with asking(database_url, real_witness(tmp_path)) as asked:
            assert asked.heard.outcomes == [(AT.key.name, "refused")]
            await grow(database_url, 1)
            with pytest.raises(WentBack, match=r"first 5 events .* memory of the witness"):
                await asked.signer.look()
            assert await asked.log.size() == 10
    assert "does not cosign the checkpoint of 10 events: 422" in caplog.text


LARGE: Final = Checkpoint(ORIGIN, 40, bytes(32))
STRANGER: Final = SigningKey(ORIGIN, bytes(32))


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (404, "unknown"),
        (500, "broken"),
        (200, ""),
        (200, "x" * 200_000),
        (200, LARGE.signed(STRANGER).encode()),
        (200, Checkpoint("other.example", 40, bytes(32)).signed(KEY).encode()),
    ],
    ids=["unknown", "broken", "empty", "endless", "signed by a stranger", "of another log"],
)
@pytest.mark.parametrize("answer", [(409, "40\n"), (422, "no")], ids=["larger", "other"])
async def test_a_witness_that_proves_nothing_stops_nobody(
    database_url: str, answer: tuple[int, str], status: int, shown: str
) -> None:
    """A stranger's word is an alarm and no more."""
    status_then, body = answer

    async def refuse(request: Request) -> Response:
        await request.body()
        return PlainTextResponse(body, status_then)

    async def show(_: Request) -> Response:
        return PlainTextResponse(shown, status)

    witness = Starlette(
        routes=[
            Route("/add-checkpoint", refuse, methods=["POST"]),
            Route("/{digest}/checkpoint", show),
        ]
    )
    async with asking(database_url, witness) as asked:
        assert await asked.grown(3) in {"went_back", "refused"}
        await grow(database_url, 1)
        await asked.signer.look()
        assert await asked.log.size() == 4


def answering(answer: Callable[[Request], Response]) -> Starlette:
    """Return something at the witness's place that answers otherwise."""

    async def respond(request: Request) -> Response:
        await request.body()
        return answer(request)

    return Starlette(routes=[Route("/add-checkpoint", respond, methods=["POST"])])


def lines_by(key: SigningKey, text: str = "another text\n") -> str:
    """Return a cosignature of something."""
    return key.cosign(text, 1).line()


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, "", "failed"),
        (200, "thank you\n", "failed"),
        (200, lines_by(WITNESS_KEY), "failed"),
        (200, lines_by(SigningKey("other.example", bytes(32))), "failed"),
        (200, "x" * 200_000, "failed"),
        (302, "elsewhere", "refused"),
        (403, "who are you", "refused"),
        (409, "many\n", "failed"),
        (409, "0\n", "refused"),
        (500, "broken", "refused"),
    ],
)
async def test_what_is_no_cosignature_is_not_published(
    database_url: str, status: int, body: str, outcome: str
) -> None:
    """Whatever a witness answers, checkpoints are published as they were."""
    witness = answering(lambda _: PlainTextResponse(body, status))
    async with asking(database_url, witness) as asked:
        assert asked.heard.outcomes == [(AT.key.name, outcome)]
        await asked.grown(3)
        assert await asked.cosigners() == []
        assert asked.signer.size == 3
        assert await asked.log.size() == 3


async def test_a_witness_that_never_answers_keeps_nobody_waiting(
    database_url: str, tmp_path: Path
) -> None:
    """Neither the checkpoints nor the other witnesses."""
    inner = real_witness(tmp_path)
    stuck = asyncio.Event()

    async def sometimes(request: Request) -> Response:
        if request.url.hostname == "stuck":
            stuck.set()
            await asyncio.Event().wait()
        transport = httpx2.ASGITransport(app=inner)
        async with httpx2.AsyncClient(transport=transport, base_url="http://witness") as http:
            answer = await http.post("/add-checkpoint", content=await request.body())
        return Response(answer.content, answer.status_code, media_type="text/plain")

    app = Starlette(routes=[Route("/add-checkpoint", sometimes, methods=["POST"])])
    other = SigningKey("stuck.example/w2", bytes(32)).verifier(KeyType.WITNESS)
    async with asking(database_url, app, WitnessAt("http://stuck", other)) as asked:
        await stuck.wait()
        for _ in range(3):
            assert await asked.grown(2) == "cosigned"
        assert asked.signer.size == 6


async def test_two_replicas_may_ask_for_the_same(database_url: str, tmp_path: Path) -> None:
    """One line of each witness is kept, and it verifies."""
    witness = real_witness(tmp_path)
    async with (
        asking(database_url, witness) as one,
        cosigning_with(database_url, witness, one.log, AT) as (other, _),
    ):
        await grow(database_url, 5)
        await one.signer.look()
        other.ask_now()
        assert await one.heard.next() == "cosigned"
        async with asyncio.timeout(10):
            while await one.cosigners() != [AT.key.name]:  # noqa: ASYNC110 - rows tell nobody
                await asyncio.sleep(0.01)


def test_a_witness_is_an_address_and_a_key() -> None:
    """Of a witness, not of a log."""
    assert parse_witness(f" http://witness/ {AT.key} ") == AT
    log_key = WITNESS_KEY.verifier(KeyType.LOG)
    for text in ("", "http://witness", f"witness {AT.key}", "http://witness key"):
        with pytest.raises(ValueError, match="witness"):
            parse_witness(text)
    with pytest.raises(ValueError, match="type 4"):
        parse_witness(f"http://witness {log_key}")
