"""Every route against every role: who gets in, who is asked who they are, who is sent away.

The table is the specification; a route that is not in it fails the test below it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from service.auth.scopes import Scope
from tests.api.door import SECRET, Door
from tests.api.people import (
    AUDITING_PIPELINE,
    AUDITOR,
    PIPELINE,
    PLATFORM,
    Caller,
    machine,
    person,
)
from tests.api.story import RECOMMENDATION, Story, draft

ROLES: Final[Mapping[str, Caller | None]] = {
    "nobody": None,
    "bare": Caller("console", "somebody", frozenset()),
    "check": person("worker", Scope.CHECK, through="console"),
    "artist": person("ana"),
    "other": person("ben"),
    "label": person("label"),
    "bot": machine("ana", Scope.CONSENTS),
    "manage": person("worker", Scope.MANAGE, through="console"),
    "catalog": person("worker", Scope.CATALOG, through="console"),
    "policy": person("worker", Scope.POLICY, through="console"),
    "notice": person("worker", Scope.NOTICE, through="console"),
    "audit": person("worker", Scope.AUDIT, through="console"),
    "all": person("root", *Scope, through="console"),
}
LOCAL_CLIENT: Final = "grant_type=client_credentials&client_id=pipeline&client_secret="
LOCAL_SIGN_IN: Final = (
    "client_id=settings-page&response_type=code&scope=openid&code_challenge_method=S256"
    "&redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2Fsettings%2Fcallback&code_challenge=" + "c" * 43
)

# What each mark of the table means. A stranger learns no more than that there is nothing for them.
MARKS: Final = {"ok": None, "who": 401, "no": 403, "none": 404}

# `artist` is ana, whom everything is about; `other` is an artist too; `label` is ana's delegate;
# `bot` is a client that calls itself ana, with no person behind it.
TABLE: Final = """
                                           nobody bare check artist other label bot  manage catalog policy notice audit all
GET    /livez                              ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
GET    /readyz                             ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
GET    /metrics                            ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
GET    /.well-known/openid-configuration   ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
GET    /oauth/jwks                         ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
POST   /oauth/token                        ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
GET    /oauth/authorize                    ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
POST   /oauth/authorize                    ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
GET    /v1/charter                         ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
POST   /v1/charter                         who    no   no    no     no    no    no   no     no      ok     no     no    ok
PATCH  /v1/charter                         who    no   no    no     no    no    no   no     no      ok     no     no    ok
GET    /v1/uses                            ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
PUT    /v1/uses/{use}                      who    no   no    no     no    no    no   no     no      ok     no     no    ok
GET    /v1/uses/{use}/policies             ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
GET    /v1/uses/{use}/policies/{version}   ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
POST   /v1/uses/{use}/policies             who    no   no    no     no    no    no   no     no      ok     no     no    ok
POST   /v1/artists                         who    no   no    no     no    no    no   ok     ok      no     no     no    ok
GET    /v1/artists/{artist}                who    no   no    no     no    no    no   ok     ok      no     no     ok    ok
POST   /v1/contacts                        who    no   no    no     no    no    no   ok     ok      no     no     no    ok
GET    /v1/artists/{artist}/contact        who    no   no    ok     none  ok    none ok     no      no     no     ok    ok
GET    /v1/artists/{artist}/delegates      who    no   no    ok     none  ok    none ok     no      no     no     ok    ok
PUT    /v1/artists/{artist}/delegates/{delegate}
                                           who    no   no    ok     none  none  none ok     no      no     no     no    ok
DELETE /v1/artists/{artist}/delegates/{delegate}
                                           who    no   no    ok     none  none  none ok     no      no     no     no    ok
POST   /v1/artists/{artist}/consents       who    no   no    ok     none  ok    none ok     no      no     no     no    ok
GET    /v1/artists/{artist}/consents       who    no   no    ok     none  ok    none ok     no      no     no     ok    ok
GET    /v1/artists/{artist}/settings       who    no   no    ok     none  ok    none ok     no      no     no     ok    ok
POST   /v1/artists/{artist}/consents/preview
                                           who    no   no    ok     none  ok    none ok     no      no     no     no    ok
POST   /v1/artists/{artist}/consents/{revision}/undo
                                           who    no   no    ok     none  ok    none ok     no      no     no     no    ok
GET    /v1/artists/{artist}/consents/{revision}/receipt
                                           who    no   no    ok     none  ok    none ok     no      no     no     ok    ok
GET    /v1/artists/{artist}/record         who    no   no    ok     none  none  none ok     no      no     no     ok    ok
POST   /v1/artists/{artist}/erasure        who    no   no    no     no    no    no   no     no      no     no     ok    ok
GET    /v1/artists/{artist}/holds          who    no   no    no     no    no    no   no     no      no     no     ok    ok
POST   /v1/artists/{artist}/holds          who    no   no    no     no    no    no   no     no      no     no     ok    ok
DELETE /v1/artists/{artist}/holds/{hold}
                                           who    no   no    no     no    no    no   no     no      no     no     ok    ok
