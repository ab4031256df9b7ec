"""Which issuer is trusted, for which audience, and how far."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from authlib.oidc.discovery import get_well_known_url

ALGORITHMS: Final = frozenset(
    {
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
        "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448",
    }
)  # fmt: skip
"""All that may ever be allowed: signatures of a key pair. `none` signs nothing, and an HMAC takes
the verifier's key to make, so that with it a published key would be a forger's tool (RFC 8725,
section 2.1)."""

DEFAULT_ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address, without port or brackets, means this very machine."""
    if host is None:
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def require_safe_url(url: str, what: str) -> None:
    """Raise ValueError unless the URL is https, or http on loopback, and names nothing but a place.

    Plain http would let anybody on the way hand out signing keys of their own.
    """
    parts = urlsplit(url)
    plain_at_home = parts.scheme == "http" and is_loopback(parts.hostname)
    if not parts.hostname or not (parts.scheme == "https" or plain_at_home):
        message = f"{what} must be an https URL (http only on loopback), and is {url!r}"
        raise ValueError(message)
    if parts.username is not None or parts.query or parts.fragment:
        message = f"{what} must be a URL without user, query or fragment, and is {url!r}"
        raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """The one issuer whose tokens count, and what a token of theirs must fit.

    `issuer` is compared exactly, trailing slash included, with the discovery document and with the
    `iss` of every token. `leeway_s` forgives an issuer whose clock runs ahead (`nbf`, `iat`); it
    never prolongs a token. `scope_claims` name where scopes are looked for: RFC 9068 has `scope`,
    Okta and Entra `scp`, and an operator may add `roles`.

    Raises ValueError for an unsafe URL, an empty audience or an algorithm that is no key pair's.
    """

    issuer: str
    audience: str
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    scope_claims: tuple[str, ...] = ("scope", "scp")
    leeway_s: int = 30

    def __post_init__(self) -> None:
        """Refuse what could never be verified safely."""
        require_safe_url(self.issuer, "the issuer")
        if not self.audience:
            message = "the audience must be the name that this service has at its issuer"
            raise ValueError(message)
        unsafe = sorted(set(self.algorithms) - ALGORITHMS)
        if unsafe or not self.algorithms:
            allowed = ", ".join(sorted(ALGORITHMS))
            message = (
                f"algorithms must be some of {allowed}; not allowed: {unsafe or 'none at all'}"
            )
            raise ValueError(message)

    @property
    def discovery_url(self) -> str:
        """Where its metadata are (OpenID Connect Discovery 1.0, section 4)."""
        return str(get_well_known_url(self.issuer, external=True))
