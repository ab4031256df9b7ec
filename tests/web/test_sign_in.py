"""Signing in to the pages by the local issuer; a certified one is in test_sign_in_certified.py."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.requests import Request

from service.app import create_app
from service.auth.local_issuer import LocalIssuer
from service.auth.scopes import Scope
from service.ledger.derived_keys import SESSIONS, derived_key
from service.running import NotConfigured
from service.settings import Settings, read_key
from service.web.context import AUDIT, SETTINGS, send_to_sign_in
from service.web.sealed import Seal
from service.web.session import COOKIE, Session
from service.web.sign_in import COOKIE as ATTEMPT
from service.web.sign_in import asked_for, way_back
from tests.api.door import ADDRESS, KEY, Door, open_door
from tests.web.surfing import Page, Surfer

HOUR: Final = timedelta(hours=1)


async def test_an_artist_signs_in_where_the_issuer_is_local(door: Door, surfer: Surfer) -> None:
    """Out of the box: nothing of it has to be configured."""
    back = await surfer.sign_in("ana", "/settings/history?before=12")
    assert back.headers["location"] == "/settings/history?before=12"
    session = surfer.session(door.app)
    assert session is not None
    assert session.subject == "ana"


async def test_cookies_are_kept_from_scripts_and_from_other_sites(surfer: Surfer) -> None:
    """Of the attempt and of the session alike, both of which end by themselves."""
    began = await surfer.get("/settings/sign-in")
    ended = await surfer.sign_in("ana")
    for name, response, seconds in ((ATTEMPT, began, 900), (COOKIE, ended, 7_200)):
        (cookie,) = [
            one
            for one in response.headers.get_list("set-cookie")
            if one.startswith(f"{name}=") and "Max-Age=0" not in one
        ]
        attributes = [part.strip() for part in cookie.split(";")[1:]]
        ages = [int(part.partition("=")[2]) for part in attributes if part.startswith("Max-Age")]
        assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(attributes)
        assert not any(part.lower().startswith("domain") for part in attributes)
        assert seconds - 60 <= ages[0] <= seconds
    assert surfer.cookie(ATTEMPT) is None


async def test_cookies_say_nothing_to_who_reads_them(surfer: Surfer) -> None:
    """They are encrypted: neither the name nor the form token stands in them."""
    await surfer.sign_in("ana-whose-name-is-long-enough-to-be-found")
    sealed = surfer.cookie(COOKIE) or ""
    parts = [urlsafe_b64decode(part + "==") for part in sealed.split(".")]
    assert not any(b"ana-whose" in part for part in parts)


async def test_each_sign_in_is_a_new_session(door: Door, surfer: Surfer) -> None:
    """Whoever left a session of theirs in a browser knows nothing of the next one (fixation)."""
    await surfer.sign_in("mallory")
    left, before = surfer.cookie(COOKIE), surfer.session(door.app)
    await surfer.sign_in("ana")
    after = surfer.session(door.app)
    assert before is not None
    assert after is not None
    assert after.subject == "ana"
    assert after.csrf_token != before.csrf_token
    assert surfer.cookie(COOKIE) != left


async def test_another_replica_knows_the_session(
    door: Door, surfer: Surfer, issuer: LocalIssuer
) -> None:
    """Nothing is kept in the process; the key is what replicas share."""
    await surfer.sign_in("ana")
    async with open_door(door.database_url, issuer) as replica:
        session = surfer.session(replica.app)
        assert session is not None
        assert session.subject == "ana"


async def test_another_key_or_issuer_knows_no_session(
    door: Door, surfer: Surfer, issuer: LocalIssuer
) -> None:
    """A name that one issuer vouched for is somebody else's with another."""
    await surfer.sign_in("ana")
    web, key = door.app.state.web, derived_key(read_key(KEY.get_secret_value()), SESSIONS)
    sealed, now = surfer.cookie(COOKIE), web.clock.now()
    assert Seal(key, f"fermata-session+{issuer.url}").open(sealed, now) is not None
    assert Seal(key, "fermata-session+https://other.example").open(sealed, now) is None
    assert Seal(bytes(32), f"fermata-session+{issuer.url}").open(sealed, now) is None


async def test_a_session_ends_two_hours_after_its_last_use(door: Door, surfer: Surfer) -> None:
    """Whoever leaves a browser open has not left it open for ever."""
    await surfer.sign_in("ana")
    await door.advance(2 * HOUR - timedelta(seconds=1))
    assert surfer.session(door.app) is not None
    await door.advance(timedelta(seconds=1))
    assert surfer.session(door.app) is None


