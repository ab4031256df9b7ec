"""Uses: dotted paths in a tree whose leaves carry policies and whose root is `*`."""

import re
from collections.abc import Iterable
from typing import Final

ROOT: Final = "*"
LONGEST_PATH: Final = 200

_SEGMENT = r"[a-z][a-z0-9_-]*"
_PATH = re.compile(rf"{_SEGMENT}(\.{_SEGMENT})*", re.ASCII)
_RECIPIENT = re.compile(r"internal|[a-z][a-z0-9_-]*:[^\s:][^\s]*")


def is_path(text: str) -> bool:
    """Tell whether the text names a use other than the root."""
    return len(text) <= LONGEST_PATH and _PATH.fullmatch(text) is not None


def is_node(text: str) -> bool:
    """Tell whether the text names any node of the tree, the root included."""
    return text == ROOT or is_path(text)


def is_recipient(text: str) -> bool:
    """Tell whether the text names a recipient: `internal`, or a `type:id` such as `partner:pex`."""
    fits = len(text) <= LONGEST_PATH and text.isprintable()
    return fits and _RECIPIENT.fullmatch(text) is not None


def covers(node: str, use: str) -> bool:
    """Tell whether `use` is `node` or lies beneath it."""
    return node in {ROOT, use} or use.startswith(f"{node}.")


def above(use: str) -> list[str]:
    """Return every node that covers a use: the root, each group it lies in, and itself."""
    steps = use.split(".")
    return [ROOT, *(".".join(steps[: n + 1]) for n in range(len(steps)))]


def leaf_conflict(use: str, leaves: Iterable[str]) -> str | None:
    """Return the leaf that forbids `use` to become one, or None.

    Leaves carry policies and inner nodes group them: nothing is both.
    """
    for leaf in leaves:
        if leaf != use and (covers(leaf, use) or covers(use, leaf)):
            return leaf
    return None