GET    /v1/retention                       who    no   no    no     no    no    no   no     no      no     no     ok    ok
PUT    /v1/retention                       who    no   no    no     no    no    no   no     no      no     no     ok    ok
GET    /v1/roster                          who    no   no    ok     ok    ok    none no     no      no     no     no    ok
POST   /v1/roster/consents/preview         who    no   no    ok     none  ok    none ok     no      no     no     no    ok
POST   /v1/roster/consents                 who    no   no    ok     none  ok    none ok     no      no     no     no    ok
POST   /v1/content                         who    no   no    no     no    no    no   no     ok      no     no     no    ok
GET    /v1/content/{content}               who    no   no    no     no    no    no   ok     ok      no     no     ok    ok
GET    /v1/notices                         who    no   no    no     no    no    no   ok     no      ok     ok     ok    ok
GET    /v1/notices/{notice}                who    no   no    no     no    no    no   ok     no      ok     ok     ok    ok
GET    /v1/notices/{notice}/days           who    no   no    no     no    no    no   ok     no      ok     ok     ok    ok
GET    /v1/notices/{notice}/artists        who    no   no    no     no    no    no   ok     no      no     ok     ok    ok
POST   /v1/artists/{artist}/notices/{notice}/acknowledgement
                                           who    no   no    ok     none  no    none ok     no      no     no     no    ok
GET    /v1/webhook-endpoint                who    no   no    no     no    no    no   no     no      no     ok     no    ok
PUT    /v1/webhook-endpoint                who    no   no    no     no    no    no   no     no      no     ok     no    ok
DELETE /v1/webhook-endpoint                who    no   no    no     no    no    no   no     no      no     ok     no    ok
POST   /v1/webhook-endpoint/challenge      who    no   no    no     no    no    no   no     no      no     ok     no    ok
POST   /v1/webhook-endpoint/rotation       who    no   no    no     no    no    no   no     no      no     ok     no    ok
POST   /v1/notices/{notice}/deliveries     who    no   no    no     no    no    no   no     no      no     ok     no    ok
POST   /v1/checks                          who    no   ok    no     no    no    no   no     no      no     no     no    ok
GET    /v1/changes                         who    no   ok    no     no    no    no   no     no      no     no     no    ok
GET    /v1/decisions                       who    no   no    no     no    no    no   no     no      no     no     ok    ok
GET    /v1/decisions/{decision}            who    no   no    no     no    no    no   no     no      no     no     ok    ok
GET    /v1/decisions/{decision}/explanation
                                           who    no   no    no     no    no    no   no     no      no     no     ok    ok
POST   /v1/exports                         who    no   no    no     no    no    no   no     no      no     no     ok    ok
GET    /v1/exports                         who    no   no    no     no    no    no   no     no      no     no     ok    ok
GET    /v1/exports/{export}                who    no   no    no     no    no    no   no     no      no     no     ok    ok
GET    /v1/exports/{export}/files/{file}   who    no   no    no     no    no    no   no     no      no     no     ok    ok
DELETE /v1/exports/{export}                who    no   no    no     no    no    no   no     no      no     no     ok    ok
GET    /log/checkpoint                     ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
GET    /log/tile/{level}/{number:path}     ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
GET    /log/tile/entries/{number:path}     ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
GET    /log/proof/{revision}               ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
GET    /log/proof/{revision}.tlog-proof    ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
GET    /log/consistency                    ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
GET    /.well-known/authzen-configuration  ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
GET    /.well-known/authzen-jwks.json      ok     ok   ok    ok     ok    ok    ok   ok     ok      ok     ok     ok    ok
POST   /access/v1/evaluation               who    no   ok    no     no    no    no   no     no      no     no     no    ok
POST   /access/v1/evaluations              who    no   ok    no     no    no    no   no     no      no     no     no    ok
POST   /access/v1/search/subject           who    no   ok    no     no    no    no   no     no      no     no     no    ok
POST   /access/v1/search/resource          who    no   ok    no     no    no    no   no     no      no     no     no    ok
POST   /access/v1/search/action            who    no   ok    no     no    no    no   no     no      no     no     no    ok
"""  # noqa: E501 - it is read across


@dataclass(frozen=True, slots=True)
class Row:
    """One route of the table, and the mark of each role."""

    method: str
    path: str
    marks: Mapping[str, str]

    @property
    def name(self) -> str:
        """How the route is called in a test's name."""
        return f"{self.method} {self.path}"

    @property
    def query(self) -> str:
        """What has to be asked along with it."""
        return "?first=0" if self.path == "/log/consistency" else ""