async def test_a_session_in_use_goes_on_but_never_beyond_twelve_hours(
    door: Door, surfer: Surfer
) -> None:
    """Each use prolongs it by a new cookie; signing in again is asked for once half a day."""
    await surfer.sign_in("ana")
    used = 0
    while await signed_in(door, surfer):
        used += 1
        await door.advance(HOUR)
    assert used == 12


async def signed_in(door: Door, surfer: Surfer) -> bool:
    """Use the session, by a form that is refused for its token; tell whether there was one."""
    answer = await surfer.post("/settings/sign-out", {"csrf_token": "another"})
    return answer.status_code == 403


@pytest.mark.parametrize("at", [0, 40, 120, 200, -1])
async def test_a_cookie_that_was_changed_is_no_session(door: Door, surfer: Surfer, at: int) -> None:
    """Nor is one whose end was cut off; both are as if there were none."""
    await surfer.sign_in("ana")
    sealed = surfer.cookie(COOKIE) or ""
    other = "B" if sealed[at] != "B" else "C"
    changed = sealed[: at % len(sealed)] + other + sealed[at % len(sealed) + 1 :]
    for forged in (changed, sealed[:-1], sealed + "A", "", "x", "é", "a" * 9_000, sealed + "."):
        surfer.http.cookies.clear()
        surfer.http.cookies.set(COOKIE, forged.encode("latin-1").decode("latin-1"))
        assert surfer.session(door.app) is None, forged


async def test_a_seal_made_for_one_thing_is_nothing_to_another(door: Door, surfer: Surfer) -> None:
    """The cookie of an attempt is no session, and that of a session is no attempt."""
    await surfer.get("/settings/sign-in")
    attempt = surfer.cookie(ATTEMPT) or ""
    await surfer.sign_in("ana")
    session = surfer.cookie(COOKIE) or ""
    web = door.app.state.web
    surfer.http.cookies.clear()
    surfer.http.cookies.set(COOKIE, attempt)
    assert surfer.session(door.app) is None
    assert web.attempts.open(session, web.clock.now()) is None


async def test_a_session_is_no_access_token(door: Door, surfer: Surfer) -> None:
    """Nor does the API listen to cookies: whoever sends one there is asked for a token."""
    await surfer.sign_in("ana")
    sealed = surfer.cookie(COOKIE)
    as_token = await surfer.get(
        "/v1/artists/ana/consents", Authorization=f"Bearer {sealed}", Cookie=""
    )
    as_cookie = await surfer.get("/v1/artists/ana/consents")
    assert as_token.status_code == as_cookie.status_code == 401
    assert as_cookie.json()["errors"][0]["code"] == "missing"


async def test_an_access_token_is_no_session(
    door: Door, surfer: Surfer, issuer: LocalIssuer
) -> None:
    """Pages take no token, wherever it is put."""
    token = issuer.mint("ana", "settings-page", [])
    surfer.http.cookies.set(COOKIE, token)
    assert surfer.session(door.app) is None
    answer = await surfer.post("/settings/sign-out", {}, Authorization=f"Bearer {token}")
    assert answer.headers["location"] == "/settings/signed-out"


async def test_a_wrong_state_signs_nobody_in(door: Door, surfer: Surfer) -> None:
    """Whatever else is right: the answer is to another sign-in than this browser's."""
    began = await surfer.get("/settings/sign-in")
    assert began.status_code == 303
    for query in ("", "?code=abc", "?code=abc&state=", "?code=abc&state=wrong", "?state=%FF"):
        kept = surfer.cookie(ATTEMPT)
        answer = await surfer.get(f"/settings/callback{query}", Cookie=f"{ATTEMPT}={kept}")
        assert answer.status_code == 400
        assert "start again" in Page(answer.text).words
        assert surfer.cookie(COOKIE) is None


async def test_an_attempt_is_spent_once_and_for_a_quarter_of_an_hour(
    door: Door, surfer: Surfer
) -> None:
    """The browser forgets it on the way back, and it ends by itself where it is kept."""
    began = await surfer.get("/settings/sign-in")
    fields = Page((await surfer.follow(began)).text).form("/oauth/authorize")
    back = await surfer.post("/oauth/authorize", fields | {"subject": "ana"})
    await door.advance(timedelta(minutes=15))
    late = await surfer.follow(back)
    assert late.status_code == 400
    assert surfer.cookie(COOKIE) is None
    assert surfer.cookie(ATTEMPT) is None


