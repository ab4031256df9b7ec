"""`/policies`: every use, every version, and what changed between them, for everybody to read.

Nobody has to sign in, and nobody has to compare archived copies: each version is shown word for
word with its hash, beside the differences from the one before.
"""

import asyncio
from base64 import b64encode
from hashlib import sha256
from http import HTTPStatus
from typing import Final

from sqlalchemy import select
from sqlmodel import col
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.db.engine import ReadSession
from service.db.tables import PolicyText, Use
from service.domain import uses
from service.policies.versions import load_versions
from service.web.context import web_of
from service.web.framing import framed
from service.web.i18n import PARAMETER, Language
from service.web.policy_view import (
    PATH,
    AllPolicies,
    Names,
    OnePolicy,
    Texts,
    group_name,
    grouped,
    terms_of,
    told_of,
)
from service.web.templates import PageContext, language_for

_FOR_EVER: Final = "public, max-age=31536000, immutable"
_LARGEST_VERSION: Final = 2**31 - 1
_IN_304: Final = frozenset({"etag", "cache-control", "content-language", "vary"})


async def all_policies(request: Request) -> Response:
    """Answer the page of all uses."""
    web, language = web_of(request), language_for(request)
    async with web.database.read() as session:
        versions, names = await load_versions(session), await _names(session)
    page = AllPolicies(grouped(versions, names, language, web.clock.now()))
    return await _answer(request, page, language)


async def one_policy(request: Request) -> Response:
    """Answer the page of one use. Raises HTTPException 404 where it has no policy."""
    web, language = web_of(request), language_for(request)
    use = _use(request)
    async with web.database.read() as session:
        versions = (await load_versions(session, use)).get(use)
        texts, names = await _texts(session, use), await _names(session)
    if versions is None:
        raise HTTPException(HTTPStatus.NOT_FOUND.value)
    now = web.clock.now()
    # Comparing long texts takes a while; nobody else shall wait for it.
    told = await asyncio.to_thread(told_of, versions, texts, language, now)
    group, name = group_name(use, names, language), language.name_of(names.get(use, {}), use)
    page = OnePolicy(use, name, group, terms_of(versions, now), told)
    return await _answer(request, page, language)


async def raw_words(request: Request) -> Response:
    """Answer one version's exact bytes in one locale. Raises HTTPException 404."""
    use, place = _use(request), request.path_params
    version, locale = place["version"], place["locale"]
    if version > _LARGEST_VERSION or not locale.isprintable():
        raise HTTPException(HTTPStatus.NOT_FOUND.value)
    words = select(col(PolicyText.text), col(PolicyText.sha256)).where(
        col(PolicyText.use) == use,
        col(PolicyText.version) == version,
        col(PolicyText.locale) == locale,
    )
    async with web_of(request).database.read() as session:
        found = (await session.execute(words)).first()
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND.value)
    text, digest = found
    headers = {
        "ETag": f'"{digest}"',
        "Cache-Control": _FOR_EVER,
        "Content-Language": locale,
        "Repr-Digest": _repr_digest(digest),
    }
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return Response(status_code=HTTPStatus.NOT_MODIFIED.value, headers=headers)
    return Response(text.encode(), headers=headers, media_type="text/plain; charset=utf-8")


def _use(request: Request) -> str:
    """Return the use in the path. Raises HTTPException 404 for what cannot be one."""
    use: str = request.path_params["use"]
    if not uses.is_path(use):
        raise HTTPException(HTTPStatus.NOT_FOUND.value)
    return use


async def _texts(session: ReadSession, use: str) -> Texts:
    rows = select(col(PolicyText.version), col(PolicyText.locale), col(PolicyText.text)).where(
        col(PolicyText.use) == use
    )
    texts: dict[int, dict[str, str]] = {}
    for version, locale, text in await session.execute(rows):
        texts.setdefault(version, {})[locale] = text
    return texts


async def _names(session: ReadSession) -> Names:
    return {row.use: row.names for row in (await session.execute(select(Use))).scalars()}


async def _answer(request: Request, page: PageContext, language: Language) -> Response:
    """Answer a page that is the same for everybody: caches may keep it, and ask if it changed."""
    frame = await framed(request, area="policies")
    # Long texts in many versions make long pages; nobody else shall wait for them.
    response = await asyncio.to_thread(web_of(request).templates.response, page, language, frame)
    tag = f'W/"{sha256(bytes(response.body)).hexdigest()[:32]}"'
    chosen = PARAMETER in request.query_params  # then the answer may set a cookie
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = f"{'private' if chosen else 'public'}, no-cache"
    if request.headers.get("If-None-Match") == tag:
        kept = {name: value for name, value in response.headers.items() if name in _IN_304}
        return Response(status_code=HTTPStatus.NOT_MODIFIED.value, headers=kept)
    return response


def _repr_digest(sha256_hex: str) -> str:
    """Return the value of Repr-Digest (RFC 9530 section 3)."""
    return f"sha-256=:{b64encode(bytes.fromhex(sha256_hex)).decode()}:"


ROUTES: Final = (
    Route(PATH, all_policies, name="all_policies"),
    Route(f"{PATH}/{{use}}", one_policy, name="one_policy"),
    Route(f"{PATH}/{{use}}/{{version:int}}/{{locale}}.txt", raw_words, name="raw_words"),
)
