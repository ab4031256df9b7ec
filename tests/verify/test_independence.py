"""The verifier shares the hash functions and the rules with whoever writes, and nothing else."""

import ast
from pathlib import Path
from typing import Final

import service.verify

_SHARED: Final = {
    "service.domain",
    "service.domain.assessment",
    "service.domain.consent",
    "service.domain.merkle",
    "service.domain.policy",
    "service.domain.uses",
}


def imported(path: Path) -> set[str]:
    """Return the modules of the service that a file imports."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            found.add(node.module or "")
    return {one for one in found if one == "service" or one.startswith("service.")}


def test_only_hashes_and_rules_are_shared() -> None:
    """By the sources themselves: a room that is new tomorrow is none that may be imported."""
    [folder] = service.verify.__path__
    for path in Path(folder).rglob("*.py"):
        others = {one for one in imported(path) if not one.startswith("service.verify.")}
        assert others <= _SHARED, f"{path.name} shares more than it may"
