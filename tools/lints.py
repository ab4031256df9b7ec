"""The rules of this house that no general linter knows, each with the story that made it one.

    python tools/lints.py

Prints `file:line: name: what to do` for everything it finds, and exits 1 if that is anything. Each
rule is a class; its docstring is the story.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
TOO_LARGE = 4_000_000  # bytes; nobody wrote that by hand


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that breaks a rule."""

    path: str
    line: int
    rule: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.advice}"


class CodeRule(Protocol):
    """A rule about Python code; `path` is relative to the repository, with forward slashes."""

    def applies_to(self, path: str) -> bool:
        """Whether this file is under the rule at all."""

    def check(self, path: str, tree: ast.Module) -> Iterator[Finding]:
        """Find what breaks the rule in this file."""


class CommitsAtHome:
    """Only `service/db` and `service/ledger` commit.

    Let a route commit its own session to "save early", and let the rest of the request fail: the
    event is durable and the rows derived from it are not, a revision that no table agrees with and
    that only a replay finds, much later. One request is one transaction, and the layer that opened
    it ends it.
    """

    def applies_to(self, path: str) -> bool:
        return path.startswith("service/") and not path.startswith(
            ("service/db/", "service/ledger/")
        )

    def check(self, path: str, tree: ast.Module) -> Iterator[Finding]:
        advice = "only service/db and service/ledger commit; leave it to the transaction's owner"
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == "commit":
                yield Finding(path, node.lineno, "commit", advice)
        for line, text in _texts(tree):
            if re.search(r"(?:^|;)\s*COMMIT\s*(?:;|$)", text, re.IGNORECASE):
                yield Finding(path, line, "commit", advice)


