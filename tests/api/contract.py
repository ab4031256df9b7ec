"""The contract as tests read it: operations, and whether an answer is what it promises."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx2
from jsonschema import Draft202012Validator, FormatChecker

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_FORMATS = FormatChecker(())


@_FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return bool(_DATE_TIME.fullmatch(value) and datetime.fromisoformat(value))


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the document."""

    method: str
    path: str
    described: dict[str, Any]

    @property
    def name(self) -> str:
        """Its id."""
        return str(self.described["operationId"])

    @property
    def url(self) -> str:
        """Its path, filled in with the examples, and what has to be asked along with it."""
        parameters = self.described.get("parameters", [])
        asked = [p for p in parameters if p["in"] == "query" and p.get("required")]
        query = "&".join(f"{p['name']}={p['example']}" for p in asked)
        path = self.path.format(**{p["name"]: p["example"] for p in parameters})
        return f"{path}?{query}" if query else path

    @property
    def body(self) -> Any:
        """Its body's example, or None where it takes none."""
        content = self.described.get("requestBody", {}).get("content", {})
        return content.get("application/json", {}).get("example")

    @property
    def takes_a_key(self) -> bool:
        """Whether it can be repeated under an idempotency key."""
        parameters = self.described.get("parameters", [])
        return any(parameter["name"] == "Idempotency-Key" for parameter in parameters)


def operations_of(document: dict[str, Any]) -> Iterator[Operation]:
    """Yield every operation of the document."""
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            yield Operation(method.upper(), path, described)


def schema_of(document: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    """Return a media type's schema so that it stands alone."""
    return {**described["schema"], "components": document["components"]}


def conforms(document: dict[str, Any], operation: Operation, response: httpx2.Response) -> None:
    """Hold a response against what the document promises for its status."""
    promised = operation.described["responses"][str(response.status_code)]
    if "content" not in promised:
        assert response.content == b""
        return
    media_type = response.headers["content-type"].partition(";")[0]
    schema = schema_of(document, promised["content"][media_type])
    value = response.json() if "json" in media_type else response.text
    validate(schema, value)


def validate(schema: dict[str, Any], value: Any) -> None:
    """Raise where the value is not what the schema says, formats included."""
    Draft202012Validator(schema, format_checker=_FORMATS).validate(value)
