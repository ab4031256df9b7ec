"""What the chart lets in from outside, where it is asked to."""

import json
from typing import Any

from starlette.datastructures import State
from starlette.routing import Route

from service.web.site import site
from service.web.templates import STATIC_PATH
from tests.helm.manifest import of_kind, the
from tools import check_helm
from tools.check_helm import MINIMAL, ROOT, Manifest

INSIDE = {"/livez", "/readyz", "/metrics"}
OPEN = {"ingress": {"enabled": True}, "pages": {"publicUrl": "https://consent.example.org"}}


def _paths(ingress: Manifest) -> dict[str, str]:
    """The paths of its one rule, with how each is compared."""
    (rule,) = ingress["spec"]["rules"]
    return {path["path"]: path["pathType"] for path in rule["http"]["paths"]}


def _lets_through(ingress: Manifest, path: str) -> bool:
    """Whether a request for the path gets to the service, by Kubernetes' own comparison."""
    return any(
        path == let or (kind == "Prefix" and path.startswith(f"{let.rstrip('/')}/"))
        for let, kind in _paths(ingress).items()
    )


def _opened(**ingress: Any) -> Manifest:
    """The Ingress that these values make."""
    values = {**OPEN, "ingress": {"enabled": True, **ingress}}
    return the(check_helm.render(MINIMAL, values=values), "Ingress")


def test_nothing_is_opened_unless_asked_for(minimal: list[Manifest]) -> None:
    """Whoever has a Gateway brings a route of their own."""
    assert not of_kind(minimal, "Ingress")


def test_every_call_is_let_through_and_what_operators_look_at_is_not() -> None:
    """Metrics and probes are for the inside of the cluster."""
    ingress = _opened()
    contract = json.loads((ROOT / "openapi" / "openapi.json").read_text(encoding="utf-8"))
    calls = set(contract["paths"])
    assert calls > INSIDE
    assert {call for call in calls if not _lets_through(ingress, call)} == INSIDE


def test_every_page_is_let_through() -> None:
    """The ones for artists and the ones for everybody, with what they look like."""
    ingress = _opened()
    pages = [route.path for route in site(State()).routes if isinstance(route, Route)]
    pages.append(f"{STATIC_PATH}/style.css")
    assert len(pages) > 1
    assert [page for page in pages if not _lets_through(ingress, page)] == []


def test_a_start_page_lets_through_itself_alone() -> None:
    """As a prefix it would let everything through, the metrics included."""
    ingress = _opened(paths=["/", "/v1"])
    assert _paths(ingress) == {"/": "Exact", "/v1": "Prefix"}
    assert not _lets_through(ingress, "/metrics")


def test_it_is_reached_by_the_name_that_links_have() -> None:
    """Said once, as the pages' address; said otherwise where another name leads here."""
    for ingress, host in (
        (_opened(), "consent.example.org"),
        (_opened(host="api.example.org"), "api.example.org"),
    ):
        assert [rule["host"] for rule in ingress["spec"]["rules"]] == [host]
        assert [tls["hosts"] for tls in ingress["spec"]["tls"]] == [[host]]


def test_there_is_always_tls_and_the_certificate_is_the_operators(full: list[Manifest]) -> None:
    """By the Secret that the values name, or the controller's own."""
    (tls,) = the(full, "Ingress")["spec"]["tls"]
    assert tls["secretName"] == "consent-tls"
    (bare,) = _opened()["spec"]["tls"]
    assert "secretName" not in bare


def test_what_is_let_in_gets_to_the_service(full: list[Manifest]) -> None:
    """By the name and the port of this release's Service."""
    service, ingress = the(full, "Service"), the(full, "Ingress")
    for path in ingress["spec"]["rules"][0]["http"]["paths"]:
        backend = path["backend"]["service"]
        assert backend["name"] == service["metadata"]["name"]
        assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
    assert ingress["spec"]["ingressClassName"] == "public"
