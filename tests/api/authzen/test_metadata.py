"""Section 9, the Policy Decision Point's metadata, plain and signed."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from pydantic import SecretStr, ValidationError

from service.app import create_app
from service.auth.local_issuer import LocalIssuer
from service.settings import Settings
from tests.api.door import ADDRESS, KEY, Door, open_door

CONFIGURATION: Final = "/.well-known/authzen-configuration"
KEYS: Final = "/.well-known/authzen-jwks.json"
PDP: Final = "https://pdp.example"
PRIVATE: Final = ECKey.generate_key("P-256")
PEM: Final = PRIVATE.as_pem(private=True).decode()
JWK: Final = json.dumps(PRIVATE.as_dict(private=True))
ENDPOINTS: Final = {
    "access_evaluation_endpoint": "/access/v1/evaluation",
    "access_evaluations_endpoint": "/access/v1/evaluations",
    "search_subject_endpoint": "/access/v1/search/subject",
    "search_resource_endpoint": "/access/v1/search/resource",
    "search_action_endpoint": "/access/v1/search/action",
}


async def metadata_of(door: Door, **headers: str) -> Any:
    """Return the metadata, which needs no token."""
    response = await door.http.get(CONFIGURATION, headers=headers)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()


async def test_9_1_1_and_9_2_2_the_metadata_name_every_endpoint(
    movable_url: str, issuer: LocalIssuer
) -> None:
    """At the identifier that is configured; what has no value is left out."""
    async with open_door(movable_url, issuer, pdp_url=PDP) as door:
        expected = {name: PDP + path for name, path in ENDPOINTS.items()}
        assert await metadata_of(door) == {"policy_decision_point": PDP} | expected
        answer = await door.http.get(CONFIGURATION, headers={"X-Request-ID": "7"})
        assert answer.headers["x-request-id"] == "7"
        assert answer.headers["cache-control"] == "public, max-age=300"


@pytest.mark.parametrize(
    ("changes", "identifier"),
    [
        ({"pdp_url": f"{PDP}/"}, PDP),
        ({"pdp_url": PDP, "public_url": "https://artists.example"}, PDP),
        ({"public_url": "https://artists.example"}, "https://artists.example"),
        ({"public_url": "https://artists.example/music", "pdp_url": PDP}, PDP),
        ({}, ADDRESS),
    ],
)
async def test_9_2_3_the_identifier_is_the_address_asked(
    movable_url: str, issuer: LocalIssuer, changes: Any, identifier: str
) -> None:
    """With the well-known path taken off, it is what the caller started from."""
    async with open_door(movable_url, issuer, **changes) as door:
        assert (await metadata_of(door))["policy_decision_point"] == identifier


async def test_without_a_fit_address_there_are_no_metadata(
    movable_url: str, issuer: LocalIssuer
) -> None:
    """An address with a path has its metadata elsewhere; we say what to set."""
    async with open_door(movable_url, issuer, public_url="https://x.example/music") as door:
        response = await door.http.get(CONFIGURATION)
        assert response.status_code == 404
        assert "FERMATA_PDP_URL" in response.json()["detail"]


@pytest.mark.parametrize(
    "header", ["Host", "X-Forwarded-Host", "Forwarded", "X-Forwarded-Proto", "X-Original-URL"]
)
async def test_trap_no_header_moves_the_metadata(
    movable_url: str, issuer: LocalIssuer, header: str
) -> None:
    """OpenFGA (#3057) built them from the Host header: whoever sent it, chose who decides."""
    async with open_door(movable_url, issuer, pdp_url=PDP) as door:
        plain = await metadata_of(door)
        assert await metadata_of(door, **{header: "evil.example"}) == plain


@pytest.mark.parametrize("text", [PEM, JWK], ids=["PEM", "JWK"])
async def test_9_1_3_signed_metadata_say_the_same(
    movable_url: str, issuer: LocalIssuer, text: str
) -> None:
    """A JWS with `iss`, whose claims are the plain ones, by a key that is published."""
    changes: dict[str, Any] = {"pdp_url": PDP, "pdp_signing_key": SecretStr(text)}
    async with open_door(movable_url, issuer, **changes) as door:
        metadata = await metadata_of(door)
        published = (await door.http.get(KEYS)).json()
        again = await metadata_of(door)
    signed = metadata.pop("signed_metadata")
    assert metadata["jwks_uri"] == PDP + KEYS
    token = jwt.decode(signed, KeySet.import_key_set(published), algorithms=["ES256"])
    assert token.claims == {"iss": PDP} | metadata
    assert token.header["kid"] == PRIVATE.thumbprint()
    assert "d" not in published["keys"][0]
    assert again["signed_metadata"] == signed


async def test_without_a_key_nothing_is_signed(door: Door) -> None:
    """No `signed_metadata`, no `jwks_uri`, and no keys."""
    assert not {"signed_metadata", "jwks_uri"} & (await metadata_of(door)).keys()
    assert (await door.http.get(KEYS)).json() == {"keys": []}


@pytest.mark.parametrize(
    "changes",
    [
        {"pdp_url": "http://pdp.example"},
        {"pdp_url": "pdp.example"},
        {"pdp_url": f"{PDP}/?x=1"},
        {"pdp_url": f"{PDP}/#x"},
        {"pdp_url": f"{PDP}/tenant"},
        {"pdp_signing_key": SecretStr("secret")},
        {"pdp_signing_key": SecretStr("{}")},
        {"pdp_signing_key": SecretStr(json.dumps(PRIVATE.as_dict(private=False)))},
        {"pdp_signing_key": SecretStr(ECKey.generate_key("P-384").as_pem().decode())},
        {"pdp_signing_key": SecretStr(RSAKey.generate_key(2048).as_pem().decode())},
    ],
)
async def test_9_1_1_what_cannot_be_used_stops_the_start(
    issuer: LocalIssuer, changes: dict[str, Any]
) -> None:
    """An identifier is https, without query or fragment; a key is private and P-256."""
    settings = Settings(database_url="postgresql://nowhere", key_encryption_key=KEY, **changes)
    with pytest.raises(ValueError, match="FERMATA_PDP_"):
        await asyncio.to_thread(create_app, settings, local_issuer=issuer)


def test_a_type_of_resource_has_one_meaning() -> None:
    """A name for both content and artists would make one id two things."""
    with pytest.raises(ValidationError, match="not both"):
        Settings(authzen_content_types=("track", "x"), authzen_artist_types=("x",))


def test_types_are_read_from_a_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With commas between them."""
    monkeypatch.setenv("FERMATA_AUTHZEN_CONTENT_TYPES", "song, stem")
    assert Settings().authzen_content_types == ("song", "stem")
