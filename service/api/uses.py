"""`/v1/uses` and their policies."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from service.api.access import Publishes, TokenFirst
from service.api.context import TheServices
from service.api.schemas.policies import (
    ColumnPreview,
    PolicyIn,
    PolicyList,
    PolicyOut,
    PolicyPreview,
    UseList,
    UseNames,
    UseOut,
)
from service.api.schemas.types import LARGEST_VERSION, UseNode, UsePath
from service.api.writing import TheWriting
from service.domain.instant import format_instant, parse_duration
from service.domain.policy import PolicyDraft
from service.domain.refusal import RefusalKind, refuse
from service.ledger.events import Json
from service.notices.reach import reach_now
from service.notices.reached import count_unreachable
from service.policies.preview import Preview, preview
from service.policies.publish import admit, name_use, publish_policy
from service.policies.read import list_policies, list_uses

router = APIRouter(prefix="/v1/uses", tags=["policies"], route_class=TokenFirst)

UseInPath = Annotated[UsePath, Path()]


@router.get("", response_model=UseList)
async def read_uses(services: TheServices) -> Json:
    """Read the tree of uses: every node that has a name or a policy. It is public."""
    async with services.database.read() as session:
        return {"uses": await list_uses(session)}


@router.put("/{use}", name="name_use", response_model=UseOut)
async def put_use(
    use: Annotated[UseNode, Path()], body: UseNames, caller: Publishes, writing: TheWriting
) -> Json:
    """Say what a use, or a group of uses, is called. It changes no answer."""
    return await writing.submit(caller, name_use(use, body.names))


@router.get("/{use}/policies", response_model=PolicyList)
async def read_policies(use: UseInPath, services: TheServices) -> Json:
    """Read every version of a use's policy, word for word. They are public."""
    async with services.database.read() as session:
        return {"policies": await list_policies(session, use)}


@router.get("/{use}/policies/{version}", response_model=PolicyOut)
async def read_policy(
    use: UseInPath, version: Annotated[int, Path(ge=1, le=LARGEST_VERSION)], services: TheServices
) -> Json:
    """Read one version, word for word. It is public."""
    async with services.database.read() as session:
        policies = await list_policies(session, use)
    if version > len(policies):
        message = f"the latest version of {use} is {len(policies)}"
        raise refuse("version", "unknown_version", message, RefusalKind.UNKNOWN)
    return policies[version - 1]


@router.post(
    "/{use}/policies",
    name="publish_policy",
    response_model=PolicyOut,
    status_code=HTTPStatus.CREATED,
    responses={HTTPStatus.OK.value: {"model": PolicyPreview, "description": "What it would do."}},
)
async def publish(
    use: UseInPath,
    body: PolicyIn,
    caller: Publishes,
    writing: TheWriting,
    services: TheServices,
    *,
    dry_run: Annotated[bool, Query(description="Only say who would be bound when.")] = False,
) -> Json | Response:
    """Publish the next version of a use's policy; it is never edited afterwards."""
    draft = PolicyDraft(
        use=use,
        mode=body.mode,
        recipients=frozenset(body.recipients),
        notice_period=parse_duration(body.notice_period),
        texts=body.texts,
        editorial=body.editorial,
    )
    if not dry_run:
        return await writing.submit(caller, publish_policy(draft, after=body.after))
    head = await services.heads.read()
    await services.follower.reach(head.size, timeout=services.settings.head_timeout)
    async with services.database.read() as session:
        admitted = await admit(session, draft, after=body.after)
    found = await preview(services.index, admitted, head.now)
    async with services.database.read() as session:
        reach = await reach_now(session, services.settings)
        unreachable = await count_unreachable(session, reach, found.waiting)
    shown = _preview(found, unreachable)
    return Response(shown.model_dump_json(), media_type="application/json")


def _preview(found: Preview, unreachable: int) -> PolicyPreview:
    closes_at = found.window_closes_at
    version = found.version
    return PolicyPreview(
        use=version.use,
        version=version.version,
        launch=version.launch,
        resumes_terms_of=None if version.terms == version.version else version.terms,
        artists=found.artists,
        waiting=len(found.waiting),
        unreachable=unreachable,
        earliest_window_closes_at=None if closes_at is None else format_instant(closes_at),
        columns=[
            ColumnPreview(
                recipient=column.recipient,
                at_publication=column.at_publication,
                as_pending_windows_close=column.as_pending_windows_close,
                when_their_own_window_closes=column.when_their_own_window_closes,
            )
            for column in found.columns
        ],
    )
