"""A witness behind HTTP: two routes, and nothing else that a stranger could ask."""

import asyncio
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from service.transparency.witness import LARGEST_REQUEST, Witness


def witness_app(witness: Witness) -> Starlette:
    """Return the app that answers for a witness, at its root."""

    async def add_checkpoint(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LARGEST_REQUEST:
                return PlainTextResponse(
                    "the request is too large\n", HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                )
        answer = await asyncio.to_thread(witness.add_checkpoint, body)
        headers = {"Content-Type": answer.media_type}
        return Response(answer.body, answer.status, headers)

    async def newest(request: Request) -> Response:
        digest: str = request.path_params["digest"]
        found = await asyncio.to_thread(witness.newest, digest)
        if found is None:
            return PlainTextResponse("this log is not known here\n", HTTPStatus.NOT_FOUND)
        return PlainTextResponse(found, headers={"Cache-Control": "public, max-age=1"})

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/{digest}/checkpoint", newest, methods=["GET"]),
        ]
    )
