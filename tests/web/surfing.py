"""A browser as far as these tests need one: cookies, redirects one at a time, forms."""

from collections.abc import Mapping
from html.parser import HTMLParser
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urlencode

import httpx2
from fastapi import FastAPI
from starlette.requests import Request
from typing_extensions import override

from service.web.session import COOKIE, Session, Sessions
from tests.api.door import ADDRESS

# Browsers keep `Secure` cookies of loopback over plain HTTP; Python's jar has to be told.
_SECURE: Final = ("http", "https")
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
SAME_ORIGIN: Final = {"Sec-Fetch-Site": "same-origin", "Origin": ADDRESS}


class Page(HTMLParser):
    """What a page lets somebody do: its forms and its links; and its words."""

    def __init__(self, html: str) -> None:
        """Read the page."""
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(html)
        self.words = " ".join(self.words.split())

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form":
            self.forms.append({"action": found.get("action"), "fields": {}, "buttons": 0})
        elif tag == "input" and found.get("type") == "checkbox" and "checked" not in found:
            pass  # which a browser does not send
        elif tag == "input" and self.forms:
            self.forms[-1]["fields"][found.get("name")] = found.get("value") or ""
        elif tag == "button" and self.forms:
            self.forms[-1]["buttons"] += 1
        elif tag == "a":
            self.links.append(found.get("href") or "")

    @override
    def handle_data(self, data: str) -> None:
        self.words += f" {data}"

    def form(self, action: str | None) -> dict[str, str]:
        """Return the fields of the one form with this action."""
        (found,) = [form for form in self.forms if form["action"] == action]
        fields: dict[str, str] = found["fields"]
        return fields


class Surfer:
    """Somebody at a browser of their own."""

    def __init__(
        self,
        app: FastAPI,
        headers: Mapping[str, str] | None = None,
        *,
        elsewhere: bool = False,
    ) -> None:
        """Open the browser; `headers` go with every request. It may go `elsewhere` than to us."""
        ours = httpx2.ASGITransport(app=app)
        self.http = httpx2.AsyncClient(
            transport=None if elsewhere else ours,
            mounts={ADDRESS: ours},
            base_url=ADDRESS,
            cookies=CookieJar(DefaultCookiePolicy(secure_protocols=_SECURE)),
            headers=dict(headers or {}),
        )

    async def get(self, address: str, **headers: str) -> httpx2.Response:
        """Open an address, following no redirect."""
        return await self.http.get(address, headers=headers)

    async def post(
        self, address: str, form: Mapping[str, str] | None = None, **headers: str
    ) -> httpx2.Response:
        """Send a form as from a page of ours, following no redirect."""
        return await self.http.post(
            address, content=urlencode(form or {}), headers=SAME_ORIGIN | FORM | headers
        )

    async def follow(self, response: httpx2.Response) -> httpx2.Response:
        """Go where a redirect leads."""
        assert response.has_redirect_location, response.text
        return await self.http.get(response.headers["location"])

    async def sign_in(self, subject: str, to: str | None = None) -> httpx2.Response:
        """Sign in by the local issuer; return the last redirect, away from the callback."""
        query = {} if to is None else {"to": to}
        began = await self.http.get("/settings/sign-in", params=query)
        page = Page((await self.follow(began)).text)
        fields = page.form("/oauth/authorize") | {"subject": subject}
        back = await self.post("/oauth/authorize", fields)
        return await self.follow(back)

    def session(self, app: FastAPI) -> Session | None:
        """Return the session that the service sees in this browser."""
        request = Request(
            {"type": "http", "headers": [(b"cookie", f"{COOKIE}={self.cookie(COOKIE)}".encode())]}
        )
        sessions: Sessions = app.state.web.sessions
        return sessions.of(request)

    def cookie(self, name: str) -> str | None:
        """Return a cookie's value, or None."""
        return next((one.value for one in self.http.cookies.jar if one.name == name), None)
