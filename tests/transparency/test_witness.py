"""A witness answers as C2SP tlog-witness says, and cosigns one history of each log."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx2
import pytest

from service.clock import SystemClock
from service.domain.instant import SECOND, Instant
from service.transparency.checkpoint import Checkpoint, open_checkpoint
from service.transparency.keys import KeyType, SigningKey
from service.transparency.note import Note, parse_signatures
from service.transparency.witness import LARGEST_REQUEST, Answer, Witness
from service.transparency.witness_http import witness_app
from tests.transparency.trees import LOG_KEY, Log

KEY: Final = SigningKey("witness.example/w1", bytes(range(1, 33)))
OURS: Final = KEY.verifier(KeyType.WITNESS)
OTHER_KEY: Final = SigningKey("log.example/log", bytes(32))
NOON: Final[Instant] = 1_800_000_000 * SECOND


class Noon(SystemClock):
    """A clock that stands."""

    def now(self) -> Instant:
        """Return noon."""
        return NOON


@pytest.fixture
def log() -> Log:
    """Return a log that the witness knows."""
    return Log()


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    """Return a witness that has seen nothing yet."""
    return Witness(KEY, [LOG_KEY.verifier()], tmp_path, Noon())


def cosigned(answer: Answer, log: Log, size: int) -> None:
    """Hold an answer against what a cosignature has to be."""
    assert answer.status == HTTPStatus.OK, answer.body
    (line,) = parse_signatures(answer.body)
    assert OURS.verifies(Checkpoint(log.key.name, size, log.root(size)).text(), line)
    assert int.from_bytes(line.value[:8], "big") == NOON // SECOND


def test_what_goes_on_is_cosigned(witness: Witness, log: Log) -> None:
    """From nothing, from any size, and the same again."""
    for older, newer in ((0, 0), (0, 5), (5, 5), (5, 128), (128, 255), (255, 300)):
        cosigned(witness.add_checkpoint(log.request(older, newer)), log, newer)


def test_what_was_cosigned_can_be_read_back(witness: Witness, log: Log) -> None:
    """With both signatures, by the digest of the origin."""
    digest = sha256(log.key.name.encode()).hexdigest()
    assert witness.newest(digest) is None
    witness.add_checkpoint(log.request(0, 7))
    witness.add_checkpoint(log.request(7, 9))
    found = witness.newest(digest)
    assert found is not None
    checkpoint, note = open_checkpoint(found, [log.key.verifier(), OURS])
    assert (checkpoint.size, len(note.signatures)) == (9, 2)
    for other in ("", "lock", "../lock", digest.upper(), digest[:-1], "0" * 64):
        assert witness.newest(other) is None


def test_a_fork_is_never_cosigned(witness: Witness, log: Log) -> None:
    """Neither longer nor of the same length, whatever proof comes with it."""
    forked = Log(fork=3)
    cosigned(witness.add_checkpoint(log.request(0, 10)), log, 10)
    for request in (
        forked.request(10, 20),
        forked.request(10, 10),
        forked.request(10, 20).replace(forked.proof(10, 20)[0].encode(), b"A" * 43 + b"="),
        log.request(10, 20).replace(log.note(20).encode(), forked.note(20).encode()),
        log.request(10, 20).replace(log.proof(10, 20)[-1].encode() + b"\n", b""),
        forked.request(10, 10).replace(b"old 10\n", b"old 10\n" + b"A" * 43 + b"=\n"),
        log.request(10, 10).replace(b"old 10\n", b"old 10\n" + b"A" * 43 + b"=\n"),
    ):
        answer = witness.add_checkpoint(request)
        assert answer.status == HTTPStatus.UNPROCESSABLE_ENTITY, answer.body
    cosigned(witness.add_checkpoint(log.request(10, 20)), log, 20)


def test_an_empty_tree_has_one_root(witness: Witness, log: Log) -> None:
    """Size 0 with another root, or with a proof, proves nothing."""
    wrong = Checkpoint(log.key.name, 0, bytes(32)).signed(log.key).encode()
    for body in (f"old 0\n\n{wrong}", f"old 0\n{'A' * 43}=\n\n{log.note(5)}"):
        answer = witness.add_checkpoint(body.encode())
        assert answer.status == HTTPStatus.UNPROCESSABLE_ENTITY


def test_whoever_is_behind_or_ahead_learns_the_size(witness: Witness, log: Log) -> None:
    """The body is the size and a newline, of a type of its own."""
    cosigned(witness.add_checkpoint(log.request(0, 10)), log, 10)
    for older, newer in ((0, 20), (9, 20), (11, 20), (0, 5)):
        answer = witness.add_checkpoint(log.request(older, newer))
        assert answer == Answer(HTTPStatus.CONFLICT, "10\n", "text/x.tlog.size")


def test_a_log_that_is_not_known_is_not_found(witness: Witness) -> None:
    """Whoever signed for it."""
    other = Log(SigningKey("other.example/log", bytes(32)))
    assert witness.add_checkpoint(other.request(0, 5)).status == HTTPStatus.NOT_FOUND


def test_what_the_log_did_not_sign_is_forbidden(witness: Witness, log: Log) -> None:
    """By another key, by none that is known, or by the right one over something else."""
    text = Checkpoint(log.key.name, 5, log.root(5)).text()
    for signatures in (
        (OTHER_KEY.sign(text),),
        (log.key.sign("another text\n"),),
        (log.key.sign(text), log.key.sign("another text\n")),
        (KEY.cosign(text, 1),),
    ):
        body = f"old 0\n\n{Note(text, signatures).encode()}".encode()
        assert witness.add_checkpoint(body).status == HTTPStatus.FORBIDDEN
    both = Note(text, (OTHER_KEY.sign(text), log.key.sign(text)))
    cosigned(witness.add_checkpoint(f"old 0\n\n{both.encode()}".encode()), log, 5)


def test_what_cannot_be_is_a_bad_request(witness: Witness, log: Log) -> None:
    """An old size above the new one, and whatever is no request."""
    note = log.note(5)
    for body in (
        f"old 6\n\n{note}", f"\n\n{note}", f"old\n\n{note}", f"old 05\n\n{note}", "", "old 0\n\n",
        f"old 0\nx\n\n{note}", f"old 0\n{note}", f"older 0\n\n{note}", f"old -1\n\n{note}",
        f"old 0\n{'A' * 42}==\n" * 1 + f"\n{note}x", "old 0\n\nno note\n",
        "old 0\n" + f"{'A' * 43}=\n" * 64 + f"\n{note}",
    ):  # fmt: skip
        answer = witness.add_checkpoint(body.encode())
        assert answer.status == HTTPStatus.BAD_REQUEST, body
    assert witness.add_checkpoint(b"old 0\xff\n\n").status == HTTPStatus.BAD_REQUEST


def test_it_remembers_when_it_comes_back(witness: Witness, log: Log, tmp_path: Path) -> None:
    """Another process over the same folder goes on where this one stopped."""
    cosigned(witness.add_checkpoint(log.request(0, 10)), log, 10)
    again = Witness(KEY, [LOG_KEY.verifier()], tmp_path, Noon())
    assert again.add_checkpoint(log.request(0, 20)).body == "10\n"
    cosigned(again.add_checkpoint(log.request(10, 20)), log, 20)
    assert witness.add_checkpoint(log.request(10, 15)).body == "20\n"


def test_what_is_not_on_disk_is_not_cosigned(
    witness: Witness, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails costs the cosignature, and leaves what was remembered."""
    cosigned(witness.add_checkpoint(log.request(0, 10)), log, 10)
    synced = []

    def failing(descriptor: int) -> None:
        synced.append(descriptor)
        raise OSError(28, "no space left")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", failing)
        with pytest.raises(OSError, match="no space"):
            witness.add_checkpoint(log.request(10, 20))
    assert synced
    assert witness.add_checkpoint(log.request(0, 20)).body == "10\n"


