"""Statements: what the log's key signs beside checkpoints, as signed notes that are never one.

    example.com/log/statement/export-manifest/v1
    sha256 98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4

    — example.com/log AbCd…

The first line is the log's origin, `/statement/` and what kind of statement it is; the lines below
say it. A checkpoint's first line is a bare origin and its second a number: the first line below a
statement's header is never made of digits alone, so no reader takes one for the other.
"""

import re
from collections.abc import Sequence
from typing import Final

from service.transparency.keys import KeyType, SigningKey, VerifierKey, verified
from service.transparency.note import BadNote, Note, parse_note

_KIND: Final = re.compile(r"[a-z0-9]+(?:[ ./-][a-z0-9]+)*", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]+")
_BELOW: Final = "/statement/"


def sign_statement(key: SigningKey, kind: str, lines: Sequence[str]) -> str:
    """Return the signed note that states these lines under a kind, such as `export-manifest/v1`.

    Raises ValueError for a kind that is not made of lower-case words, and unless there are lines,
    each with something printable on it and the first not a bare number.
    """
    if not _KIND.fullmatch(kind):
        raise ValueError(f"{kind!r} is not a kind of statement: write it as export-manifest/v1")
    _require_lines(lines)
    text = "".join(f"{line}\n" for line in (_header(key.name, kind), *lines))
    return Note(text, (key.sign(text),)).encode()


def read_statement(note: str | bytes, verifiers: Sequence[VerifierKey], kind: str) -> list[str]:
    """Return the lines of a statement of this kind that one of these logs' keys has signed.

    Raises BadNote where it is no such statement, where nobody trusted has signed it, and where any
    signature by a trusted key is wrong. A log's key speaks for its own origin only, and a witness's
    for none.
    """
    parsed = parse_note(note)
    logs = [key for key in verifiers if key.type is KeyType.LOG]
    signed = verified(parsed, logs)
    header, *lines = parsed.text.removesuffix("\n").split("\n")
    if header not in {_header(signature.name, kind) for signature in signed}:
        raise BadNote(f"this is no statement of the kind {kind} by whoever signed it")
    try:
        _require_lines(lines)
    except ValueError as error:
        raise BadNote(f"this states nothing: {error}") from None
    return lines


def _header(origin: str, kind: str) -> str:
    return f"{origin}{_BELOW}{kind}"


def _require_lines(lines: Sequence[str]) -> None:
    if not lines or _DIGITS.fullmatch(lines[0]):
        raise ValueError("the first line of a statement is not a number: a checkpoint's is")
    if not all(line and line.isprintable() for line in lines):
        raise ValueError("each line of a statement is one line of printable text")
