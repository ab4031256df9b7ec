"""Who is calling, once their token is proven."""

from dataclasses import dataclass

from service.auth.scopes import Scope
from service.domain.instant import Instant


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of one request, as the trusted issuer vouches for them.

    `subject` is unique within `issuer` only. `expires_at` is the instant (microseconds) from which
    the token proves nothing any more.
    """

    issuer: str
    subject: str
    client_id: str
    scopes: frozenset[Scope]
    expires_at: Instant

    @property
    def is_client(self) -> bool:
        """Whether a client speaks for itself, with no person behind it.

        RFC 9068 section 5 warns that a client's id may equal some person's subject: whoever takes
        the subject for an artist asks this first.
        """
        return self.subject == self.client_id

    def may(self, scope: Scope) -> bool:
        """Whether the token carries this scope; none implies another."""
        return scope in self.scopes
