"""Leaves: exact canonical bytes, public facts in clear, what artists said only as commitments."""

import hmac
import json
import os
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from hypothesis import given
from hypothesis import strategies as st

from service.catalog.artists import ArtistRow, register_artists
from service.catalog.content import ContentRow, put_content
from service.consents.admission import Statement
from service.consents.authority import Actor
from service.consents.delegates import grant_delegate
from service.domain.consent import Answer, Scope
from service.domain.instant import SECOND, Instant
from service.domain.policy import Mode, PolicyDraft
from service.ledger.append import Appender
from service.ledger.events import LONGEST_LEAF, Kind, NewEvent, leaf_bytes
from service.ledger.read import tail
from service.ledger.vault import CommitmentBroken, Sealed, Vault
from service.notices.deliveries import DeliveryRow, Outcome, record_deliveries
from service.policies.publish import publish_policy
from tests.ledger.seeing import record_seeing
from tests.ledger.test_vault import rfc_5869
from tests.ledger.writing import (
    KEY,
    Kept,
    appending,
    connected,
    kept,
    naming,
    open_ledger,
    recording_only,
    vault,
)

ARTIST = "artist-ana-7f3k"
LABEL = "label-9d2m"
TRACK = "track-5x8q"
VOICE = "training.generative.voice"
TUNEY = "partner:tuney"
EXPIRES: Instant = 4_000_000_000 * SECOND  # in 2096
SAID = Scope(VOICE, TRACK, TUNEY)


async def tell(appender: Appender) -> None:
    """Write one event of every kind there is a writer for."""
    await open_ledger(appender)
    await appender.submit(naming("training"))
    terms = PolicyDraft(
        VOICE, Mode.OPT_IN, frozenset({"internal", TUNEY}), SECOND, {"en": "May we?"}
    )
    await appender.submit(publish_policy(terms))
    await appender.submit(register_artists([ArtistRow(ARTIST, "Ana K.")]))
    await appender.submit(put_content([ContentRow(TRACK, (ARTIST,))]))
    await appender.submit(
        record_deliveries(f"{VOICE}:1", [DeliveryRow(ARTIST, Outcome.DELIVERED, "email")])
    )
    ana = Actor(ARTIST, is_platform=False)
    await appender.submit(grant_delegate(ARTIST, LABEL, ana, may_opt_in=True))
    yes = Statement(Answer.OPT_IN, SAID, "settings_page", EXPIRES)
    await appender.submit(record_seeing(ARTIST, yes, ana))
    await appender.submit(
        record_seeing(ARTIST, Statement(Answer.OPT_OUT, SAID, "settings_page"), ana)
    )


@pytest.fixture
async def told(database_url: str) -> Kept:
    """Return what lies in a ledger with events of every kind."""
    async with appending(database_url) as appender:
        await tell(appender)
    return await kept(database_url)


