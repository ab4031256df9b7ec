"""What every answer of the pages tells the browser to refuse."""

import re
from collections.abc import AsyncIterator

import httpx2
import pytest

from service.auth.local_issuer import LocalIssuer
from service.web import site
from service.web.security_headers import CONTENT_SECURITY_POLICY
from service.web.templates import STATIC, asset
from tests.api.door import Door, open_door
from tests.web.surfing import Surfer

PAGES = [
    ("/settings/sign-in", 303),
    ("/settings/signed-out", 200),
    ("/settings/callback", 400),
    ("/settings/sign-out", 405),
    ("/settings/nothing/such", 404),
    ("/opt-out/nothing", 404),
    ("/static/nothing.css", 404),
    ("/static/style.css", 200),
    ("/static/..%2ftemplates.py", 404),
]


@pytest.fixture
async def public(movable_url: str, issuer: LocalIssuer) -> AsyncIterator[Surfer]:
    """Somebody at a browser, before a service whose public address is https."""
    async with open_door(movable_url, issuer, public_url="https://fermata.example") as door:
        somebody = Surfer(door.app)
        async with somebody.http:
            yield somebody


@pytest.mark.parametrize(("path", "status"), PAGES)
async def test_every_answer_has_them(surfer: Surfer, path: str, status: int) -> None:
    """Pages, redirects, refusals and files alike."""
    answer = await surfer.get(path)
    assert answer.status_code == status
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in answer.headers["permissions-policy"]
    assert answer.headers["referrer-policy"] in {"no-referrer", "same-origin"}
    assert "strict-transport-security" not in answer.headers


async def test_over_https_browsers_are_told_to_stay_there(public: Surfer) -> None:
    """For two years; over plain HTTP, at home, nothing is said."""
    answer = await public.get("/settings/signed-out")
    assert answer.headers["strict-transport-security"] == "max-age=63072000"


def test_nothing_is_loaded_from_elsewhere_and_nothing_inline_runs() -> None:
    """The policy names this service or nobody."""
    sources = dict(part.split(" ", 1) for part in CONTENT_SECURITY_POLICY.split("; "))
    assert set(sources.values()) == {"'none'", "'self'"}
    assert sources["default-src"] == sources["base-uri"] == sources["frame-ancestors"] == "'none'"
    assert sources["form-action"] == "'self'"


async def test_personal_pages_are_kept_nowhere(surfer: Surfer) -> None:
    """Not even in the browser, whose next user may go back."""
    answer = await surfer.get("/settings/signed-out")
    assert answer.headers["cache-control"] == "private, no-store"


async def test_a_file_is_kept_for_ever_under_the_address_that_names_its_content(
    surfer: Surfer,
) -> None:
    """Under any other it is asked for again, which costs nothing while it is the same."""
    named = await surfer.get(asset("style.css"))
    plain = await surfer.get("/static/style.css")
    stale = await surfer.get("/static/style.css?v=000000000000")
    again = await surfer.get("/static/style.css", **{"If-None-Match": plain.headers["etag"]})
    assert named.content == plain.content == (STATIC / "style.css").read_bytes()
    assert named.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["cache-control"] == stale.headers["cache-control"] == "public, no-cache"
    assert named.headers["content-type"].startswith("text/css")
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["../site.py", "README.md", "", ".", "..", "style.css/", "x%00"])
async def test_nothing_but_the_files_of_pages_is_served(surfer: Surfer, name: str) -> None:
    """Whatever the name."""
    path = httpx2.URL("http://127.0.0.1:8080").copy_with(raw_path=f"/static/{name}".encode())
    assert (await surfer.http.get(path)).status_code == 404


async def test_a_page_that_breaks_is_a_page_that_says_so(
    door: Door, surfer: Surfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every header, and without a word about the inside."""
    door.app.state.web.sessions._clock = None
    surfer.http.cookies.set("__Host-fermata-session", "x")
    transport = httpx2.ASGITransport(app=door.app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as http:
        answer = await http.post(
            "/settings/sign-out", headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
    assert answer.status_code == 500
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["cache-control"] == "private, no-store"
    assert "<h1>Something broke here</h1>" in answer.text
    assert not re.search(r"Traceback|NoneType|clock", answer.text)


async def test_a_database_that_is_away_is_said_in_words(
    door: Door, surfer: Surfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a page, with when to try again."""

    def away() -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(door.app.state.web.database.__class__, "read", lambda _: away())
    answer = await surfer.get("/settings/signed-out")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert "<h1>Not at the moment</h1>" in answer.text


async def test_the_api_is_left_to_answer_for_itself(surfer: Surfer) -> None:
    """Its addresses never get pages, and those of pages never get problem documents."""
    for path in ("/v1/checks", "/livez", "/settingsx", "/"):
        answer = await surfer.get(path)
        assert "content-security-policy" not in answer.headers
        assert not answer.headers["content-type"].startswith("text/html")
    for prefix in site._PREFIXES:
        answer = await surfer.get(f"/{prefix}/nothing/such/at/all/")
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")
