"""Who calls in these tests: the tokens of the kinds of people and machines that DESIGN.md names."""

from dataclasses import dataclass
from typing import Final

from service.auth.scopes import Scope


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token speaks for, through which client, and what it allows."""

    client_id: str
    subject: str
    scopes: frozenset[Scope]


def machine(name: str, *scopes: Scope) -> Caller:
    """Return a client that speaks for itself, with no person behind it (RFC 9068 section 5)."""
    return Caller(name, name, frozenset(scopes))


def person(subject: str, *scopes: Scope, through: str = "settings-page") -> Caller:
    """Return somebody who has logged in; without scopes named, one who speaks for artists."""
    return Caller(through, subject, frozenset(scopes or {Scope.CONSENTS}))


PIPELINE: Final = machine("pipeline", Scope.CHECK)
PLATFORM: Final = machine("platform", Scope.MANAGE, Scope.CATALOG, Scope.NOTICE)
POLICY_DESK: Final = machine("policy-desk", Scope.POLICY)
AUDITOR: Final = machine("compliance", Scope.AUDIT)
AUDITING_PIPELINE: Final = machine("replay", Scope.CHECK, Scope.AUDIT)
EVERYTHING: Final = person("root", *Scope, through="console")