def read_table() -> Iterator[Row]:
    """Read the table above; a route too long for its column has its marks on the next line."""
    lines = iter(TABLE.strip("\n").splitlines())
    roles = next(lines).split()
    for line in lines:
        method, path, *marks = line.split()
        yield Row(method, path, dict(zip(roles, marks or next(lines).split(), strict=True)))


ROWS: Final = tuple(read_table())

REPLACED: Final = 11
"""The revision of a record that cannot be undone any more, in what `prepare` tells."""
ACCESS: Final = {
    "subject": {"type": "pipeline", "id": "nightly"},
    "action": {"name": RECOMMENDATION},
    "resource": {"type": "track", "id": "song"},
}
FOR_MANY: Final = {"answer": "opt_out", "use": "*", "channel": "email", "artists": ["ana"]}

# A request for each route that changes state which may be made again and again with one outcome.
BODIES: Final[Mapping[str, tuple[Any, int]]] = {
    "POST /v1/charter": ({"platform": "Example Sounds"}, 409),
    "PATCH /v1/charter": ({"min_notice_period": "P1D"}, 422),
    "PUT /v1/uses/{use}": ({"names": {"en": "Recommendations"}}, 200),
    "POST /v1/uses/{use}/policies": (draft("opt_out") | {"after": 7}, 409),
    "POST /v1/artists": ({"artists": [{"artist": "ana"}]}, 200),
    "POST /v1/contacts": ({"contacts": [{"artist": "ana", "email": "ana@mail.example"}]}, 200),
    "PUT /v1/artists/{artist}/delegates/{delegate}": ({"may_opt_in": True}, 200),
    "POST /v1/artists/{artist}/consents": (
        {"answer": "opt_out", "use": "*", "channel": "settings_page"},
        201,
    ),
    "POST /v1/artists/{artist}/consents/preview": (
        {"answer": "opt_out", "use": "*", "channel": "settings_page"},
        200,
    ),
    "POST /v1/artists/{artist}/consents/{revision}/undo": ({"channel": "settings_page"}, 409),
    "POST /v1/artists/{artist}/erasure": ({"dry_run": True}, 200),
    "POST /v1/artists/{artist}/holds": ({"reason": "a case"}, 201),
    "DELETE /v1/artists/{artist}/holds/{hold}": (None, 404),
    "PUT /v1/retention": ({"rules": [{"what": "decisions", "keep": "P7Y"}]}, 200),
    "POST /v1/roster/consents/preview": (FOR_MANY, 200),
    "POST /v1/roster/consents": (FOR_MANY, 201),
    "POST /v1/content": ({"content": [{"content": "song", "rightsholders": ["ana"]}]}, 200),
    "POST /v1/notices/{notice}/deliveries": (
        {"deliveries": [{"artist": "ana", "channel": "email"}]},
        200,
    ),
    "GET /v1/webhook-endpoint": (None, 404),
    "PUT /v1/webhook-endpoint": ({"url": "https://hooks.example/fermata"}, 200),
    "POST /v1/webhook-endpoint/challenge": (None, 404),
    "POST /v1/webhook-endpoint/rotation": ({"force": True}, 404),
    "POST /v1/checks": ({"use": RECOMMENDATION, "content": ["song"]}, 200),
    "GET /v1/decisions/{decision}": (None, 404),
    "GET /v1/decisions/{decision}/explanation": (None, 404),
    "POST /v1/exports": ({"datasets": ["consents"]}, 202),
    "GET /v1/exports/{export}": (None, 404),
    "GET /v1/exports/{export}/files/{file}": (None, 404),
    "DELETE /v1/exports/{export}": (None, 404),
    "POST /access/v1/evaluation": (ACCESS, 200),
    "POST /access/v1/evaluations": (ACCESS | {"evaluations": [{}]}, 200),
    "POST /access/v1/search/subject": (ACCESS, 200),
    "POST /access/v1/search/resource": (ACCESS, 200),
    "POST /access/v1/search/action": (ACCESS, 200),
}


FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


def url_of(path: str) -> str:
    """Fill in the names of the things that the prepared platform has."""
    return path.replace(":path", "").format(
        use=RECOMMENDATION,
        version=1,
        artist="ana",
        delegate="manager",
        content="song",
        notice=f"{RECOMMENDATION}:1",
        revision=REPLACED,
        hold=REPLACED,
        level=0,
        number="000.p/1",
        decision="dec_" + 32 * "7",
        export="exp_" + 32 * "7",
        file="manifest.json",
    )


