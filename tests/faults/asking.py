"""Asking a service over the network in anybody's name, with tokens of its local issuer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2

from service.auth.local_grant import SETTINGS_PAGE
from tests.faults.process import SECRET
from tests.faults.traffic import Ask

MACHINES: Final = {"pipeline", "platform", "policy-desk", "compliance"}
"""Everybody else is an artist, who comes by the settings page."""


@asynccontextmanager
async def over_the_network(url: str) -> AsyncIterator[Ask]:
    """Return what asks a service on this machine; tokens outlive the service that made them."""
    tokens: dict[str, str] = {}
    async with httpx2.AsyncClient(base_url=url, timeout=30) as http:

        async def token(who: str) -> str:
            client = who if who in MACHINES else SETTINGS_PAGE
            form = {"grant_type": "client_credentials"}
            if client == SETTINGS_PAGE:
                form["subject"] = who
            answer = await http.post("/oauth/token", data=form, auth=(client, SECRET))
            issued: str = answer.json()["access_token"]
            return issued

        async def ask(
            method: str, path: str, body: Any, *, who: str, key: str | None = None
        ) -> httpx2.Response:
            if who not in tokens:
                tokens[who] = await token(who)
            headers = {"Authorization": f"Bearer {tokens[who]}"}
            if key is not None:
                headers["Idempotency-Key"] = key
            return await http.request(method, path, json=body, headers=headers)

        yield ask
