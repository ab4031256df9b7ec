"""What this log is called and which keys are its own.

The origin is fixed for ever: outsiders know the log by it. So it is asked of those who would know
better before it is made up: the operator, the key, and the checkpoints that were signed already.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from service.ledger.derived_keys import LOG_CHECKPOINTS, derived_key
from service.settings import Settings
from service.transparency.checkpoint import Checkpoint, open_checkpoint
from service.transparency.keys import (
    SigningKey,
    VerifierKey,
    name_in,
    parse_verifier_key,
    read_signing_key,
)
from service.transparency.note import BadNote, require_name
from service.transparency.tree import Source

PREFIX: Final = "/log"
"""Where the log is served, below the public address."""
_NOWHERE: Final = "fermata.localhost"
_NEXT_ORIGIN: Final = "SELECT min(origin) FROM ledger_checkpoints WHERE origin > $1"
_NEWEST: Final = """
SELECT note, signed_at FROM ledger_checkpoints WHERE origin = $1 ORDER BY size DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """A log's name, the key that signs for it, and the keys whose signatures it answers for."""

    origin: str
    key: SigningKey
    trusted: tuple[VerifierKey, ...]

    def open(self, note: str) -> Checkpoint:
        """Return a checkpoint of this log. Raises BadNote where it is none."""
        checkpoint, _ = open_checkpoint(note, self.trusted)
        if checkpoint.origin != self.origin:
            raise BadNote(f"this is a checkpoint of {checkpoint.origin}, not of {self.origin}")
        return checkpoint


def identity(settings: Settings, key_encryption_key: bytes, known: str | None) -> LogIdentity:
    """Return who this log is. `known` is what it signed as before, if it has signed anything.

    Raises ValueError where a setting cannot be used.
    """
    given = settings.log_signing_key
    text = None if given is None else given.get_secret_value()
    try:
        origin = settings.log_origin or (text and name_in(text)) or known or _default(settings)
        require_name(origin)
        key = _key(text, origin, key_encryption_key)
        old = tuple(parse_verifier_key(one) for one in settings.log_old_keys)
    except BadNote as error:
        raise ValueError(
            f"FERMATA_LOG_ORIGIN, _SIGNING_KEY or _OLD_KEYS cannot be used: {error}"
        ) from error
    return LogIdentity(origin, key, (key.verifier(), *old))


async def origin_signed_before(
    source: Source, settings: Settings, key_encryption_key: bytes
) -> str | None:
    """Return as what this database's newest checkpoint was signed, by a key of ours.

    Whoever can write in the database can write a checkpoint there, but cannot sign it.
    """
    newest: tuple[object, str] | None = None
    origin = ""
    while (origin := await source.fetchval(_NEXT_ORIGIN, origin)) is not None:
        row = await source.fetchrow(_NEWEST, origin)
        trusted = identity(_named(settings, origin), key_encryption_key, origin).trusted
        if _is_signed(row["note"], trusted) and (newest is None or row["signed_at"] > newest[0]):
            newest = row["signed_at"], origin
    return None if newest is None else newest[1]


def _named(settings: Settings, origin: str) -> Settings:
    return (
        settings if settings.log_signing_key else settings.model_copy(update={"log_origin": origin})
    )


def _is_signed(note: str, trusted: Sequence[VerifierKey]) -> bool:
    try:
        open_checkpoint(note, trusted)
    except BadNote:
        return False
    return True


def _key(text: str | None, origin: str, key_encryption_key: bytes) -> SigningKey:
    if text is None:
        return SigningKey(origin, derived_key(key_encryption_key, LOG_CHECKPOINTS))
    return read_signing_key(text, origin)


def _default(settings: Settings) -> str:
    """Return the log's address without its scheme, as far as anybody has told it."""
    address = urlsplit(settings.public_url or f"https://{_NOWHERE}")
    return f"{address.netloc}{address.path.rstrip('/')}{PREFIX}"
