"""The committed contract is what the code says and does."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.api.examples import BODIES, PARAMETERS
from service.api.schemas.types import DurationText, RecipientName, UseNode, UsePath
from service.auth.local_issuer import LocalIssuer
from service.auth.scopes import Scope
from service.cli.openapi import contract
from service.domain import uses
from tests.api.contract import Operation, conforms, operations_of, schema_of, validate
from tests.api.door import ADDRESS, Door, open_door
from tests.api.people import EVERYTHING, machine
from tests.exports.bundles import opened_office

COMMITTED: Final = Path(__file__).parents[2] / "openapi" / "openapi.json"
DOCUMENT: Final[dict[str, Any]] = json.loads(contract())
OPERATIONS: Final = {operation.name: operation for operation in operations_of(DOCUMENT)}
EXAMPLES_PER_OPERATION: Final = 10


def test_the_committed_contract_is_what_the_code_says() -> None:
    """Whoever changes the one changes the other: run `fermata openapi`."""
    assert COMMITTED.read_text(encoding="utf-8") == contract()


def test_names_are_stable_and_each_their_own() -> None:
    """Generated clients name their methods after the operations' ids."""
    assert len(OPERATIONS) == len(list(operations_of(DOCUMENT)))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in OPERATIONS)


# Examples


def test_every_operation_has_an_example() -> None:
    """Every body and every parameter; and none is about something that is gone."""
    parameters = set()
    for operation in OPERATIONS.values():
        has_body = "requestBody" in operation.described
        assert (operation.body is not None) == has_body, operation.name
        parameters |= {one["name"] for one in operation.described.get("parameters", [])}
    assert {name for name, one in OPERATIONS.items() if one.body is not None} == set(BODIES)
    assert parameters == set(PARAMETERS)


def test_every_example_is_what_its_schema_says() -> None:
    """An example that would be refused teaches the wrong thing."""
    for operation in OPERATIONS.values():
        if operation.body is not None:
            content = operation.described["requestBody"]["content"]["application/json"]
            validate(schema_of(DOCUMENT, content), operation.body)
        for parameter in operation.described.get("parameters", []):
            validate(schema_of(DOCUMENT, parameter), parameter["example"])


LAST: Final = ("lift_hold", "delete_export", "erase_artist")
"""After these there is nobody left for the others to be about."""


def in_order() -> Iterator[Operation]:
    """Yield the operations as the story of the examples goes; what ends something comes last."""
    yield from (OPERATIONS[name] for name in BODIES if name not in LAST)
    yield from (OPERATIONS[name] for name in OPERATIONS if name not in {*BODIES, *LAST})
    yield from (OPERATIONS[name] for name in LAST)


async def test_the_examples_are_a_story_that_can_be_played(door: Door, tmp_path: Path) -> None:
    """Sent one after the other, each succeeds and is answered as its schema says."""
    made: dict[str, str] = {}
    for operation in in_order():
        url = operation.url
        for parameter, one in made.items():
            url = url.replace(PARAMETERS[parameter], one)
        if operation.name == "explain_decision":
            url += "?position=0"  # the check of the story is about many
        response = await door.ask(
            operation.method, url, operation.body, by=EVERYTHING, key=operation.name
        )
        if operation.name == "check":
            made["decision"] = response.json()["decision_id"]
        if operation.name == "request_export":
            made["export"] = response.json()["export_id"]
            async with opened_office(door, tmp_path) as office:
                assert await office.worker().work()
        first = next(iter(operation.described["responses"]))
        assert str(response.status_code) == first, f"{operation.name}: {response.text}"
        conforms(DOCUMENT, operation, response)
        if operation.body is not None and operation.takes_a_key:
            again = await door.ask(
                operation.method, operation.url, operation.body, by=EVERYTHING, key=operation.name
            )
            assert again.headers["idempotency-replayed"] == "true"
            conforms(DOCUMENT, operation, again)


async def test_the_examples_other_ways_conform_too(door: Door) -> None:
    """Dry runs, explanations, columns, artists: what an option changes is described as well."""
    for operation in in_order():
        await door.ask(operation.method, operation.url, operation.body, by=EVERYTHING)
    publish, check = OPERATIONS["publish_policy"], OPERATIONS["check"]
    body = publish.body | {"notice_period": "P60D", "recipients": ["partner:musiio"], "after": 1}
    dry = await door.ask("POST", f"{publish.url}?dry_run=true", body, by=EVERYTHING)
    assert dry.status_code == 200
    conforms(DOCUMENT, publish, dry)
    for more in (
        {"explain": True},
        {"shape": "columns"},
        {"shape": "columns", "explain": True},
        {"content": None, "artists": ["artist-1"]},
        {"content": None, "artists": ["artist-1"], "shape": "columns"},
        {"at": "2126-01-01T00:00:00Z", "explain": True},
        {"consistency": {"at_least": 3}},
        {"consistency": {"max_staleness_ms": 1_000}, "min_policy_version": 2},
    ):
        response = await door.ask("POST", check.url, check.body | more, by=EVERYTHING)
        assert response.status_code == 200, response.text
        conforms(DOCUMENT, check, response)