async def test_the_answer_of_another_issuer_is_refused(surfer: Surfer) -> None:
    """Mixing issuers up is how a code ends up with the wrong one (RFC 9207)."""
    began = await surfer.get("/settings/sign-in")
    fields = Page((await surfer.follow(began)).text).form("/oauth/authorize")
    back = await surfer.post("/oauth/authorize", fields | {"subject": "ana"})
    address = back.headers["location"]
    kept = surfer.cookie(ATTEMPT)
    for forged in (
        address.replace("iss=http%3A%2F%2F127.0.0.1", "iss=https%3A%2F%2Fother.example"),
        address.replace("&iss=", "&was="),
    ):
        answer = await surfer.get(forged, Cookie=f"{ATTEMPT}={kept}")
        assert answer.status_code == 502, forged
        assert surfer.cookie(COOKIE) is None


async def test_whoever_declines_is_told_so(surfer: Surfer) -> None:
    """With the way to try again."""
    began = await surfer.get("/settings/sign-in")
    fields = Page((await surfer.follow(began)).text).form("/oauth/authorize")
    answer = await surfer.follow(await surfer.post("/oauth/authorize", fields | {"decline": "yes"}))
    assert answer.status_code == 403
    assert "/settings/sign-in" in Page(answer.text).links


async def test_at_home_signing_in_goes_on_under_the_public_name(surfer: Surfer) -> None:
    """`localhost` and 127.0.0.1 are one machine with two jars of cookies."""
    began = await surfer.get("/settings/sign-in?to=/settings/x", Host="localhost:8080")
    assert began.headers["location"] == f"{ADDRESS}/settings/sign-in?to=/settings/x"


@pytest.mark.parametrize(
    ("path", "query", "to"),
    [
        ("/settings", "", "/settings"),
        ("/settings/tracks", "q=a%26b&lang=de", "/settings/tracks?q=a%26b&lang=de"),
    ],
)
def test_a_page_that_needs_somebody_leads_through_sign_in_and_back(
    path: str, query: str, to: str
) -> None:
    """With what was asked of it."""
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode()}
    scope |= {"headers": [], "scheme": "http", "server": ("127.0.0.1", 8080)}
    answer = send_to_sign_in(Request(scope))
    location = urlsplit(answer.headers["location"])
    assert answer.status_code == 303
    assert location.path == "/settings/sign-in"
    assert parse_qs(location.query) == {"to": [to]}
    assert way_back(to) == to


async def test_signing_out_ends_the_session_and_can_be_repeated(door: Door, surfer: Surfer) -> None:
    """The cookie is gone, and a second click is no error."""
    await surfer.sign_in("ana")
    session = surfer.session(door.app)
    assert session is not None
    out = await surfer.post("/settings/sign-out", {"csrf_token": session.csrf_token})
    assert out.status_code == 200
    assert "signed out" in Page(out.text).words
    assert "refresh" not in out.headers
    assert surfer.cookie(COOKIE) is None
    again = await surfer.post("/settings/sign-out", {"csrf_token": session.csrf_token})
    assert (await surfer.follow(again)).status_code == 200


async def test_signing_out_late_does_not_bring_the_session_back(door: Door, surfer: Surfer) -> None:
    """A session that is due to be prolonged is not, by the form that ends it."""
    await surfer.sign_in("ana")
    session = surfer.session(door.app)
    assert session is not None
    await door.advance(HOUR)
    out = await surfer.post("/settings/sign-out", {"csrf_token": session.csrf_token})
    assert len(out.headers.get_list("set-cookie")) == 1
    assert surfer.cookie(COOKIE) is None


async def test_opening_the_address_of_signing_out_signs_nobody_out(
    door: Door, surfer: Surfer
) -> None:
    """A picture on another site could."""
    await surfer.sign_in("ana")
    assert (await surfer.get("/settings/sign-out")).status_code == 405
    assert surfer.session(door.app) is not None


