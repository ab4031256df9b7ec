"""Checkpoints that were kept outside of what is looked at: the one thing that nobody could edit."""

from collections.abc import Sequence

from service.verify.claims import Placed
from service.verify.finding import CannotLook
from service.verify.notes import OF_A_LOG, Key, Unreadable, read_claim, read_note, signers


def kept_checkpoint(encoded: bytes | str, where: str, keys: Sequence[Key]) -> Placed:
    """Return what a checkpoint claims that somebody kept in a file or a note.

    Raises CannotLook where it is none, or where nobody who is trusted has signed it: nothing could
    be held against it.
    """
    try:
        note = read_note(encoded)
        claim = read_claim(note.text)
        logs = [key for key in keys if key.type == OF_A_LOG and key.name == claim.origin]
        signed = bool(signers(note, logs))
    except Unreadable as error:
        raise CannotLook(f"{where} is no checkpoint to hold anything against: {error}") from None
    if not signed:
        raise CannotLook(
            f"{where} is a checkpoint of {claim.origin}, signed by no key that is known here: name "
            "the log's key, also an older one if it was changed"
        )
    return Placed(claim, where, signed=True, kept=True)
