"""Rows on their way into the service: many a request, and without those that it refuses."""

import json
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, TypeAlias

from client import Connection, Problem

Json: TypeAlias = dict[str, Any]

MOST_BYTES: Final = 8 * 1024 * 1024
"""A request is kept below half of what the service takes, unless one row alone is bigger."""

_HALF_A_CHARACTER = "it holds half a character, which is no text: write it again in its source"
_INVALID = 422
_TOO_LARGE = 413


@dataclass(slots=True)
class Sent:
    """What became of rows: the service's answers, and why which row was refused."""

    answers: list[Json] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)

    def total(self, name: str) -> int:
        """Add up one number of the answers."""
        return sum(answer[name] for answer in self.answers)


@dataclass(frozen=True, slots=True)
class RowsTo:
    """One of the service's bulk writes.

    `field_name` is the list in its body; `run` names the import, so that a repetition within it is
    recognised while a later import of the same rows is asked again.
    """

    connection: Connection
    path: str
    field_name: str
    run: str

    def send(self, rows: Sequence[Json]) -> Sent:
        """Write the rows, in their order; those that are refused are left out, and told.

        Rows the service names are left out at once; where it only says that something is too
        large, halves are tried until it is clear which row. Everything else is raised as Problem:
        it is not the rows' fault.
        """
        sent = Sent()
        waiting = deque([list(range(len(rows)))])
        while waiting:
            part = waiting.popleft()
            if part:
                waiting.extendleft(reversed(self._try(rows, part, sent)))
        return sent

    def _try(self, rows: Sequence[Json], part: list[int], sent: Sent) -> list[list[int]]:
        """Write one part of the rows; return the parts that have to be tried instead, if any."""
        body = {self.field_name: [rows[n] for n in part]}
        try:
            text = _encoded(body)
        except UnicodeEncodeError:
            unfit = {n: _HALF_A_CHARACTER for n in part if not _can_be_encoded(rows[n])}
            sent.refused |= unfit
            return [[n for n in part if n not in unfit]]
        if len(text) > MOST_BYTES and len(part) > 1:
            return _halves(part)
        try:
            answer = self.connection.write("POST", self.path, body, key=self._key(text))
        except Problem as problem:
            return self._without(part, problem, sent)
        sent.answers.append(answer)
        return []

    def _key(self, text: bytes) -> str:
        return sha256(f"{self.run} {self.path}\n".encode() + text).hexdigest()

    def _without(self, part: list[int], problem: Problem, sent: Sent) -> list[list[int]]:
        if problem.status == _INVALID:
            named = dict(self._named(part, problem))
            if named:
                sent.refused |= named
                return [[n for n in part if n not in named]]
        if problem.status != _TOO_LARGE:
            raise problem
        if len(part) == 1:
            sent.refused[part[0]] = str(problem)
            return []
        return _halves(part)

    def _named(self, part: Sequence[int], problem: Problem) -> Iterator[tuple[int, str]]:
        """The rows that a problem's errors name, each with everything said about it."""
        reasons: dict[int, list[str]] = {}
        for error in problem.errors:
            match = re.fullmatch(rf"{self.field_name}\[(\d+)\]\.?(.*)", error["field"], re.DOTALL)
            if match and int(match[1]) < len(part):
                about = f"{match[2]}: " if match[2] else ""
                reasons.setdefault(part[int(match[1])], []).append(f"{about}{error['message']}")
        for n, listed in reasons.items():
            yield n, "; ".join(listed)


def _halves(part: list[int]) -> list[list[int]]:
    middle = len(part) // 2
    return [part[:middle], part[middle:]]


def _encoded(body: Json) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _can_be_encoded(row: Json) -> bool:
    try:
        _encoded(row)
    except UnicodeEncodeError:
        return False
    return True