async def test_every_refusal_is_in_the_contract(door: Door) -> None:
    """No token, no scope, no body, a wrong body, and nothing there: each as described."""
    nobody = machine("nobody")
    for operation in OPERATIONS.values():
        for by, body in ((None, {}), (nobody, {}), (EVERYTHING, {}), (EVERYTHING, [])):
            response = await door.ask(operation.method, operation.url, body, by=by)
            conforms(DOCUMENT, operation, response)


# Patterns

LONGEST: Final = uses.LONGEST_PATH
PATTERNED: Final = {
    "use": TypeAdapter(UsePath),
    "group of uses": TypeAdapter(UseNode),
    "recipient": TypeAdapter(RecipientName),
    "duration": TypeAdapter(DurationText),
}


def is_taken(fields: TypeAdapter[str], text: str) -> bool:
    """Tell whether the service takes the text, but for its length."""
    try:
        fields.validate_python(text)
    except ValidationError as error:
        return "longer than" in str(error)
    return True


@given(text=st.text("aB9_-.:*PWDTHMS \n\0\x1b\x1f\x85é", max_size=12), data=st.data())
@example(text="P", data=None)
@example(text="PT", data=None)
@example(text="P1DT", data=None)
@example(text="internal\n", data=None)
@pytest.mark.parametrize("name", PATTERNED)
def test_patterns_say_what_is_taken(name: str, text: str, data: st.DataObject | None) -> None:
    """A printable text is good by the contract's pattern exactly where the service takes it."""
    fields = PATTERNED[name]
    pattern = re.compile(fields.json_schema()["pattern"].removesuffix("$") + r"\Z")
    if data is not None and name != "duration":
        text = data.draw(st.just(text) | st.from_regex(pattern))
    good = pattern.match(text) is not None and text.isprintable() and len(text) <= LONGEST
    assert good == is_taken(fields, text)


# Fuzzing

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def fuzzed() -> Any:
    """Return the contract as schemathesis reads it."""
    return schemathesis.openapi.from_dict(DOCUMENT)


def requests_of(fuzzed: Any, operation: Operation) -> st.SearchStrategy[Any]:
    """Return requests good by the contract and bad ones, about known things and unknown ones."""
    described = fuzzed[operation.path][operation.method]
    cases = st.one_of(
        described.as_strategy(generation_mode=GenerationMode.POSITIVE),
        described.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )

    def about_known_things(case: Any) -> Any:
        case.path_parameters = {name: PARAMETERS[name] for name in case.path_parameters or {}}
        return case

    return st.one_of(cases, cases.map(about_known_things))


async def send(door: Door, case: Any) -> httpx2.Response:
    """Send a generated request with a token that may do everything."""
    prepared = case.as_transport_kwargs(base_url=ADDRESS)
    headers = {**prepared["headers"], **door.headers(EVERYTHING)}
    content = prepared.get("data")
    if "json" in prepared:
        content = json.dumps(_answerable(prepared["json"])).encode()
    return await door.http.request(
        prepared["method"],
        prepared["url"],
        params=_without_waiting(prepared.get("params")),
        content=content,
        headers=[(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
    )


def _without_waiting(params: Any) -> Any:
    """Wait for no changes: nothing happens meanwhile."""
    waits = isinstance(params, dict) and str(params.get("wait")) in map(str, range(1, 31))
    return params | {"wait": 0} if waits else params


def _answerable(body: Any) -> Any:
    """Ask for no revision of the future: it is waited for, and then rightly a 503."""
    if isinstance(body, list):
        return [_answerable(one) for one in body]
    if not isinstance(body, dict):
        return body
    asked = {name: _answerable(one) for name, one in body.items()}
    if isinstance(asked.get("at_least"), int):
        asked["at_least"] %= 5
    return asked


@pytest.mark.timeout(300)  # thousands of requests, on a machine that may be busy
def test_whatever_is_sent_is_answered_as_described(
    movable_url: str, issuer: LocalIssuer, fuzzed: Any, subtests: pytest.Subtests
) -> None:
    """Hundreds of made-up requests to every operation: no 5xx, and each answer as promised."""
    with asyncio.Runner() as runner:
        opened = open_door(movable_url, issuer)
        door = runner.run(opened.__aenter__())
        try:
            for operation in in_order():
                runner.run(door.ask(operation.method, operation.url, operation.body, by=EVERYTHING))
            for operation in OPERATIONS.values():
                with subtests.test(operation.name):
                    _fuzz(runner, door, requests_of(fuzzed, operation))
        finally:
            runner.run(opened.__aexit__(None, None, None))


def _fuzz(runner: asyncio.Runner, door: Door, requests: st.SearchStrategy[Any]) -> None:
    @settings(
        max_examples=EXAMPLES_PER_OPERATION,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(case=requests)
    def answered(case: Any) -> None:
        response = runner.run(send(door, case))
        case.validate_response(response, checks=CHECKS)

    answered()


def test_the_document_is_itself_in_order() -> None:
    """Every schema in it is a schema, and every scope is one of ours."""
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for operation in OPERATIONS.values():
        for need in operation.described["security"]:
            assert {scope for scopes in need.values() for scope in scopes} <= set(Scope)