def test_both_file_and_folder_are_synced_before_it_answers(
    witness: Witness, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is not on disk is no file after a power loss."""
    synced: list[bool] = []
    real = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(os.path.isdir(f"/proc/self/fd/{descriptor}"))  # noqa: PTH112 - a link to it
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    cosigned(witness.add_checkpoint(log.request(0, 10)), log, 10)
    assert synced == [False, True]


def test_many_at_once_make_one_history(witness: Witness, log: Log) -> None:
    """Of two that go on from the same size in different ways, one is cosigned."""
    forked = Log(fork=15)
    cosigned(witness.add_checkpoint(log.request(0, 10)), log, 10)
    requests = [one.request(10, size) for size in range(20, 40) for one in (log, forked)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(witness.add_checkpoint, requests))
    assert sorted(answer.status for answer in answers)[:2] == [HTTPStatus.OK, HTTPStatus.CONFLICT]
    assert {answer.status for answer in answers} == {HTTPStatus.OK, HTTPStatus.CONFLICT}


async def test_it_is_asked_over_http(witness: Witness, log: Log) -> None:
    """Two routes, and a limit to what is read."""
    transport = httpx2.ASGITransport(app=witness_app(witness))
    async with httpx2.AsyncClient(transport=transport, base_url="http://witness") as http:
        done = await http.post("/add-checkpoint", content=log.request(0, 10))
        assert (done.status_code, done.headers["content-type"]) == (
            200,
            "text/plain; charset=utf-8",
        )
        behind = await http.post("/add-checkpoint", content=log.request(0, 10))
        assert behind.text == "10\n"
        assert behind.headers["content-type"] == "text/x.tlog.size"
        digest = sha256(log.key.name.encode()).hexdigest()
        newest = await http.get(f"/{digest}/checkpoint")
        assert open_checkpoint(newest.content, [OURS])[0].size == 10
        assert (await http.get(f"/{'0' * 64}/checkpoint")).status_code == 404
        assert (await http.get("/add-checkpoint")).status_code == 405
        large = await http.post("/add-checkpoint", content=bytes(LARGEST_REQUEST + 1))
        assert large.status_code == 413
        burst = await asyncio.gather(
            *(http.post("/add-checkpoint", content=log.request(10, 20 + n)) for n in range(10))
        )
        assert sorted(one.status_code for one in burst) == [200] + [409] * 9
