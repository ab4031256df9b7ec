"""What a refusal looks like to whoever is refused."""

import httpx2


def refused(response: httpx2.Response, status: int, code: str, field: str | None = None) -> None:
    """The response is a refusal with this code first."""
    assert response.status_code == status, response.text
    first = response.json()["errors"][0]
    assert first["code"] == code
    assert field in {None, first["field"]}
