"""Handing a write to the ledger: idempotent, and answered only once it is durable."""

import hmac
from typing import Annotated, ClassVar, Final

from fastapi import Depends, Header
from starlette.requests import Request
from starlette.responses import Response

from service.api.access import client_of
from service.api.context import TheServices
from service.api.media import require_json
from service.auth.principal import Principal
from service.ledger.append import IdempotencyClaim, Write
from service.ledger.events import Json

MOST_BESIDE_OTHERS: Final = 100
"""How many rows a write may have and still share a transaction with others."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Any text of your own. A repeated request with the same key is answered as the "
        "first was and does nothing again; with another body it is refused.",
    ),
]


class Writing:
    """Submits the write of one request."""

    takes_body: ClassVar[bool] = True

    def __init__(
        self,
        request: Request,
        response: Response,
        services: TheServices,
        key: IdempotencyKey = None,
    ) -> None:
        """Take the request whose key and body a repetition is recognised by.

        Raises BodyNotJson where it has a body of another kind.
        """
        if self.takes_body and request.method != "DELETE":
            require_json(request)
        self._request = request
        self._response = response
        self._appender = services.appender
        self._digest_key = services.repeated_writes
        self._key = key

    async def submit(
        self, principal: Principal, write: Write, *, rows: int = 1, part: int = 0
    ) -> Json:
        """Return the write's answer once it is durable. Raises what `Appender.submit` does.

        `rows` is how many rows it has, for many have to let others pass. `part` counts the writes
        of one request, each of which is done once under its key.
        """
        claim, large = await self._claim(principal, part), rows > MOST_BESIDE_OTHERS
        answered = await self._appender.submit(write, claim, large=large)
        if answered.replayed:
            self._response.headers["Idempotency-Replayed"] = "true"
        return answered.body

    async def _claim(self, principal: Principal, part: int) -> IdempotencyClaim | None:
        if self._key is None:
            return None
        asked = f"{self._request.method} {self._request.url.path}?{self._request.url.query}\n"
        body = await self._request.body()
        digest = hmac.digest(self._digest_key, asked.encode() + body, "sha256")
        # No header can hold this separator, so no key of anybody's is a part of another.
        key = f"{self._key}\x1f{part}" if part else self._key
        return IdempotencyClaim(client_of(principal, self._digest_key), key, digest)


class BodilessWriting(Writing):
    """Submits the write of a request that has nothing to say beside its address."""

    takes_body: ClassVar[bool] = False


TheWriting = Annotated[Writing, Depends(Writing)]
WithoutBody = Annotated[Writing, Depends(BodilessWriting)]
