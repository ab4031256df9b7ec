"""The Search APIs (section 8): who may, what may be used, and for what."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol, TypeAlias

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.api.authzen.decisions import reason_and_interval
from service.api.authzen.entities import (
    ActionSearchRequest,
    ResourceSearchRequest,
    SearchPage,
    SubjectSearchRequest,
    decoded,
    described,
    received,
)
from service.api.authzen.mapping import Types, column_of, one_of, subject_of
from service.api.authzen.page_token import PageToken, digest, read_token
from service.api.context import Services, services_of
from service.api.problems import BodyMalformed
from service.api.schemas.authzen import ActionsOut, EntitiesOut
from service.decisions.evaluate import Judged
from service.decisions.search import MOST_SCANNED, Found, Page
from service.domain.instant import format_instant
from service.ledger.events import Json

router = APIRouter(tags=["authzen"])

USUAL_LIMIT: Final = 1_000
MOST_RESULTS: Final = 10_000
_ANY_USE: Final = ""

_Entity: TypeAlias = Callable[[str], Json]


class _Search(Protocol):
    """A search that lacks nothing but the page that is wanted."""

    def __call__(self, *, page: Page) -> Awaitable[Found]:
        """Find one page."""
        ...


@router.post(
    "/access/v1/search/subject",
    responses={200: {"model": EntitiesOut, "description": "Who may, in the order of names."}},
    response_class=Response,
    openapi_extra=described(SubjectSearchRequest),
)
async def search_subjects(request: Request) -> Response:
    """Ask which recipients of a type may use a resource for this (OpenID AuthZEN 1.0, section 8.4).

    Of the type `pipeline` there is one, `internal`, that stands for all of the platform's own.
    """
    caller, body = await received(request)
    asked = decoded(SubjectSearchRequest, body)
    services = services_of(request)
    types = Types.of(services.settings)
    column = column_of(None, asked.action.name, asked.resource.type, asked.context, types)

    def is_wanted(recipient: str) -> bool:
        return subject_of(recipient)[0] == asked.subject.type

    one = one_of(asked.resource, types)
    found = partial(services.searcher.recipients, column, one, is_wanted, caller=caller)
    return await _paged(services, "subject", body, asked.page, found, _subject_json)


@router.post(
    "/access/v1/search/resource",
    responses={
        200: {
            "model": EntitiesOut,
            "description": "What may be used, in the order in which it was put or registered.",
        }
    },
    response_class=Response,
    openapi_extra=described(ResourceSearchRequest),
)
async def search_resources(request: Request) -> Response:
    """Ask what a recipient may use for this (OpenID AuthZEN 1.0, section 8.5).

    A page looks at 10,000 at most and can be short or even empty: only an empty `next_token` is
    the end.
    """
    caller, body = await received(request)
    asked = decoded(ResourceSearchRequest, body)
    services = services_of(request)
    types = Types.of(services.settings)
    column = column_of(asked.subject, asked.action.name, asked.resource.type, asked.context, types)
    known = types.about(asked.resource.type) is not None
    search = services.searcher.resources if known else services.searcher.nothing

    def resource(one: str) -> Json:
        return {"type": asked.resource.type, "id": one}

    found = partial(search, column, caller=caller)
    return await _paged(services, "resource", body, asked.page, found, resource)


@router.post(
    "/access/v1/search/action",
    responses={200: {"model": ActionsOut, "description": "The uses, in the order of names."}},
    response_class=Response,
    openapi_extra=described(ActionSearchRequest),
)
async def search_actions(request: Request) -> Response:
    """Ask for what a recipient may use a resource (OpenID AuthZEN 1.0, section 8.6)."""
    caller, body = await received(request)
    asked = decoded(ActionSearchRequest, body)
    services = services_of(request)
    types = Types.of(services.settings)
    column = column_of(asked.subject, _ANY_USE, asked.resource.type, asked.context, types)
    one = one_of(asked.resource, types)
    found = partial(services.searcher.uses, column, one, caller=caller)
    return await _paged(services, "action", body, asked.page, found, _action_json)


async def _paged(
    services: Services,
    searched: str,
    body: bytes,
    asked: SearchPage | None,
    search: _Search,
    entity: _Entity,
) -> Response:
    """Find the page that is asked for, and answer it."""
    mark = digest(searched, body)
    token = _token(asked or SearchPage(), mark)
    with services.capacity.room(MOST_SCANNED):
        found = await search(page=Page(token.limit, token.after, token.revision))
    token.first_revision = token.first_revision or found.revision
    token.revision, token.after = found.revision, found.after
    answer: Json = {
        "page": _page_json(token, found),
        "context": {
            "revision": found.revision,
            "evaluated_at": format_instant(found.evaluated_at),
            "decisions": [_found_json(judged) for _, judged in found.results],
        },
        "results": [entity(name) for name, _ in found.results],
    }
    return Response(msgspec.json.encode(answer), media_type="application/json")


def _token(asked: SearchPage, mark: bytes) -> PageToken:
    """Return where the page begins. Raises BodyMalformed where anything but the token changed."""
    limit = None if asked.limit is None else min(asked.limit, MOST_RESULTS)
    if not asked.token:
        return PageToken(mark, USUAL_LIMIT if limit is None else limit)
    token = read_token(asked.token, mark)
    # The standard's own example leaves the limit out on the second page (section 8.2.3).
    if limit not in {None, token.limit}:
        message = "page.limit: between pages nothing may change but the token (section 8.2)"
        raise BodyMalformed(message)
    return token


def _page_json(next_page: PageToken, found: Found) -> Json:
    return {
        "next_token": "" if found.after is None else next_page.text(),
        "count": len(found.results),
        "properties": {
            "revision": found.revision,
            "first_revision": next_page.first_revision,
            "same_revision": found.revision == next_page.first_revision,
        },
    }


def _found_json(judged: Judged) -> Json:
    return {"decision_id": judged.decision_id, **reason_and_interval(judged.decision)}


def _subject_json(recipient: str) -> Json:
    kind, one = subject_of(recipient)
    return {"type": kind, "id": one}


def _action_json(use: str) -> Json:
    return {"name": use}
