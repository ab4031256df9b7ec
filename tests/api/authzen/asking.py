"""A Policy Enforcement Point as the standard has it: it knows AuthZEN and nothing of Fermata."""

from dataclasses import dataclass
from typing import Any, Final

import httpx2

from tests.api.door import Door
from tests.api.people import PIPELINE
from tests.api.story import RECOMMENDATION

PIPE: Final = {"type": "pipeline", "id": "nightly"}
MUSIIO: Final = {"type": "partner", "id": "musiio"}
USE: Final = {"name": RECOMMENDATION}

EVALUATION: Final = "/access/v1/evaluation"
EVALUATIONS: Final = "/access/v1/evaluations"
SEARCHES: Final = {one: f"/access/v1/search/{one}" for one in ("subject", "resource", "action")}
EVERY_PATH: Final = (EVALUATION, EVALUATIONS, *SEARCHES.values())


def track(one: str) -> dict[str, Any]:
    """Return the resource that a track is."""
    return {"type": "track", "id": one}


def asking(one: str, **more: Any) -> dict[str, Any]:
    """Return an evaluation of a track, for recommendation by the platform itself."""
    return {"subject": PIPE, "action": USE, "resource": track(one)} | more


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return the body without some of its fields."""
    return {name: value for name, value in body.items() if name not in names}


@dataclass(frozen=True, slots=True)
class Pep:
    """Asks through the door."""

    door: Door

    async def send(self, path: str, body: Any, **headers: str) -> httpx2.Response:
        """Send whatever there is to any path."""
        sent = self.door.headers(PIPELINE) | headers
        return await self.door.http.post(path, json=body, headers=sent)

    async def raw(self, path: str, content: bytes, **headers: str) -> httpx2.Response:
        """Send any bytes, as JSON unless said otherwise."""
        sent = self.door.headers(PIPELINE) | {"Content-Type": "application/json"} | headers
        return await self.door.http.post(path, content=content, headers=sent)

    async def answer(self, path: str, body: Any) -> Any:
        """Send what has to be answered."""
        response = await self.send(path, body)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/json"
        return response.json()

    async def decision(self, one: str, **more: Any) -> Any:
        """Evaluate one track, and return the decision."""
        return await self.answer(EVALUATION, asking(one, **more))

    async def decisions(self, *items: Any, **defaults: Any) -> Any:
        """Evaluate many, and return the decisions."""
        answer = await self.answer(EVALUATIONS, {**defaults, "evaluations": list(items)})
        assert answer.keys() == {"evaluations"}
        return answer["evaluations"]

    async def reasons(self, *items: Any, **defaults: Any) -> list[str | None]:
        """Evaluate many, and return the reasons, None where one could not be understood."""
        answers = await self.decisions(*items, **defaults)
        return [answer["context"].get("reason") for answer in answers]

    async def search(self, searched: str, **body: Any) -> Any:
        """Search, and return the whole answer."""
        return await self.answer(SEARCHES[searched], body)

    async def all_pages(self, searched: str, limit: int | None = None, **body: Any) -> list[Any]:
        """Search page by page to the end, and return the pages."""
        page: dict[str, Any] = {} if limit is None else {"limit": limit}
        pages = [await self.search(searched, **body, page=page)]
        while token := pages[-1]["page"]["next_token"]:
            pages.append(await self.search(searched, **body, page={**page, "token": token}))
        return pages

    async def found(self, searched: str, limit: int | None = None, **body: Any) -> list[Any]:
        """Search to the end, and return the results."""
        pages = await self.all_pages(searched, limit, **body)
        return [result for page in pages for result in page["results"]]
