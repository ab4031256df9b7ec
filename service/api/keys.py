"""Keys derived from the one that operators keep, for what the API seals itself."""

from service.api.context import Services
from service.ledger.derived_keys import derived_key
from service.settings import read_key


def key_for(services: Services, purpose: str) -> bytes:
    """Return the key of a purpose, always the same."""
    key = services.settings.key_encryption_key
    return derived_key(read_key(key.get_secret_value() if key is not None else ""), purpose)
