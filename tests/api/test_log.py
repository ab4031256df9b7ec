"""`/log`: what everybody may check, as C2SP says it, to the byte and to the header."""

import asyncio
import base64
import gzip
import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from service.cli.local import free_port
from service.domain.proofs import includes, is_consistent
from service.ledger.derived_keys import LOG_CHECKPOINTS, derived_key
from service.settings import read_key
from service.transparency.checkpoint import Checkpoint, open_checkpoint
from service.transparency.continuation import WentBack
from service.transparency.keys import KeyType, SigningKey, VerifierKey
from tests.api.door import KEY, Door, connected, open_door
from tests.api.people import AUDITOR, PLATFORM
from tests.api.story import Story
from tests.ledger.naive_tree import tree_head
from tests.transparency.test_witness_process import OURS as WITNESS
from tests.transparency.test_witness_process import witnessing
from tests.verify.seeded import copied

ORIGIN: Final = "127.0.0.1:8080/log"
FOR_EVER: Final = "public, max-age=31536000, immutable"


@pytest.fixture
async def told(begun: Story) -> list[bytes]:
    """Let ana say something; return every event's bytes once they are signed over."""
    await begun.say("ana", "opt_out", "training")
    async with connected(begun.door.database_url) as connection:
        rows = await connection.fetch("SELECT leaf FROM ledger ORDER BY revision")
    await begun.door.services.signer.reach(len(rows), timeout=10)
    return [row["leaf"] for row in rows]


def key_of_log() -> VerifierKey:
    """Return the key that follows from the key encryption key."""
    seed = derived_key(read_key(KEY.get_secret_value()), LOG_CHECKPOINTS)
    return SigningKey(ORIGIN, seed).verifier()


async def got(door: Door, path: str) -> httpx2.Response:
    """Ask as somebody who has no token."""
    response = await door.http.get(path)
    assert response.status_code == 200, response.text
    assert response.headers["access-control-allow-origin"] == "*"
    return response


async def signed(door: Door) -> Checkpoint:
    """Return the newest checkpoint, verified."""
    note = (await got(door, "/log/checkpoint")).content
    return open_checkpoint(note, [key_of_log()])[0]


async def test_the_checkpoint_is_a_signed_note(door: Door, told: list[bytes]) -> None:
    """Of everything there is, cached for a moment only."""
    response = await got(door, "/log/checkpoint")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["cache-control"] == "public, max-age=1"
    checkpoint = await signed(door)
    assert checkpoint == Checkpoint(ORIGIN, len(told), tree_head(told))


async def test_tiles_and_entries_are_files_for_ever(door: Door, told: list[bytes]) -> None:
    """Every width that was signed over, to the byte."""
    for width in range(1, len(told) + 1):
        tile = await got(door, f"/log/tile/0/000.p/{width}")
        assert tile.content == b"".join(sha256(b"\0" + one).digest() for one in told[:width])
        entries = await got(door, f"/log/tile/entries/000.p/{width}")
        expected = b"".join(len(one).to_bytes(2, "big") + one for one in told[:width])
        assert entries.content == expected
        for response in (tile, entries):
            assert response.headers["content-type"] == "application/octet-stream"
            assert response.headers["cache-control"] == FOR_EVER


async def sent(door: Door, path: str, accepting: str | None) -> tuple[httpx2.Response, bytes]:
    """Return the answer to somebody who accepts these encodings, and its body as it was sent."""
    request = door.http.build_request("GET", path)
    request.headers.pop("accept-encoding", None)
    if accepting is not None:
        request.headers["accept-encoding"] = accepting
    response = await door.http.send(request, stream=True)
    body = b"".join([part async for part in response.aiter_raw()])
    return response, body


@pytest.mark.parametrize("accepting", ["gzip", "gzip, deflate, br", "br;q=1.0, GZIP;q=0.1"])
async def test_entries_are_packed_for_whoever_asks(
    door: Door, told: list[bytes], accepting: str
) -> None:
    """Unpacked they are the very bytes; caches keep them for ever, apart from those as they are."""
    path = f"/log/tile/entries/000.p/{len(told)}"
    response, body = await sent(door, path, accepting)
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["vary"] == "Accept-Encoding"
    assert response.headers["cache-control"] == FOR_EVER
    assert response.headers["content-length"] == str(len(body))
    assert gzip.decompress(body) == b"".join(len(one).to_bytes(2, "big") + one for one in told)
    assert (await sent(door, path, accepting))[1] == body