class ClocksAtHome:
    """Only `service/clock.py` reads a clock.

    Let a check be judged by a replica's own `datetime.now`, and let that replica run four minutes
    ahead: for four minutes it permits what a window still forbids. There is one clock, the
    ledger's, and whoever needs an instant is handed one; a test then owns time as well.
    """

    _READS: Mapping[str, frozenset[str]] = {
        "time": frozenset(
            f"{name}{unit}"
            for name in ("time", "monotonic", "perf_counter", "process_time")
            for unit in ("", "_ns")
        )
        | {"localtime", "gmtime", "clock_gettime", "clock_gettime_ns"},
        "datetime": frozenset({"now", "utcnow", "today"}),
        "date": frozenset({"today"}),
    }

    def applies_to(self, path: str) -> bool:
        return path.startswith(("service/", "client/")) and path != "service/clock.py"

    def check(self, path: str, tree: ast.Module) -> Iterator[Finding]:
        advice = "only service/clock.py reads a clock; take the instant, or a Clock, as an argument"
        names = _imported(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                owner = _dotted(node.value, names).rpartition(".")[2]
                if node.attr in self._READS.get(owner, ()):
                    yield Finding(path, node.lineno, "clock", advice)
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                for alias in node.names:
                    if alias.name in self._READS["time"]:
                        yield Finding(path, node.lineno, "clock", advice)


class LedgerOnlyGrows:
    """Nothing in the code updates, deletes or truncates the table `ledger`.

    Let a clean-up job delete "test events" by their subject, and a real opt-out goes with them. The
    database refuses it, by trigger; this rule says so a day earlier, and also to whoever thinks of
    switching the trigger off.
    """

    _WORDS = re.compile(
        r"\b(?:UPDATE|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?)\s+(?:ONLY\s+)?"
        r"(?:\"?\w+\"?\.)?\"?ledger\"?(?![\w.])",
        re.IGNORECASE,
    )

    def __init__(self, tables: Iterable[ast.Module]) -> None:
        self._models = {name for tree in tables for name in _models_of(tree, "ledger")}

    def applies_to(self, path: str) -> bool:
        return path.startswith(("service/", "client/", "alembic/"))

    def check(self, path: str, tree: ast.Module) -> Iterator[Finding]:
        advice = "the ledger only grows; append an event that says what is meant now"
        for line, text in _texts(tree):
            if self._WORDS.search(text):
                yield Finding(path, line, "ledger", advice)
        names = _imported(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and self._changes(node, names):
                yield Finding(path, node.lineno, "ledger", advice)

    def _changes(self, call: ast.Call, names: Mapping[str, str]) -> bool:
        function = _dotted(call.func, names)
        if function.rpartition(".")[2] not in {"update", "delete"}:
            return False
        subjects = [_dotted(call.args[0], names)] if call.args else []
        if isinstance(call.func, ast.Attribute):
            subjects.append(_dotted(call.func.value, names))
        return any(
            part in self._models for subject in subjects for part in subject.split(".") if part
        )


class DomainStandsAlone:
    """`service/domain` imports the standard library and itself, nothing else.

    The rules have to be readable, testable and replayable by somebody who has only Python: an
    auditor recomputing a decision from an export must not need our web framework, in the version of
    that year. import-linter guards the rooms above; what is outside of them it would have to be
    told by name.
    """

    def applies_to(self, path: str) -> bool:
        return path.startswith("service/domain/")

    def check(self, path: str, tree: ast.Module) -> Iterator[Finding]:
        for node in ast.walk(tree):
            for line, module in _modules(node):
                inside = module == "service.domain" or module.startswith("service.domain.")
                if not inside and module.split(".")[0] not in sys.stdlib_module_names:
                    advice = f"the domain imports the standard library only, not {module}"
                    yield Finding(path, line, "domain", advice)


class LocksNameNoPlace:
    """Lock files tell versions and hashes, never where to get them.

    Let a lock carry the address of the mirror of the machine that it was made on: everybody else's
    install asks a host that they cannot reach, and the error speaks of a missing package.
    """

    _PLACES = re.compile(
        r"://|^\s*-{1,2}(?:i|f|index|extra|find|trusted)|\bfile:|\s@\s|\"resolved\""
    )

    def applies_to(self, path: str) -> bool:
        return path.startswith("requirements/") or path.endswith("package-lock.json")

    def check_text(self, path: str, text: str) -> Iterator[Finding]:
        for number, line in enumerate(text.splitlines(), start=1):
            if self._PLACES.search(line):
                yield Finding(
                    path, number, "lock", "a lock names no place; make it with `make lock`"
                )


class FilesNameNoRegistry:
    """No file names the host of a package registry, neither the public ones nor this machine's.

    Where packages come from is the business of whoever installs: companies mirror, air-gap and
    audit. A name that slips into a document or a container file is a name that somebody's build
    will ask. The public names are put together from parts here, for this file is checked too.
    """

    _PUBLIC = tuple(
        ".".join(parts)
        for parts in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("npmjs", "org"),
            ("npmjs", "com"),
            ("yarnpkg", "com"),
            ("deb", "debian", "org"),
            ("archive", "ubuntu", "com"),
        )
    )

    def __init__(self, of_this_machine: Iterable[str]) -> None:
        hosts = {*self._PUBLIC, *of_this_machine}
        self._hosts = re.compile(
            rf"(?<![\w-])(?:{'|'.join(re.escape(host) for host in sorted(hosts))})(?![\w-])",
            re.IGNORECASE,
        )

    def check_text(self, path: str, text: str) -> Iterator[Finding]:
        for number, line in enumerate(text.splitlines(), start=1):
            if self._hosts.search(line):
                advice = "names the host of a package registry; leave that to whoever installs"
                yield Finding(path, number, "registry", advice)


# --- reading code ---------------------------------------------------------------------------------


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every string of the code with its line, an f-string's parts joined; docstrings left out."""
    prose = {id(docstring) for docstring in _docstrings(tree)}
    inside = set[int]()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part for part in node.values if isinstance(part, ast.Constant)]
            inside.update(id(part) for part in parts)
            yield node.lineno, "".join(str(part.value) for part in parts)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in prose | inside
        ):
            yield node.lineno, node.value


