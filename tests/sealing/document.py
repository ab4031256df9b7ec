"""The root as docs/decision-log.md has it computed: by its own words, and no code of ours."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "decision-log.md"


def documented_root(paths: Iterable[Path]) -> str:
    """Return the root of these files, run from the document's own lines."""
    blocks = re.findall(r"```python\n(.*?)```", _DOCUMENT.read_text("utf-8"), re.DOTALL)
    (block,) = (block for block in blocks if "def root(" in block)
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 - it is ours, and what is tested
    root: str = names["root"](paths)
    return root
