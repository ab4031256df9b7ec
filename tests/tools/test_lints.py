"""The house rules find what they are for, and nothing else."""

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _load() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "tools" / "lints.py"
    spec = importlib.util.spec_from_file_location("lints", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


lints = _load()
MODELS = ast.parse('class LedgerEvent(Table):\n    __tablename__ = "ledger"\n')


def found(rule: object, code: str, path: str = "service/api/checks.py") -> list[int]:
    """The lines of this code that the rule complains about; none where it does not apply."""
    if not rule.applies_to(path):  # type: ignore[attr-defined]
        return []
    return [finding.line for finding in rule.check(path, ast.parse(code))]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "code", ["await session.commit()", 'execute("COMMIT")', 'execute("begin; commit;")']
)
def test_a_commit_outside_its_rooms_is_found(code: str) -> None:
    """Only service/db and service/ledger commit."""
    rule = lints.CommitsAtHome()

    assert found(rule, code) == [1]
    assert found(rule, code, "service/db/session.py") == []
    assert found(rule, code, "service/ledger/append.py") == []
    assert found(rule, code, "tests/db/test_session.py") == []


@pytest.mark.parametrize("code", ['"""COMMIT"""', 'say("we commit to this")', "commit = 1"])
def test_talk_of_commits_is_not_one(code: str) -> None:
    """Documentation and other sentences may use the word."""
    assert found(lints.CommitsAtHome(), code) == []


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.time()",
        "import time as t; t.monotonic_ns()",
        "from time import perf_counter",
        "import datetime; datetime.datetime.now()",
        "from datetime import datetime as dt; dt.utcnow()",
        "import datetime; datetime.date.today()",
    ],
)
def test_a_clock_that_is_read_elsewhere_is_found(code: str) -> None:
    """Only service/clock.py reads a clock, under whatever name it was imported."""
    rule = lints.ClocksAtHome()

    assert found(rule, code) == [1]
    assert found(rule, code, "client/follow.py") == [1]
    assert found(rule, code, "service/clock.py") == []
    assert found(rule, code, "bench/checks.py") == []


@pytest.mark.parametrize(
    "code",
    ["import time; time.sleep(1)", "clock.now()", "from datetime import datetime; datetime.max"],
)
def test_other_uses_of_time_are_free(code: str) -> None:
    """To wait, and to ask a clock that was handed over, is no reading of the machine's."""
    assert found(lints.ClocksAtHome(), code) == []


@pytest.mark.parametrize(
    "code",
    [
        'execute("UPDATE ledger SET leaf = 1")',
        'execute(f"delete from public.ledger where revision = {n}")',
        "execute('TRUNCATE TABLE \"ledger\"')",
        "from sqlalchemy import update as u; execute(u(LedgerEvent).values(leaf=1))",
        "import sqlalchemy as sa\nexecute(sa.delete(LedgerEvent))",
        "LedgerEvent.__table__.delete()",
    ],
)
def test_a_change_of_the_ledger_is_found(code: str) -> None:
    """Neither SQL nor the ORM updates, deletes or truncates the ledger."""
    assert len(found(lints.LedgerOnlyGrows([MODELS]), code)) == 1


@pytest.mark.parametrize(
    "code",
    [
        'execute("UPDATE ledger_head SET size = 1")',
        'execute("CREATE TRIGGER t BEFORE UPDATE OR DELETE ON ledger")',
        'execute("INSERT INTO ledger VALUES (1)")',
        "execute(update(LedgerHead).values(size=1))",
        "digest.update(leaf)",
    ],
)
def test_what_leaves_the_ledger_alone_is_free(code: str) -> None:
    """Other tables change, and the ledger grows."""
    assert found(lints.LedgerOnlyGrows([MODELS]), code) == []


def test_the_domain_imports_the_standard_library_alone() -> None:
    """Whatever else the domain imports is found, be it ours or somebody else's."""
    code = (
        "import json\nimport pydantic\nfrom service.domain.uses import Use\n"
        "from service.db import tables\nfrom service.domained import x\n"
    )

    assert found(lints.DomainStandsAlone(), code, "service/domain/decision.py") == [2, 4, 5]
    assert found(lints.DomainStandsAlone(), code, "service/api/checks.py") == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url mirror",
        "-i mirror",
        "--find-links /wheels",
        "six @ file:six.whl",
        '"resolved": "x"',
        "# from ssh://host/x",
    ],
)
def test_a_place_in_a_lock_is_found(line: str) -> None:
    """A lock says what, not where from."""
    rule = lints.LocksNameNoPlace()

    assert len(list(rule.check_text("requirements/run.txt", f"six==1.17.0\n{line}\n"))) == 1


def test_a_lock_of_versions_and_hashes_is_free() -> None:
    """Versions, hashes, markers and the reasons for a package are what a lock is for."""
    lock = (
        "six==1.17.0 ; sys_platform == 'win32' \\\n    --hash=sha256:00 \\\n"
        "    # via\n    #   -c requirements/run.txt\n    #   fermata (pyproject.toml)\n"
    )

    assert list(lints.LocksNameNoPlace().check_text("requirements/run.txt", lock)) == []


def test_a_registry_is_found_wherever_it_is_named() -> None:
    """The public registries and the ones this machine is set up for are named in no file."""
    rule = lints.FilesNameNoRegistry({"mirror.example.net"})
    public = f"files.{lints.FilesNameNoRegistry._PUBLIC[1]}"
    text = f"one\nsee https://{public}/x\nmirror.example.net\nmirror.example.network\n"

    assert [finding.line for finding in rule.check_text("README.md", text)] == [2, 3]
