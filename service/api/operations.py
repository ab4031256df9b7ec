"""What operators and their machines ask: is it alive, is it ready, how is it doing."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from service.api.context import TheServices
from service.api.schemas.operations import Liveness, Readiness

router = APIRouter(tags=["operations"])


@router.get("/livez")
async def alive() -> Liveness:
    """Say that the process runs. It asks nobody else, so a broken database restarts nothing."""
    return Liveness()


@router.get("/readyz")
async def ready(services: TheServices) -> Readiness:
    """Say that this replica holds the whole ledger, answers and writes; 503 where it does not."""
    head = await services.heads.read()
    await services.follower.reach(head.size, timeout=services.settings.head_timeout)
    services.appender.require_running()
    await services.log.require_writable()
    return Readiness(revision=services.index.revision)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(services: TheServices) -> Response:
    """Return counters and gauges in the Prometheus text format."""
    return Response(services.telemetry.exposition(), media_type=CONTENT_TYPE_LATEST)