async def send(door: Door, row: Row, role: str) -> httpx2.Response:
    """Make the route's request in this role."""
    if row.path == "/oauth/token":
        form = LOCAL_CLIENT + SECRET.replace(" ", "+")
        return await door.http.post(row.path, content=form, headers=FORM)
    if row.path == "/oauth/authorize":
        content = LOCAL_SIGN_IN if row.method == "POST" else None
        query = "" if content else f"?{LOCAL_SIGN_IN}"
        return await door.http.request(row.method, row.path + query, content=content, headers=FORM)
    body, _ = BODIES.get(row.name, (None, 200))
    return await door.ask(row.method, url_of(row.path) + row.query, body, by=ROLES[role])


async def prepare(story: Story) -> None:
    """Begin, with delegates of ana's, and something that she said and said anew."""
    await story.begin()
    await story.delegate("ana", "label")
    await story.delegate("ana", "manager")
    said = await story.say("ana", "opt_out", "training")
    assert said["revision"] == REPLACED
    await story.say("ana", "inherit", "training")
    await story.door.services.signer.reach(REPLACED, timeout=10)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_each_role_gets_what_the_table_says(story: Story, row: Row) -> None:
    """A caller is let in, asked for a token, refused, or told that there is nothing for them."""
    await prepare(story)
    _, success = BODIES.get(row.name, (None, 200))
    found = {role: (await send(story.door, row, role)).status_code for role in row.marks}
    assert found == {role: MARKS[mark] or success for role, mark in row.marks.items()}


def test_the_table_has_every_route(door: Door) -> None:
    """A new route fails here until somebody has said who may call it."""
    served = {
        f"{method} {route.path}"
        for route in iter_route_contexts(door.app.routes)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert served == {row.name for row in ROWS}


def test_the_table_has_every_scope_and_kind_of_caller() -> None:
    """A new scope fails here until it has a column."""
    alone = {frozenset(by.scopes) for by in ROLES.values() if by is not None}
    assert {frozenset({scope}) for scope in Scope} <= alone
    assert all(row.marks.keys() == ROLES.keys() for row in ROWS)


def test_the_contract_names_the_scopes_that_the_table_lets_in(door: Door) -> None:
    """What clients' authors read about scopes is what holds."""
    document = door.app.openapi()
    for row in ROWS:
        path = row.path.replace(":path", "")
        if path not in document["paths"]:
            continue
        operation = document["paths"][path][row.method.lower()]
        named = [need["token"] for need in operation["security"]]
        columns = {"artist": Scope.CONSENTS} | {
            scope.name.lower(): scope for scope in Scope if scope is not Scope.CONSENTS
        }
        let_in = {scope for column, scope in columns.items() if row.marks[column] == "ok"}
        public = row.marks["nobody"] == "ok"
        assert all(len(scopes) == 1 for scopes in named), row.name
        assert {scopes[0] for scopes in named} == (set() if public else let_in), row.name


@pytest.mark.parametrize("at", ["2026-01-01T00:00:00Z", "2126-01-01T00:00:00Z"])
async def test_another_instant_is_for_audits(begun: Story, at: str) -> None:
    """A pipeline gets the present only, an auditor any other instant only."""
    now = {"use": RECOMMENDATION, "content": ["song"]}
    for by, of_now, of_then in (
        (PIPELINE, 200, 403),
        (AUDITOR, 403, 200),
        (AUDITING_PIPELINE, 200, 200),
        (PLATFORM, 403, 403),
    ):
        for body, status in ((now, of_now), (now | {"at": at}, of_then)):
            response = await begun.door.ask("POST", "/v1/checks", body, by=by)
            assert response.status_code == status


async def test_a_missing_scope_is_named(begun: Story) -> None:
    """Whoever is refused for their token learns which scopes would do (RFC 6750 section 3.1)."""
    response = await begun.door.ask("GET", "/v1/artists/ana", by=PIPELINE)
    challenge = response.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="fermata:manage fermata:catalog fermata:audit"' in challenge
    assert response.json()["type"] == "urn:fermata:problem:scope-missing"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/artists/{}/consents"),
        ("GET", "/v1/artists/{}/delegates"),
        ("GET", "/v1/artists/{}/settings"),
        ("POST", "/v1/artists/{}/consents"),
        ("PUT", "/v1/artists/{}/delegates/x"),
        ("DELETE", "/v1/artists/{}/delegates/x"),
    ],
)
async def test_a_stranger_cannot_tell_who_is_registered(
    begun: Story, method: str, path: str
) -> None:
    """The refusal about another artist is, to the byte, that about nobody."""
    bodies = {"POST": BODIES["POST /v1/artists/{artist}/consents"][0], "PUT": {"may_opt_in": True}}
    answers = [
        (await begun.door.ask(method, path.format(artist), bodies.get(method), by=person("eve")))
        for artist in ("ana", "nobody")
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
