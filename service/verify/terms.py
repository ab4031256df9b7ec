"""Policies and notices in a bundle: nothing of them is private, so entries say all of it.

What the rows should be is worked out as for a database (`small`); they come from the bundle.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

import pyarrow as pa

from service.verify.cells import Row
from service.verify.few import Few
from service.verify.finding import Findings, What
from service.verify.many import where
from service.verify.small import (
    NOTICE,
    POLICY,
    Rows,
    compare,
    notices_of,
    policies_of,
    texts_of,
)

_SECOND: Final = 1_000_000
_VERSION: Final = ("use", "version")
_TEXT: Final = (*_VERSION, "locale")
_Held = dict[tuple[Any, ...], tuple[Any, ...]]


class PolicyRows:
    """Takes the rows of `policies`: a version's terms beside its text in each language."""

    def __init__(self, few: Few | None, findings: Findings, *, narrowed: bool) -> None:
        """Take what entries add up to, if all are there; `narrowed` rows are not all there are."""
        self._few = few
        self._findings = findings
        self._narrowed = narrowed
        self._versions: _Held = {}
        self._texts: _Held = {}

    def take(self, batch: pa.RecordBatch) -> None:
        """Hold each text against the digest beside it, and note what the rows say."""
        for row in batch.to_pylist():
            self._hold_text(row)
            terms = (*(_value(row, name) for name in POLICY), row["revision"])
            if self._versions.setdefault(_key(row, _VERSION), terms) != terms:
                self._add(What.ROW_DIFFERS, row, "it has other terms than in another language")
            if _key(row, _TEXT) in self._texts:
                self._add(What.ROW_EXTRA, row, "it is there more than once")
            self._texts[_key(row, _TEXT)] = row["text_sha256"], row["revision"]

    def end(self) -> None:
        """Hold all of it against the entries."""
        if self._few is None:
            return
        versions = _those(policies_of(self._few), self._versions, narrowed=self._narrowed)
        compare("policies", _VERSION, POLICY, versions, self._versions, self._findings)
        digests = {key: row[1:] for key, row in texts_of(self._few).items()}
        texts = _those(digests, self._texts, narrowed=self._narrowed)
        compare("policies", _TEXT, ("text_sha256",), texts, self._texts, self._findings)

    def _hold_text(self, row: Row) -> None:
        if sha256((row["text"] or "").encode()).hexdigest() != row["text_sha256"]:
            self._add(What.ROW_DIFFERS, row, "text: it has not the digest beside it")

    def _add(self, what: What, row: Row, says: str) -> None:
        named = where("policies", _TEXT, _key(row, _TEXT))
        self._findings.add(what, row["revision"], named, says)


class NoticeRows:
    """Takes the rows of `notices`."""

    def __init__(self, few: Few, findings: Findings, *, narrowed: bool) -> None:
        """Take what entries add up to; `narrowed` rows are not all that there are."""
        self._few = few
        self._findings = findings
        self._narrowed = narrowed
        self._notices: _Held = {}

    def take(self, batch: pa.RecordBatch) -> None:
        """Note what the rows say."""
        for row in batch.to_pylist():
            key = row["notice_id"]
            if (key,) in self._notices:
                named, says = f"notices notice_id={key}", "it is there more than once"
                self._findings.add(What.ROW_EXTRA, row["revision"], named, says)
            self._notices[key,] = (*(row[name] for name in NOTICE), row["revision"])

    def end(self) -> None:
        """Hold all of them against the entries."""
        made = _those(notices_of(self._few), self._notices, narrowed=self._narrowed)
        compare("notices", ("notice_id",), NOTICE, made, self._notices, self._findings)


def _those(made: Rows, stored: Rows, *, narrowed: bool) -> Rows:
    """Return the rows that have to be there: of narrowed ones nobody knows which are left out."""
    return {key: row for key, row in made.items() if key in stored} if narrowed else made


def _key(row: Row, names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def _value(row: Row, name: str) -> Any:
    """Return a value as the table has it."""
    if name == "notice_period":
        return (row["notice_period_seconds"] or 0) * _SECOND
    return row[name]
