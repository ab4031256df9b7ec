"""A log without a database: its checkpoints and proofs, by the definition."""

from typing import Final

from service.domain.proofs import consistency_path
from service.transparency.checkpoint import Checkpoint
from service.transparency.keys import SigningKey
from service.transparency.note import encode64
from tests.ledger.naive_tree import tree_head

LOG_KEY: Final = SigningKey("log.example/log", bytes(range(32)))


class Log:
    """Entries that never change; `fork` makes those from some index on others."""

    def __init__(self, key: SigningKey = LOG_KEY, *, fork: int | None = None) -> None:
        """Take the key; a log's name is its key's."""
        self.key = key
        self._entries = [number.to_bytes(2, "big") for number in range(300)]
        if fork is not None:
            self._entries[fork] = b"forked"

    def root(self, size: int) -> bytes:
        """Return the root of a size."""
        return tree_head(self._entries[:size])

    def note(self, size: int) -> str:
        """Return the signed checkpoint of a size."""
        return Checkpoint(self.key.name, size, self.root(size)).signed(self.key).encode()

    def proof(self, older: int, newer: int) -> list[str]:
        """Return the lines of a consistency proof."""
        path = consistency_path(older, newer)
        return [encode64(tree_head(self._entries[start:end])) for start, end in path]

    def request(self, older: int, newer: int) -> bytes:
        """Return what a log asks a witness."""
        lines = "".join(f"{line}\n" for line in self.proof(older, newer))
        return f"old {older}\n{lines}\n{self.note(newer)}".encode()
