"""What a form came to, carried in the address that it leads back to.

The address says so with a proof that only pages of this sign-in can make: whoever follows a link
that somebody else made up is told nothing that never happened.
"""

import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request

from service.web.session import Session

_FIELDS: Final = frozenset(
    {"at", "done", "note", "read", "recorded", "restored", "stopped", "undone", "uses"}
)
_PROOF: Final = "proof"


def address_of(session: Session, said: Mapping[str, object]) -> str:
    """Return the query that carries what a form came to; its names are among those known here."""
    told = {name: str(value) for name, value in said.items()}
    return urlencode({**told, _PROOF: _proof(session, told)})


def outcome_of(session: Session, request: Request) -> Mapping[str, str]:
    """Return what the address says that a form came to; nothing where no page of ours said it."""
    query = request.query_params
    told = {name: value for name, value in query.items() if name in _FIELDS}
    proven = hmac.compare_digest(query.get(_PROOF, "").encode(), _proof(session, told).encode())
    return told if proven else {}


def _proof(session: Session, told: Mapping[str, str]) -> str:
    said = f"what a form came to: {urlencode(sorted(told.items()))}"
    return hmac.new(session.csrf_token.encode(), said.encode(), "sha256").hexdigest()