async def test_a_long_id_token_is_not_kept(door: Door) -> None:
    """Browsers drop cookies beyond 4,096 bytes, and the session would be gone with it."""
    sessions = door.app.state.web.sessions
    now = door.clock.now()
    for length, is_kept in ((100, True), (2_000, True), (2_800, False), (20_000, False)):
        cookie = sessions._cookie(Session("ana", "t" * 43, now, now, "x" * length))
        assert len(cookie) <= 4_096
        assert (len(cookie) > length) == is_kept


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/settings",
        "//evil.example/settings",
        "/\\evil.example",
        "\\/evil.example",
        "/settings\\@evil.example",
        "/settings/../../evil",
        "/settings/%2e%2e/v1/artists",
        "/settings/%252e%252e/v1/artists",
        "/settings/./sign-out",
        "/settingsevil",
        "/settings.evil.example",
        "/settings@evil.example",
        "/settings\r\nSet-Cookie: a=b",
        "/settings\t/x",
        "/settings/é",
        "/settings?to=\x00",
        "javascript:alert(1)",
        "/policies",
        "/auditors",
        "/audit/../v1/exports",
        "/audit@evil.example",
        "settings",
        " /settings",
        "/settings/sign-in",
        "/settings/sign-out",
        "/settings/callback?code=1",
        "/settings/signed-out",
        "/settings/" + "a" * 2_000,
        "",
        None,
    ],
)
def test_sign_in_leads_nowhere_but_to_pages_of_ours(to: str | None) -> None:
    """Whoever sends somebody a link to sign in does not get to say where they end up."""
    assert way_back(to) == SETTINGS


@pytest.mark.parametrize(
    "to",
    [
        "/settings",
        "/settings?lang=de",
        "/settings/artists/a%2Fb",
        "/settings/history?before=12&lang=pt-BR",
        "/settings/tracks?q=d%C3%A9j%C3%A0+vu",
        "/audit",
        "/audit/consents?use=*&from=2026-03-01",
        "/audit/artists/a%2Fb",
    ],
)
def test_sign_in_leads_back_to_a_page_of_ours(to: str) -> None:
    """Where somebody wanted to go when they were asked who they are."""
    assert way_back(to) == to


_ODD = st.text(alphabet="/.\\%25efst?#:@ing", max_size=30)


@given(st.text() | _ODD.map("/settings".__add__) | _ODD.map("/audit".__add__))
def test_wherever_sign_in_leads_is_under_settings_or_audit(to: str) -> None:
    """Whatever it is asked; and the role is asked for on the way to the console alone."""
    found = way_back(to)
    path = found.partition("?")[0]
    assert path in {SETTINGS, AUDIT} or path.startswith((f"{SETTINGS}/", f"{AUDIT}/"))
    assert (asked_for(found) == {Scope.AUDIT}) == path.startswith(AUDIT)
    assert found.isascii()
    assert ".." not in found.partition("?")[0].split("/")


async def test_no_key_opens_what_it_did_not_seal() -> None:
    """Another key, another header, an unsealed token: none of them is opened, and none raises."""
    seal = Seal(bytes(range(32)), "a")
    sealed = seal.close({"n": 1}, expires_at=10)
    assert seal.open(sealed, 9) == {"n": 1}
    assert seal.open(sealed, 10) is None
    header = urlsafe_b64encode(b'{"alg":"none","enc":"A256GCM","typ":"a"}').rstrip(b"=").decode()
    for forged in ("....", f"{header}....", sealed.replace(sealed.split(".")[0], header), None):
        assert seal.open(forged, 9) is None
    with pytest.raises(ValueError, match="32 bytes"):
        Seal(b"short", "a")


def settings(**changes: object) -> Settings:
    """Settings of a service with a real issuer."""
    given_ = {
        "database_url": "postgresql://nowhere/x",
        "key_encryption_key": KEY,
        "issuer": "https://issuer.example",
        "login_client_id": "pages",
        "login_client_secret": SecretStr("secret"),
    }
    return Settings(**(given_ | changes))  # type: ignore[arg-type]


def test_sign_in_needs_to_know_where_the_pages_are() -> None:
    """The provider leads people back there; the operator is told at the start, not the artist."""
    with pytest.raises(NotConfigured, match="FERMATA_PUBLIC_URL"):
        create_app(settings())


@pytest.mark.parametrize("public_url", ["http://fermata.example", "fermata.example", "ftp://x"])
def test_sign_in_is_not_offered_over_plain_http(public_url: str) -> None:
    """Codes and cookies would be anybody's on the way; browsers would drop the cookies besides."""
    with pytest.raises(ValueError, match="public URL must be an https URL"):
        create_app(settings(public_url=public_url))
