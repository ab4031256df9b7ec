"""What a token may allow: the scopes of RFC 6749 section 3.3 that mean something here."""

from collections.abc import Iterable
from enum import StrEnum


class Scope(StrEnum):
    """One permission. The values are on the wire and in providers' settings: never renamed."""

    CHECK = "fermata:check"
    """Ask whether content may be used."""
    CONSENTS = "fermata:consents"
    """Read and change one's own consents: the token's subject is the artist, or their delegate."""
    MANAGE = "fermata:manage"
    """Act for artists as the platform's backend: register them and their delegates, and record
    with its evidence what they said elsewhere."""
    CATALOG = "fermata:catalog"
    """Load content and say who its rightsholders are."""
    POLICY = "fermata:policy"
    """Declare uses and publish policy versions."""
    NOTICE = "fermata:notice"
    """Announce policy versions and confirm that the announcements arrived."""
    AUDIT = "fermata:audit"
    """Export, replay, look at any instant of the past; erase artists, place holds, set how long
    things are kept."""


_KNOWN = {scope.value: scope for scope in Scope}


def known_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Return those of the names that mean something here; `openid` and the like grant nothing."""
    return frozenset(_KNOWN[name] for name in names if name in _KNOWN)
