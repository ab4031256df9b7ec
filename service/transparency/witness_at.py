"""A witness as we meet it: where it is asked, the key of its cosignatures, and what it answers."""

from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import Final

import httpx2

from service.transparency.keys import KeyType, VerifierKey, parse_verifier_key
from service.transparency.note import BadNote

_LARGEST_ANSWER: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class WitnessAt:
    """A witness: where it is asked, and the key of its cosignatures."""

    url: str
    key: VerifierKey


def parse_witness(text: str) -> WitnessAt:
    """Read an address and a verifier key with a space between. Raises ValueError."""
    url, found, key = text.strip().partition(" ")
    if not found or not url.startswith(("https://", "http://")):
        raise ValueError("a witness is its address, a space, and its verifier key")
    try:
        parsed = parse_verifier_key(key.strip())
    except BadNote as error:
        raise ValueError(f"the key of the witness at {url} cannot be used: {error}") from error
    if parsed.type is not KeyType.WITNESS:
        raise ValueError(f"the key of the witness at {url} is a log's: take the one of type 4")
    return WitnessAt(url.rstrip("/"), parsed)


async def add_checkpoint(
    http: httpx2.AsyncClient, witness: WitnessAt, content: bytes
) -> tuple[int, str]:
    """Ask for a cosignature; return the status and the text of the answer.

    Raises BadNote where that is too long, and what httpx2 raises.
    """
    return await _answer(http, "POST", f"{witness.url}/add-checkpoint", content)


async def newest_checkpoint(
    http: httpx2.AsyncClient, witness: WitnessAt, origin: str
) -> str | None:
    """Return what a witness says is the newest checkpoint of a log, None where it knows of none.

    Nobody has verified it yet. Raises BadNote where the answer is none, and what httpx2 raises.
    """
    digest = sha256(origin.encode()).hexdigest()
    status, text = await _answer(http, "GET", f"{witness.url}/{digest}/checkpoint")
    if status == HTTPStatus.NOT_FOUND:
        return None
    if status != HTTPStatus.OK:
        raise BadNote(f"it answers {status}")
    return text


async def _answer(
    http: httpx2.AsyncClient, method: str, url: str, content: bytes | None = None
) -> tuple[int, str]:
    read = b""
    async with http.stream(method, url, content=content) as response:
        async for part in response.aiter_bytes():
            read += part
            if len(read) > _LARGEST_ANSWER:
                raise BadNote("the answer is too long")
    return response.status_code, read.decode(errors="replace")
