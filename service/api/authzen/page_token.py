"""Page tokens: where a search goes on, at which revision it began, and of which search it is.

A token opens nothing: whatever page it names is judged anew, and is given to nobody who could not
have asked for it. So it is not secret, only opaque.
"""

import base64
import json
from hashlib import sha256
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from service.api.problems import BodyMalformed
from service.api.schemas.types import LARGEST_REVISION

_Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_REVISION)]
_ASKED: Final = ("subject", "action", "resource", "context")


class PageToken(msgspec.Struct, array_like=True):
    """Where the next page begins, and what has to stay the same until then."""

    search: bytes
    limit: _Number
    first_revision: _Number = 0
    revision: _Number = 0
    after: _Number | str | None = None

    def text(self) -> str:
        """Return it as it goes over the wire."""
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).rstrip(b"=").decode()


def read_token(text: str, search: bytes) -> PageToken:
    """Read a token of this search. Raises BodyMalformed."""
    try:
        data = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        token = msgspec.msgpack.decode(data, type=PageToken)
    except (ValueError, msgspec.DecodeError):
        message = "page.token: this is no token of ours; send the `next_token` of the page before"
        raise BodyMalformed(message) from None
    if token.search != search:
        message = (
            "page.token: this token is of another search; between pages nothing may change but the "
            "token (section 8.2)"
        )
        raise BodyMalformed(message)
    return token


def digest(searched: str, body: bytes) -> bytes:
    """Return what tells searches apart: what is searched for, and every entity as it was sent.

    Raises BodyMalformed for what cannot be compared.
    """
    try:
        sent: dict[str, Any] = json.loads(body)
        page: dict[str, Any] = sent.get("page") or {}
        asked = [searched, *(sent.get(name) for name in _ASKED), page.get("properties")]
        return sha256(json.dumps(asked, sort_keys=True).encode()).digest()[:16]
    except (ValueError, RecursionError):
        message = "the body holds numbers too long, or is nested too deeply"
        raise BodyMalformed(message) from None