def _docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    """Strings that stand alone as a statement: documentation, not data."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def _imported(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for: `from datetime import datetime as dt` gives dt."""
    names = dict[str, str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {
                alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names
            }
    return names


def _dotted(node: ast.expr, names: Mapping[str, str]) -> str:
    """`a.b.c` as text, its first name resolved; empty for what is no plain name."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value, names)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def _modules(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Import):
        yield from ((node.lineno, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        yield node.lineno, node.module


def _models_of(tree: ast.Module, table: str) -> Iterator[str]:
    """Names of the classes, and of the table objects, that stand for this table."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(
            isinstance(statement, ast.Assign | ast.AnnAssign)
            and "__tablename__" in ast.unparse(statement).split("=")[0]
            and isinstance(statement.value, ast.Constant)
            and statement.value.value == table
            for statement in node.body
        ):
            yield node.name
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and ast.unparse(node.value.func).rpartition(".")[2] == "Table"
            and ast.unparse(node.value.args[0]) == repr(table)
        ):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


# --- reading the repository -----------------------------------------------------------------------


def _files() -> list[str]:
    """The files that are in git or are about to be; without git, all but what tools made."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    if (ROOT / ".git").exists():
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        names = set(listed.stdout.splitlines())
    else:
        names = {str(path.relative_to(ROOT).as_posix()) for path in ROOT.rglob("*")}
    made = re.compile(r"(?:^|/)(?:\.venv|\.[a-z_]*cache|node_modules|__pycache__)/")
    return sorted(name for name in names if not made.search(name) and (ROOT / name).is_file())


def _hosts_of_this_machine() -> set[str]:
    """The registries that pip, uv and npm are set up for here, if they are not the public ones."""
    pip = [sys.executable, "-m", "pip", "config", "list"]
    settings = [subprocess.run(pip, capture_output=True, text=True, check=False).stdout]
    settings += [value for name, value in os.environ.items() if _is_registry_variable(name)]
    settings += [
        file.read_text(errors="replace")
        for file in (
            Path.home() / ".npmrc",
            Path.home() / ".config" / "uv" / "uv.toml",
            Path("/etc/uv/uv.toml"),
            Path("/usr/etc/npmrc"),
            Path("/etc/npmrc"),
        )
        if file.is_file()
    ]
    found = {
        urlsplit(address).hostname or ""
        for setting in settings
        for address in re.findall(r"https?://[^\s'\"]+", setting)
    }
    # A registry on this machine itself is called what everybody's machine is called.
    return {host for host in found if "." in host and not re.fullmatch(r"127\.[\d.]+", host)}


def _is_registry_variable(name: str) -> bool:
    return bool(re.match(r"(?i)(?:pip|uv|npm_config)_.*(?:index|registry|links|mirror)", name))


def main() -> int:
    """Check the whole repository; 0 when nothing was found."""
    files = {
        name: text
        for name in _files()
        if (ROOT / name).stat().st_size < TOO_LARGE
        and (text := (ROOT / name).read_bytes().decode(errors="replace"))
    }
    trees = {name: ast.parse(text, name) for name, text in files.items() if name.endswith(".py")}
    tables = [tree for name, tree in trees.items() if name.startswith("service/")]
    code: list[CodeRule] = [
        CommitsAtHome(),
        ClocksAtHome(),
        LedgerOnlyGrows(tables),
        DomainStandsAlone(),
    ]
    locks, registries = LocksNameNoPlace(), FilesNameNoRegistry(_hosts_of_this_machine())
    findings = [
        finding
        for name, tree in trees.items()
        for rule in code
        if rule.applies_to(name)
        for finding in rule.check(name, tree)
    ]
    for name, text in files.items():
        findings += registries.check_text(name, text)
        if locks.applies_to(name):
            findings += locks.check_text(name, text)
    print(*findings, sep="\n", end="\n" if findings else "")
    print(f"{len(files)} files, {len(findings)} findings", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
