"""Forms of other sites are refused with a page, and change nothing."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from service.web.csrf import (
    LARGEST_FORM,
    MOST_FIELDS,
    BadForm,
    ForeignForm,
    Form,
    require_csrf_token,
    require_same_origin,
)
from service.web.session import Session
from tests.api.door import ADDRESS, Door
from tests.web.surfing import Page, Surfer

SIGN_OUT = "/settings/sign-out"


async def session_of(door: Door, surfer: Surfer) -> Session:
    """Sign somebody in, and return their session."""
    await surfer.sign_in("ana")
    session = surfer.session(door.app)
    assert session is not None
    return session


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": ADDRESS},
        {"Sec-Fetch-Site": "anything"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:8080"},
        {"Origin": "http://127.0.0.1:8081"},
        {"Origin": f"{ADDRESS}.evil.example"},
    ],
)
async def test_a_form_of_another_site_is_refused(
    door: Door, surfer: Surfer, headers: dict[str, str]
) -> None:
    """Even with the right token and the session's cookie: the browser says where it was."""
    session = await session_of(door, surfer)
    answer = await surfer.http.post(
        SIGN_OUT, data={"csrf_token": session.csrf_token}, headers=headers
    )
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")
    assert "Nothing has changed" in Page(answer.text).words
    assert surfer.session(door.app) == session


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin", "Origin": ADDRESS},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": ADDRESS},
        {},
    ],
)
async def test_a_form_of_ours_is_taken(door: Door, surfer: Surfer, headers: dict[str, str]) -> None:
    """Also of a browser that says nothing, or hides where it was: it has the token."""
    session = await session_of(door, surfer)
    answer = await surfer.http.post(
        SIGN_OUT, data={"csrf_token": session.csrf_token}, headers=headers
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("token", [None, "", "wrong", "é"])
async def test_a_form_without_the_token_is_refused(
    door: Door, surfer: Surfer, token: str | None
) -> None:
    """Wherever the browser says that it was."""
    session = await session_of(door, surfer)
    answer = await surfer.post(SIGN_OUT, {} if token is None else {"csrf_token": token})
    assert answer.status_code == 403
    assert surfer.session(door.app) == session


async def test_a_token_in_the_wrong_place_is_none(door: Door, surfer: Surfer) -> None:
    """In an address, a header or a cookie it could have come from elsewhere."""
    session = await session_of(door, surfer)
    answer = await surfer.post(
        f"{SIGN_OUT}?csrf_token={session.csrf_token}",
        {},
        **{"X-CSRF-Token": session.csrf_token, "csrf_token": session.csrf_token},
    )
    assert answer.status_code == 403


async def test_a_token_is_of_one_session(door: Door, surfer: Surfer) -> None:
    """Another person's is none, and neither is that of the same person's last session."""
    before = await session_of(door, surfer)
    await session_of(door, surfer)
    answer = await surfer.post(SIGN_OUT, {"csrf_token": before.csrf_token})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("declared", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("text/plain", b"csrf_token=x", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("", b"csrf_token=x", 415),
        ("application/x-www-form-urlencoded", b"a=" + b"b" * LARGEST_FORM, 413),
        ("application/x-www-form-urlencoded", b"a&" * (MOST_FIELDS + 1), 400),
        ("application/x-www-form-urlencoded", b"a=%00", 400),
        ("application/x-www-form-urlencoded", b"a%00=b", 400),
        ("application/x-www-form-urlencoded", b"a=%FF", 400),
        ("application/x-www-form-urlencoded", b"a=\xff", 400),
    ],
)
async def test_what_is_no_small_form_is_refused_with_a_page(
    door: Door, surfer: Surfer, declared: str, body: bytes, status: int
) -> None:
    """Before anything of it is believed."""
    session = await session_of(door, surfer)
    answer = await surfer.http.post(SIGN_OUT, content=body, headers={"Content-Type": declared})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert surfer.session(door.app) == session


async def test_a_body_larger_than_the_service_takes_is_refused_with_a_page(
    door: Door, surfer: Surfer
) -> None:
    """As soon as its size is declared."""
    await session_of(door, surfer)
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": str(10**10),
    }
    answer = await surfer.http.post(SIGN_OUT, content=b"a=b", headers=headers)
    assert answer.status_code == 413
    assert answer.headers["content-type"].startswith("text/html")


def request(headers: dict[str, str], body: bytes = b"") -> Request:
    """A form as it comes over the wire."""
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "method": "POST", "path": "/settings", "query_string": b""}
    return Request(scope | {"headers": raw, "scheme": "http", "server": ("inside", 80)}, receive)


async def test_fields_keep_their_order_and_their_blanks() -> None:
    """A field sent twice has both values; one left empty is there and empty."""
    declared = {"Content-Type": "Application/X-WWW-Form-Urlencoded; charset=utf-8"}
    form = await Form.read(request(declared, b"a=1&b=&a=%C3%A9+%2B&c"))
    assert (form.get("a"), form.all("a")) == ("1", ["1", "é +"])
    assert (form.get("b"), form.get("c"), form.get("d")) == ("", "", None)
    assert list(form.all("d")) == []


def test_behind_a_proxy_the_public_name_counts() -> None:
    """The name that the proxy asks by is nothing to the browser."""
    sent = request({"Host": "inside", "Origin": "https://fermata.example"})
    require_same_origin(sent, "https://fermata.example")
    with pytest.raises(ForeignForm):
        require_same_origin(sent, None)
    with pytest.raises(ForeignForm):
        require_same_origin(sent, "https://other.example")


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=3), st.text())
def test_no_form_but_with_the_token_is_taken(fields: dict[str, str], token: str) -> None:
    """Whatever else is in it."""
    session = Session("ana", "t" * 43, 0, 0)
    form = Form({name: [value] for name, value in (fields | {"csrf_token": token}).items()})
    with pytest.raises(ForeignForm):
        require_csrf_token(form, session)
    require_csrf_token(Form({"csrf_token": ["t" * 43]}), session)


@given(st.binary(max_size=200))
async def test_whatever_is_sent_is_a_form_or_refused(body: bytes) -> None:
    """Nothing else is raised, and no text that a database could not hold comes through."""
    declared = {"Content-Type": "application/x-www-form-urlencoded"}
    with contextlib.suppress(BadForm):
        form = await Form.read(request(declared, body))
        assert not any("\0" in value for values in form.fields.values() for value in values)
