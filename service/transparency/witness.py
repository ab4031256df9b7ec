"""A witness: it vouches that a log only grows (C2SP tlog-witness v1.0.0).

It remembers the newest checkpoint of each log that it knows, on disk before it tells anybody, and
signs the next one only if that goes on from there. It reads no entries and trusts nobody's word.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Final

from service.clock import Clock
from service.domain.instant import SECOND
from service.domain.merkle import EMPTY_ROOT
from service.domain.proofs import is_consistent
from service.transparency.checkpoint import (
    Checkpoint,
    open_checkpoint,
    parse_checkpoint,
    parse_size,
)
from service.transparency.durable_file import alone_in, write_durably
from service.transparency.keys import KeyType, SigningKey, VerifierKey, verified
from service.transparency.note import BadNote, Note, decode64, parse_note

LARGEST_REQUEST: Final = 64 * 1024
_MOST_HASHES: Final = 63
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TEXT: Final = "text/plain; charset=utf-8"
_SIZE: Final = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    status: HTTPStatus
    body: str
    media_type: str = _TEXT


@dataclass(frozen=True, slots=True)
class Request:
    """What a log asks: to cosign a checkpoint that goes on from one of `old` events."""

    old: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint


def parse_request(body: bytes) -> Request:
    """Read the body of add-checkpoint. Raises BadNote."""
    try:
        lines, found, note = body.decode().partition("\n\n")
    except UnicodeDecodeError:
        raise BadNote("a request is UTF-8") from None
    first, *hashes = lines.split("\n")
    if not found or not first.startswith("old ") or len(hashes) > _MOST_HASHES:
        raise BadNote("a request is an old size, at most 63 hashes, an empty line, a checkpoint")
    parsed = parse_note(note)
    old, proof = parse_size(first.removeprefix("old ")), tuple(decode64(one) for one in hashes)
    return Request(old, proof, parsed, parse_checkpoint(parsed.text))


class Witness:
    """One witness over one folder, which several processes may share."""

    def __init__(
        self, key: SigningKey, logs: Sequence[VerifierKey], folder: Path, clock: Clock
    ) -> None:
        """Take its key, the keys of the logs it knows (their names are the origins), its folder."""
        self._key = key
        self._logs = tuple(logs)
        self._folder = folder
        self._clock = clock

    @property
    def verifier(self) -> VerifierKey:
        """The key by which others know its cosignatures."""
        return self._key.verifier(KeyType.WITNESS)

    def add_checkpoint(self, body: bytes) -> Answer:
        """Cosign what goes on from what it knows. When it answers so, it will never forget.

        It reads and writes files, and waits for whoever else does. Raises OSError where it cannot;
        nothing is cosigned then.
        """
        try:
            request = parse_request(body)
        except BadNote as error:
            return _refusal(HTTPStatus.BAD_REQUEST, str(error))
        trusted = [key for key in self._logs if key.name == request.checkpoint.origin]
        if not trusted:
            return _refusal(HTTPStatus.NOT_FOUND, "this log is not known here")
        try:
            verified(request.note, trusted)
        except BadNote as error:
            return _refusal(HTTPStatus.FORBIDDEN, str(error))
        if request.old > request.checkpoint.size:
            return _refusal(HTTPStatus.BAD_REQUEST, "the old size is larger than the new one")
        with alone_in(self._folder):
            return self._cosign(request, trusted)

    def newest(self, digest: str) -> str | None:
        """Return the newest checkpoint of a log with its cosignature, by SHA-256 of its origin."""
        path = self._folder / digest
        if not _DIGEST.fullmatch(digest) or not path.exists():
            return None
        return path.read_text(encoding="utf-8")

    def _cosign(self, request: Request, trusted: Sequence[VerifierKey]) -> Answer:
        """Compare with what is known and replace it, while nobody else can do either."""
        new = request.checkpoint
        path = self._folder / sha256(new.origin.encode()).hexdigest()
        known = Checkpoint(new.origin, 0, EMPTY_ROOT)
        if path.exists():
            known, _ = open_checkpoint(path.read_text(encoding="utf-8"), [*trusted, self.verifier])
        if request.old != known.size:
            return Answer(HTTPStatus.CONFLICT, f"{known.size}\n", _SIZE)
        if not is_consistent(known.size, new.size, request.proof, known.root, new.root):
            return _refusal(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"this tree of {new.size} is not proven to begin with that of {known.size}",
            )
        cosignature = self._key.cosign(new.text(), self._clock.now() // SECOND)
        kept = Note(new.text(), (*verified(request.note, trusted), cosignature))
        write_durably(path, kept.encode())
        return Answer(HTTPStatus.OK, cosignature.line())


def _refusal(status: HTTPStatus, why: str) -> Answer:
    return Answer(status, f"{why}\n")