@pytest.mark.parametrize(
    "accepting", [None, "", "identity", "br", "gzip;q=0", "identity, gzip;q=0.0", "*", "sgzip"]
)
async def test_entries_are_as_they_are_for_everybody_else(
    door: Door, told: list[bytes], accepting: str | None
) -> None:
    """Kept for ever as well, and told apart by caches all the same."""
    response, body = await sent(door, f"/log/tile/entries/000.p/{len(told)}", accepting)
    assert "content-encoding" not in response.headers
    assert response.headers["vary"] == "Accept-Encoding"
    assert response.headers["cache-control"] == FOR_EVER
    assert body == b"".join(len(one).to_bytes(2, "big") + one for one in told)


async def test_large_bundles_are_packed_beside_the_loop(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for a check does not wait for them; the bytes are the same."""
    large = bytes(range(256)) * 1_024

    async def bundle(*_: int) -> bytes:
        return large

    monkeypatch.setattr(door.services.publication, "bundle", bundle)
    response, body = await sent(door, "/log/tile/entries/000", "gzip")
    assert response.headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == large


@pytest.mark.parametrize("path", ["tile/0/000.p/1", "checkpoint", "proof/1.tlog-proof"])
async def test_only_entries_are_packed(door: Door, told: list[bytes], path: str) -> None:
    """Hashes and signatures would not get smaller."""
    response, _ = await sent(door, f"/log/{path}", "gzip")
    assert response.status_code == 200
    assert "content-encoding" not in response.headers
    assert "vary" not in response.headers


async def test_what_artists_said_is_a_commitment(door: Door, told: list[bytes]) -> None:
    """Neither who they are nor what they said stands in an entry."""
    entries = (await got(door, f"/log/tile/entries/000.p/{len(told)}")).content
    assert b'"type":"consent.recorded"' in entries
    assert b'"commitment":"' in entries
    for private in (b"ana", b"opt_out_", b"training", b"settings_page"):
        assert private not in told[-1]
    assert sorted(json.loads(told[-1])) == ["at", "commitment", "nonce", "subject", "type", "v"]


@pytest.mark.parametrize(
    "path",
    [
        "0/000", "0/000.p/99", "0/001.p/1", "1/000.p/1", "entries/000", "entries/000.p/99",
        "0/000.p/0", "0/000.p/256", "0/0", "00/000.p/1", "64/000", "x/000", "0/x001/000",
        "0/000.p", "0/000.p/1/", "0//000", "0/", "entries/", "entries/0", "0/x000/000.p/1",
        "8/000/000.p/1",
    ],
)  # fmt: skip
async def test_what_is_not_signed_over_is_not_there(
    door: Door, told: list[bytes], path: str
) -> None:
    """404, as a problem that pages of other origins may read, and that no cache keeps for ever."""
    response = await door.http.get(f"/log/tile/{path}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["access-control-allow-origin"] == "*"
    assert "cache-control" not in response.headers


async def test_slashes_may_come_encoded(door: Door, told: list[bytes]) -> None:
    """As clients send them that are made from the contract."""
    assert (await got(door, "/log/tile/0/000.p%2F1")).content == sha256(b"\0" + told[0]).digest()


def verify(told: list[bytes], revision: int, body: dict[str, Any]) -> None:
    """Hold a proof against the entries and the key, by nothing but the formats."""
    index, size = int(body["logIndex"]), int(body["treeSize"])
    assert index == revision - 1
    checkpoint, _ = open_checkpoint(body["checkpoint"]["envelope"], [key_of_log()])
    root = base64.b64decode(body["rootHash"])
    assert checkpoint == Checkpoint(ORIGIN, size, root)
    entry = base64.b64decode(body["entry"])
    assert entry == told[index]
    hashes = [base64.b64decode(one) for one in body["hashes"]]
    assert includes(sha256(b"\0" + entry).digest(), index, size, hashes, root)


async def test_every_event_has_a_proof(door: Door, told: list[bytes]) -> None:
    """As JSON with the names of a Sigstore bundle, numbers as texts."""
    for revision in range(1, len(told) + 1):
        response = await got(door, f"/log/proof/{revision}")
        assert response.headers["cache-control"] == "public, max-age=1"
        verify(told, revision, response.json())


async def test_every_event_has_a_proof_file(door: Door, told: list[bytes]) -> None:
    """A download that says the same, line by line, with the entry as its extra."""
    body = (await got(door, "/log/proof/3")).json()
    response = await got(door, "/log/proof/3.tlog-proof")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    disposition = response.headers["content-disposition"]
    assert disposition == 'attachment; filename="revision-3.tlog-proof"'
    head, found, note = response.text.partition("\n\n")
    assert found
    assert note == body["checkpoint"]["envelope"]
    first, extra, index, *hashes = head.split("\n")
    assert first == "c2sp.org/tlog-proof@v1"
    assert extra == f"extra {body['entry']}"
    assert index == "index 2"
    assert hashes == body["hashes"]


async def test_a_proof_right_after_the_answer_is_waited_for(begun: Story) -> None:
    """Whoever has just been told a revision need not know about checkpoints."""
    said = await begun.say("ana", "opt_out", "training")
    body = (await got(begun.door, f"/log/proof/{said['revision']}")).json()
    assert int(body["treeSize"]) >= said["revision"]


async def test_a_proof_is_of_the_checkpoint_that_was_asked_for(begun: Story) -> None:
    """Older ones stay; sizes that were never signed have none."""
    older = (await signed(begun.door)).size
    said = await begun.say("ana", "opt_out", "training")
    await begun.door.services.signer.reach(said["revision"], timeout=10)
    if older:
        body = (await got(begun.door, f"/log/proof/1?size={older}")).json()
        assert body["treeSize"] == str(older)
    for path in (f"/log/proof/{said['revision']}?size=0", "/log/proof/1?size=99", "/log/proof/99"):
        assert (await begun.door.http.get(path)).status_code == 404
        with_suffix = path.replace("?", ".tlog-proof?")
        assert (await begun.door.http.get(with_suffix)).status_code == 404
    for path in ("/log/proof/0", "/log/proof/-1", "/log/proof/x", "/log/proof/1?size=x"):
        assert (await begun.door.http.get(path)).status_code == 422


async def test_growth_is_proven(door: Door, told: list[bytes]) -> None:
    """Between any two sizes; to the newest unless said."""
    size = len(told)
    for older, newer in ((0, size), (1, 3), (4, size), (3, 3), (2, None)):
        query = f"first={older}" + ("" if newer is None else f"&second={newer}")
        response = await got(door, f"/log/consistency?{query}")
        body, end = response.json(), size if newer is None else newer
        assert (body["first"], body["second"]) == (older, end)
        roots = [base64.b64decode(body[f"{one}_root_hash"]) for one in ("first", "second")]
        assert roots == [tree_head(told[:older]), tree_head(told[:end])]
        hashes = [base64.b64decode(one) for one in body["consistency"]]
        assert is_consistent(older, end, hashes, roots[0], roots[1])
        expected = "public, max-age=1" if newer is None else FOR_EVER
        assert response.headers["cache-control"] == expected
    for query in ("first=3&second=2", f"first=1&second={size + 1}", "first=99"):
        assert (await door.http.get(f"/log/consistency?{query}")).status_code == 404
    for query in ("", "first=-1", "second=3", "first=x"):
        assert (await door.http.get(f"/log/consistency?{query}")).status_code == 422


async def test_entries_may_be_for_auditors(movable_url: str, issuer: Any) -> None:
    """Everybody sees the hashes, and only auditors what they are of."""
    async with open_door(movable_url, issuer, log_entries="audit") as door:
        await Story(door).begin()
        await door.services.signer.reach(1, timeout=10)
        path = "/log/tile/entries/000.p/1"
        assert (await door.ask("GET", path)).status_code == 401
        assert (await door.ask("GET", path, by=PLATFORM)).status_code == 403
        response = await door.ask("GET", path, by=AUDITOR)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "private, no-store"
        assert response.headers["vary"] == "Authorization, Accept-Encoding"
        assert (await got(door, "/log/tile/0/000.p/1")).content
        assert (await got(door, "/log/proof/1")).json()["entry"] is None
        assert "extra" not in (await got(door, "/log/proof/1.tlog-proof")).text


async def test_only_the_log_is_read_from_anywhere(begun: Story) -> None:
    """What takes a token says nothing to pages of other origins."""
    response = await begun.door.ask("GET", "/v1/artists/ana", by=AUDITOR)
    assert "access-control-allow-origin" not in response.headers


async def test_what_broke_is_no_proof(door: Door, told: list[bytes]) -> None:
    """A changed event is 503, never a proof of something else."""
    async with connected(door.database_url) as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute("UPDATE ledger SET leaf = 'x' WHERE revision = 2")
    for path in ("/log/proof/2", "/log/proof/2.tlog-proof"):
        assert (await door.http.get(path)).status_code == 503


async def test_the_log_tells_how_it_is(door: Door, told: list[bytes]) -> None:
    """How far checkpoints are, and whether there will be more."""
    metrics = (await door.http.get("/metrics")).text
    assert f"fermata_log_checkpoint_size {float(len(told))}" in metrics
    assert "fermata_log_signs 1.0" in metrics


async def test_the_origin_and_the_key_are_settings(movable_url: str, issuer: Any) -> None:
    """A key's own name is the log's; what was signed before is remembered beyond that."""
    key = SigningKey("log.example/fermata", bytes(range(32)))
    async with open_door(movable_url, issuer, log_signing_key=key.private_text()) as door:
        note = (await got(door, "/log/checkpoint")).content
        assert open_checkpoint(note, [key.verifier()])[0].origin == key.name
    with pytest.raises(ValueError, match="cannot be used"):
        async with open_door(
            movable_url, issuer, log_signing_key=key.private_text(), log_origin="other.example"
        ):
            pass


async def test_an_origin_is_kept_when_the_address_changes(movable_url: str, issuer: Any) -> None:
    """What outsiders know the log by does not follow a setting that is about something else."""
    origins = []
    for public_url in ("https://one.example", "https://two.example/pages"):
        async with open_door(movable_url, issuer, public_url=public_url) as door:
            origins.append((await door.http.get("/log/checkpoint")).text.split("\n")[0])
    assert origins == ["one.example/log"] * 2


@pytest.mark.parametrize(
    "witness",
    [
        "https://witness.example",
        f"https://w.example {SigningKey('w', bytes(32)).verifier(KeyType.LOG)}",
    ],
)
async def test_a_witness_that_cannot_be_one_stops_the_start(
    movable_url: str, issuer: Any, witness: str
) -> None:
    """Better than a checkpoint that nobody cosigns."""
    with pytest.raises(ValueError, match="witness"):
        async with open_door(movable_url, issuer, log_witnesses=(witness,)):
            pass


@pytest.mark.parametrize("who", ["a folder", "a witness"])
async def test_a_no_is_not_forgotten_with_a_restored_backup(
    postgres_url: str, movable_url: str, issuer: Any, tmp_path: Path, who: str
) -> None:
    """Whoever remembers that it was signed keeps a service from starting without it."""
    async with open_door(movable_url, issuer) as door:
        await Story(door).begin()
    port = free_port()
    ways: dict[str, dict[str, Any]] = {
        "a folder": {"log_dir": tmp_path / "log"},
        "a witness": {"log_witnesses": (f"http://127.0.0.1:{port} {WITNESS}",)},
    }
    remembering = ways[who]
    async with (
        copied(postgres_url, movable_url) as backup,
        witnessing(tmp_path, port, str(key_of_log())),
    ):
        async with open_door(movable_url, issuer, **remembering) as door:
            said = await Story(door).say("ana", "opt_out")
            await door.services.signer.reach(said["revision"], timeout=10)
            if who == "a witness":
                await cosigned(door)
        with pytest.raises(WentBack, match="this database is an older backup"):
            async with open_door(backup, issuer, **remembering):
                pass


async def cosigned(door: Door) -> None:
    """Return once the newest checkpoint has the witness's line."""
    note = ""
    async with asyncio.timeout(20):
        while WITNESS.name not in note:
            await asyncio.sleep(0.02)
            note = (await got(door, "/log/checkpoint")).text