def written_anew(leaf: bytes) -> bytes:
    """Return the canonical JSON of a leaf by other means than the service's.

    RFC 8785 for texts, whole numbers and ASCII keys is what the standard library writes like this.
    """
    return json.dumps(
        json.loads(leaf), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()


async def test_leaves_are_canonical_and_say_what_their_row_says(told: Kept) -> None:
    """Every stored leaf is the one way to write its JSON, names its kind, and has its nonce."""
    nonces = set()
    for event in told.events:
        leaf = json.loads(event.leaf)
        assert event.leaf == written_anew(event.leaf)
        assert (leaf["v"], leaf["type"]) == (1, event.kind)
        assert len(event.leaf) <= LONGEST_LEAF
        assert len(bytes.fromhex(leaf["nonce"])) == 16
        nonces.add(leaf["nonce"])
    assert len(nonces) == len(told.events)


async def test_a_bulk_event_carries_the_digest_of_its_rows(told: Kept) -> None:
    """Artists, content and deliveries: the batch is kept beside, the leaf has its SHA-256."""
    leaves = {event.revision: json.loads(event.leaf) for event in told.events}
    bulk = {revision for revision, leaf in leaves.items() if "digest" in leaf}
    assert [leaves[n]["type"] for n in sorted(bulk)] == [
        "artists.registered",
        "content.put",
        "notice.delivered",
    ]
    assert bulk == set(told.batches)
    for revision, body in told.batches.items():
        assert body == written_anew(body)
        assert leaves[revision]["digest"] == sha256(body).hexdigest()
        assert leaves[revision]["count"] == len(json.loads(body))


async def test_the_ledger_names_no_artist_and_tells_nothing_of_what_they_said(
    told: Kept, database_url: str
) -> None:
    """No id, name or delegate of an artist stands in any leaf or batch, in no record its answer.

    What the private part of an event holds is not to be read without the key either.
    """
    public = b"\n".join([*(event.leaf for event in told.events), *told.batches.values()])
    for who in (ARTIST, "Ana K.", LABEL):
        assert who.encode() not in public
    private = [e for e in told.events if e.kind in {"consent.recorded", "delegate.granted"}]
    assert len(private) == 3
    async with connected(database_url) as connection:
        sealed = await connection.fetch("SELECT ciphertext FROM private.event_details")
    spoken = ("opt_in", "opt_out", VOICE, "training", TRACK, "tuney", "2096", "settings", "artist")
    for text in [event.leaf for event in private] + [row["ciphertext"] for row in sealed]:
        assert not [word for word in spoken if word.encode() in text]
    for event in private:
        fields = set(json.loads(event.leaf))
        assert fields == {"v", "type", "at", "nonce", "subject", "commitment"}


async def test_two_records_that_say_the_same_look_different(database_url: str) -> None:
    """So that nobody learns from a leaf what another one says."""
    no = Statement(Answer.OPT_OUT, Scope("*"), "settings_page")
    async with appending(database_url) as appender:
        await open_ledger(appender)
        await appender.submit(register_artists([ArtistRow(ARTIST)]))
        for _ in range(2):
            await appender.submit(record_seeing(ARTIST, no, Actor(ARTIST, is_platform=False)))

    leaves = [json.loads(e.leaf) for e in (await kept(database_url)).events[2:]]
    assert leaves[0]["commitment"] != leaves[1]["commitment"]


async def private_part(url: str, revision: int) -> Any:
    """Return the private part of an event and its subject's wrapped key."""
    async with connected(url) as connection:
        return await connection.fetchrow(
            "SELECT ciphertext, wrapped_key FROM private.event_details"
            " JOIN private.subjects USING (subject) WHERE revision = $1",
            revision,
        )


async def test_a_commitment_is_opened_with_the_artists_key_and_with_no_other(
    told: Kept, database_url: str
) -> None:
    """The leaf commits to exactly what is sealed beside it, under a key of that one event."""
    event = told.events[-1]
    leaf = json.loads(event.leaf)
    row = await private_part(database_url, event.revision)
    sealed = Sealed(leaf["commitment"], row["ciphertext"])
    nonce = bytes.fromhex(leaf["nonce"])

    said = vault().open(row["wrapped_key"], nonce, event.revision, sealed)
    assert json.loads(said)["answer"] == "opt_out"
    artists_key = aes_key_unwrap(KEY, row["wrapped_key"])
    event_key = rfc_5869(artists_key, b"fermata/event/commit/" + nonce)
    assert hmac.new(event_key, said, sha256).hexdigest() == leaf["commitment"]
    stranger = vault().new_subject()
    with pytest.raises(CommitmentBroken):
        vault().open(stranger.wrapped_key, nonce, event.revision, sealed)
    with pytest.raises(CommitmentBroken):
        Vault(bytes(32), os.urandom).open(row["wrapped_key"], nonce, event.revision, sealed)


async def test_what_was_written_is_read_back(told: Kept, database_url: str) -> None:
    """The tail gives every event with its public part, its rows and what was said."""
    async with connected(database_url) as connection:
        events = await tail(connection, vault(), 0, limit=100)
        assert await tail(connection, vault(), 3, limit=2) == events[3:5]

    assert [event.leaf_hash for event in events] == [event.leaf_hash for event in told.events]
    assert [event.kind for event in events] == [event.kind for event in told.events]
    details = [event.details for event in events if event.details is not None]
    assert [said.get("answer") for said in details] == [None, "opt_in", "opt_out"]
    assert details[1]["expires_at"] == "2096-10-02T07:06:40.000000Z"
    assert [len(event.rows) for event in events if event.rows is not None] == [1, 1, 1]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
values = st.recursive(
    st.one_of(texts, st.booleans(), st.none(), st.integers(-(2**53) + 1, 2**53 - 1)),
    lambda inner: st.lists(inner, max_size=4),
)
fields = st.dictionaries(st.from_regex("f_[a-z]{1,9}", fullmatch=True), values, max_size=8)


@given(fields, st.integers(0, 250_000_000_000_000_000), st.binary(min_size=16, max_size=16))
def test_any_public_part_has_one_leaf(public: Any, at: Instant, nonce: bytes) -> None:
    """Whatever texts it holds: canonical bytes, from which it is read back as it was."""
    leaf = leaf_bytes(
        NewEvent(Kind.USE_NAMED, public),
        recorded_at=at,
        nonce=nonce,
        batch_digest=None,
        commitment=None,
    )
    assert leaf == written_anew(leaf)
    assert {name: json.loads(leaf)[name] for name in public} == public


async def test_a_leaf_too_long_for_the_tiles_is_never_written(database_url: str) -> None:
    """An entry's length has to fit into 16 bits; what would not fit leaves no trace."""
    async with appending(database_url) as appender:
        await open_ledger(appender)
        await appender.submit(recording_only("a" * 32_600))  # it stands there twice
        with pytest.raises(ValueError, match="65535 bytes"):
            await appender.submit(recording_only("a" * 32_800))

    found = await kept(database_url)
    assert found.size == len(found.events) == 2
    assert 65_000 < len(found.events[-1].leaf) <= LONGEST_LEAF
