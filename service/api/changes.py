"""`GET /v1/changes`: what became permitted or denied, for readers who keep what they are told."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, FastAPI, Header, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from typing_extensions import override

from service.api.access import allowed
from service.api.changes_accept import PAGES, STREAM, wants_stream
from service.api.changes_schema import ChangeLine
from service.api.changes_wire import event, line_of, more, name_of, passed, reached
from service.api.context import Services, TheServices, services_of
from service.api.event_stream import EventStream
from service.api.schemas.types import RecipientName, UseNode
from service.auth.principal import Principal
from service.auth.problems import Reason, TokenRefused
from service.auth.scopes import Scope
from service.decisions.changes.places import Place
from service.decisions.changes.position import LONGEST, Position, parse_position
from service.decisions.changes.reading import Changes, Entry, Reading
from service.decisions.changes.touched import Anew
from service.decisions.changes.wanted import Wanted
from service.decisions.question import Caller
from service.domain import uses
from service.domain.instant import SECOND

router = APIRouter(tags=["checks"])

MOST_RESULTS: Final = 100_000
LONGEST_WAIT: Final = 30
"""Seconds that a page may be waited for."""

_MOST_STEPS: Final = 100
"""Steps after which a page ends, however little they told: some thousand events."""

_RETRY: Final = b"retry: 1000\n\n"

_Since = Annotated[
    str | None,
    Query(
        max_length=LONGEST,
        description="A revision whose answers you hold, or the `since` of the last line you got. "
        "Without it you are told where the ledger stands now.",
    ),
]
_LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        max_length=LONGEST,
        description="The id of the last event you got; it goes before `since`.",
    ),
]
_Limit = Annotated[
    int,
    Query(
        ge=1,
        le=MOST_RESULTS,
        description="Results on one page. It has more only where one content or artist has more "
        "columns than that.",
    ),
]
_Wait = Annotated[
    int,
    Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait for something to be told."),
]


class _Pages(JSONResponse):
    """One JSON object a line, written already."""

    media_type = PAGES

    @override
    def render(self, content: bytes) -> bytes:
        """Return it as it is."""
        return content


@router.get(
    "/v1/changes",
    response_class=_Pages,
    responses={
        200: {
            "model": ChangeLine,
            "description": "A page, one JSON object a line as described here, or a stream of the "
            "same as server-sent events.",
            "content": {
                STREAM: {
                    "schema": {
                        "type": "string",
                        "description": "Events named after the `type` of the line that each has "
                        "as its data; and `problem`, before the end, with a problem document.",
                    }
                }
            },
        }
    },
)
async def read_changes(  # noqa: PLR0913 - what can be asked for
    request: Request,
    services: TheServices,
    principal: Annotated[Principal, allowed(Scope.CHECK)],
    *,
    since: _Since = None,
    use: UseNode = uses.ROOT,
    recipient: RecipientName | None = None,
    limit: _Limit = 10_000,
    wait: _Wait = 0,
    last_event_id: _LastEventId = None,
) -> Response:
    """Follow what became permitted or denied since a revision, in pages or as a stream."""
    as_stream = wants_stream(request.headers.get("accept", ""))
    changes, caller = services.changes, Caller(principal.client_id, principal.subject)
    position = await _position(changes, since, last_event_id)
    place = changes.places.take()
    try:
        wanted = Wanted(use, recipient)
        if as_stream:
            reading = await changes.read(position, wanted, caller)
            return EventStream(_events(request, reading, place, principal), place)
        reading = await changes.read(position, wanted, caller, most=limit)
        page = await _page(services, reading, place, limit, wait)
    except BaseException:
        place.leave()
        raise
    place.leave()
    return _Pages(b"".join(line + b"\n" for line in page))


def send_readers_away(app: FastAPI) -> None:
    """End every stream: for a server to call when it is told to stop, before it waits for answers.

    A stream is an answer without an end, and would be waited for until patience is lost. Its reader
    comes back to another process, or to the next one here.
    """
    services: Services | None = getattr(app.state, "services", None)
    if services is not None:
        services.changes.places.close()


async def _position(changes: Changes, since: str | None, last_event_id: str | None) -> Position:
    """Return where the reader is, which is at the present where it does not say. Raises Refused."""
    if last_event_id:
        return parse_position(last_event_id, "Last-Event-ID")
    if since is not None:
        return parse_position(since, "since")
    return Position((await changes.moment()).revision)


async def _page(
    services: Services, reading: Reading, place: Place, limit: int, wait: int
) -> Sequence[bytes]:
    """Return the lines of one page, waiting for the first of them if need be."""
    clock = services.clock
    until = clock.monotonic() + wait * SECOND
    lines: list[bytes] = []
    with services.follower.subscribe() as news:
        place.on_end(news.arrived.set)
        while True:
            is_level = await _fill(reading, lines, limit)
            left = until - clock.monotonic()
            if lines or not is_level or left <= 0 or place.has_ended:
                break
            await news.wait(left / SECOND)
    end = reached(reading.position, reading.now) if is_level else more(reading.position)
    return [*lines, end]


async def _fill(reading: Reading, lines: list[bytes], limit: int) -> bool:
    """Add what can be told now, as far as it fits, and tell whether that was everything."""
    results = 0
    for _ in range(_MOST_STEPS):
        if results and results + reading.most_in_step > limit:
            return False
        entries = await reading.advance()
        if entries is None:
            return True
        for entry in entries:
            lines.append(line_of(entry))
            results += _size(entry)
    return False


def _size(entry: Entry) -> int:
    return 1 if isinstance(entry, Anew) else len(entry.answered.names)


async def _events(
    request: Request, reading: Reading, place: Place, principal: Principal
) -> AsyncGenerator[bytes]:
    """Yield events until readers are to go, the token proves nothing any more, or it goes wrong."""
    services = services_of(request)
    yield _RETRY
    with services.follower.subscribe() as news:
        place.on_end(news.arrived.set)
        told = False
        try:
            while not place.has_ended:
                left = _time_left(services, principal)
                entries = await reading.advance()
                if entries is not None:
                    for one in _framed(entries, reading.position):
                        yield one
                if reading.is_level and not (entries is None and told):
                    data = reached(reading.position, reading.now)
                    yield event("reached", data, reading.position)
                told = entries is not None
                if entries is None:
                    await news.wait(min(services.settings.changes_heartbeat, left))
        except Exception as error:  # noqa: BLE001 - whatever it was, the reader has to know
            yield event("problem", await _problem(request, error))


def _time_left(services: Services, principal: Principal) -> float:
    """Return for how many seconds the token proves anything. Raises TokenRefused where it is 0."""
    left = (principal.expires_at - services.clock.now()) / SECOND
    if left <= 0:
        raise TokenRefused(Reason.EXPIRED, "this token has expired: come back with a new one")
    return left


def _framed(entries: Sequence[Entry], position: Position) -> Iterator[bytes]:
    """Yield what was told as events. Only the last one has an id.

    Whoever breaks off before it gets all of them again rather than miss some. Where nothing was
    told the id comes alone: a reader with a long way to go does not begin it anew each time.
    """
    if not entries:
        yield passed(position)
    for entry in entries[:-1]:
        yield event(name_of(entry), line_of(entry))
    for entry in entries[-1:]:
        yield event(name_of(entry), line_of(entry), position)


async def _problem(request: Request, error: Exception) -> bytes:
    """Return the problem document that this would have been answered with."""
    handlers = request.app.exception_handlers
    handler = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
    response: Response = await handler(request, error)
    return bytes(response.body)
