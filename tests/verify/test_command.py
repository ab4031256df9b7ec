"""`fermata verify` as it is typed: what it prints, what it writes down, and its exit statuses."""

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from service.cli.main import app
from service.cli.verify_bundle import NOT_ASKED
from service.transparency.kept import KeptCheckpoint
from service.verify.held import NOT_HELD
from tests.ledger.writing import connected
from tests.serving import running_service
from tests.transparency.logs import KEY, ORIGIN, superuser
from tests.verify.exporting import KEK as PLATFORM_KEK
from tests.verify.exporting import Platform, copy_of
from tests.verify.seeded import KEK, VERIFIERS, Seeded, copied


def fermata_verify(*arguments: str, url: str | None = None, key: bytes | None = KEK) -> Result:
    """Type the command; the settings are a service's with its own database and key."""
    environment = {
        "DATABASE_URL": url,
        "FERMATA_KEY_ENCRYPTION_KEY": None if key is None else base64.b64encode(key).decode(),
    }
    return CliRunner().invoke(app, ["verify", *arguments], env=environment)


@pytest.fixture
def altered(postgres_url: str, platform: Platform) -> Iterator[str]:
    """Return the URL of a copy of the platform's database with one decision altered."""

    async def alter(url: str) -> None:
        async with superuser(url) as connection:
            await connection.execute("UPDATE decisions SET revision = revision - 1")

    with asyncio.Runner() as runner:
        copying = copied(postgres_url, platform.url)
        url = runner.run(copying.__aenter__())
        runner.run(alter(url))
        yield url
        runner.run(copying.__aexit__(None, None, None))


def test_a_database_that_holds(seeded: Seeded, tmp_path: Path) -> None:
    """Status 0, for people and for programs; with checkpoints that were kept, and their key."""
    kept = tmp_path / "old.checkpoint"
    kept.write_text(seeded.notes[0])
    known = ("--key", VERIFIERS[0], "--key", VERIFIERS[1], "--checkpoint", str(kept))
    told = fermata_verify(*known, url=seeded.url)
    assert told.exit_code == 0, told.output
    assert "everything that was looked at holds" in told.stdout
    assert "not looked at" not in told.stdout
    report = json.loads(fermata_verify(*known, "--json", url=seeded.url).stdout)
    assert report["holds"] is True
    assert report["size"] == seeded.size
    assert report["findings"] == []


def test_an_altered_decision_is_found_by_recomputing_it(altered: str) -> None:
    """Status 1; the decision is named. Nobody has to ask for it, and one may do without."""
    told = fermata_verify("--json", url=altered, key=PLATFORM_KEK)
    report = json.loads(told.stdout)
    assert told.exit_code == 1
    assert {one["what"] for one in report["findings"]} == {"decision_differs"}
    assert all(one["where"].startswith("decisions dec_") for one in report["findings"])
    assert report["first_wrong_revision"] is not None
    assert fermata_verify("--no-decisions", url=altered, key=PLATFORM_KEK).exit_code == 0


def test_what_was_found_is_written_down(postgres_url: str, seeded: Seeded) -> None:
    """With --record, for the audit console; whether it holds or not."""

    async def recorded() -> list[Any]:
        async with copied(postgres_url, seeded.url) as url:
            own = ("--record", "--key", VERIFIERS[0])
            assert (await asyncio.to_thread(fermata_verify, *own, url=url)).exit_code == 0
            async with superuser(url) as connection:
                await connection.execute("DELETE FROM consents")
            assert (await asyncio.to_thread(fermata_verify, *own, url=url)).exit_code == 1
            async with connected(url) as connection:
                return list(await connection.fetch("SELECT * FROM verifications ORDER BY id"))

    first, second = asyncio.run(recorded())
    assert (first["passed"], second["passed"]) == (True, False)
    assert first["revision"] == seeded.size
    assert first["root"] == second["root"]
    assert first["began_at"] < first["ended_at"] < second["ended_at"]
    assert json.loads(second["what"])["findings"][0]["what"] == "row_missing"


def test_the_checkpoint_that_the_service_has_kept(
    postgres_url: str, seeded: Seeded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to name it: a restored backup is noticed by itself, and first."""
    text = f"{ORIGIN}\n{seeded.size + 1}\n{'A' * 43}=\n"
    KeptCheckpoint(tmp_path, ORIGIN).advance(f"{text}\n{KEY.sign(text).line()}")
    monkeypatch.setenv("FERMATA_LOG_DIR", str(tmp_path))
    told = fermata_verify("--key", VERIFIERS[0], url=seeded.url)
    assert told.exit_code == 1
    assert f"WRONG: 1 findings, the first at revision {seeded.size + 1}" in told.stdout
    assert "went_back" in told.stdout


def test_a_public_log(postgres_url: str, seeded: Seeded, tmp_path: Path) -> None:
    """Over HTTP; the checkpoint that is kept the first time is held against the next one."""
    checkpoint = tmp_path / "kept.checkpoint"

    async def asked() -> list[Result]:
        async with copied(postgres_url, seeded.url) as url:
            return await asyncio.to_thread(_ask, url, checkpoint)

    first, second, nowhere = asyncio.run(asked())
    assert first.exit_code == 0, first.output
    assert "No key was given" in first.stderr
    assert second.exit_code == 0, second.output
    assert "No key" not in second.stderr
    assert json.loads(second.stdout)["looked_at"]["roots of checkpoints"] == 2
    assert nowhere.exit_code == 2
    assert "could not look" in nowhere.stderr


def _ask(url: str, checkpoint: Path) -> list[Result]:
    with running_service(
        url,
        key_encryption_key=SecretStr(base64.b64encode(KEK).decode()),
        log_origin=ORIGIN,
        log_signing_key=SecretStr(KEY.private_text()),
    ) as service:
        log = f"{service.url}/log"
        return [
            fermata_verify("--url", log, "--keep", str(checkpoint)),
            fermata_verify(
                "--url", log, "--key", VERIFIERS[0], "--checkpoint", str(checkpoint), "--json"
            ),
            fermata_verify("--url", f"{service.url}/nothing", "--key", VERIFIERS[0]),
        ]


def test_an_export(platform: Platform, tmp_path: Path) -> None:
    """With the public key and nothing else; what is held against nothing is told."""
    bundle = str(platform.bundles["parquet"])
    held = fermata_verify(bundle, "--key", platform.verifier, key=None)
    assert held.exit_code == 0, held.output
    for told in NOT_HELD.values():
        assert f"not looked at: {told}" in held.stdout
    known = bundle, "--key", platform.verifier, "--json", "--no-decisions"
    report = json.loads(fermata_verify(*known, key=None).stdout)
    assert {*NOT_HELD.values(), NOT_ASKED} < report["could_not_look_at"].keys()
    assert fermata_verify(bundle, key=None).exit_code == 2
    stranger = fermata_verify(bundle, "--key", VERIFIERS[0], key=None)
    assert stranger.exit_code == 2
    assert "--key" in stranger.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--key", "nonsense"),
        ("--url", "https://music.example/log", "--database", "postgresql://x"),
        ("--database", "mysql://x/y"),
        ("--database", "postgresql://nobody@127.0.0.1:1/nothing"),
        ("--checkpoint", "not-there.checkpoint"),
        ("not-there",),
    ],
    ids=" ".join,
)
def test_what_it_cannot_look_at(arguments: tuple[str, ...]) -> None:
    """Status 2, with what is the matter, and no traceback."""
    told = fermata_verify(*arguments)
    assert told.exit_code == 2
    assert "could not look" in told.stderr
    assert "Traceback" not in told.output


def test_help_tells_the_exit_statuses() -> None:
    """They are for scripts."""
    told = CliRunner().invoke(app, ["verify", "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    said = " ".join(told.stdout.split())
    assert "Exit status: 0 all of it holds; 1 something is wrong" in said
    for option in ("--checkpoint", "--key", "--url", "--record", "--json", "--no-decisions"):
        assert option in said


OWN_COLUMNS = {
    "answered_at": "answered_at = answered_at + interval '1 second'",
    "number": "number = number + 1",
    "one": "one = 'another' WHERE one IS NOT NULL",
    "reasons": "reasons = '{\"open\": 1}'",
}


@pytest.mark.parametrize("column", OWN_COLUMNS)
def test_what_decisions_are_looked_up_by(
    postgres_url: str, platform: Platform, column: str
) -> None:
    """Recomputing an answer does not need it; whoever alters it hides the decision."""

    async def alter(url: str) -> None:
        async with superuser(url) as connection:
            await connection.execute(f"UPDATE decisions SET {OWN_COLUMNS[column]}")

    with asyncio.Runner() as runner:
        copying = copied(postgres_url, platform.url)
        url = runner.run(copying.__aenter__())
        runner.run(alter(url))
        known = ("--key", platform.verifier, "--json")
        report = json.loads(fermata_verify(*known, url=url, key=PLATFORM_KEK).stdout)
        runner.run(copying.__aexit__(None, None, None))
    assert {one["what"] for one in report["findings"]} == {"decision_differs"}
    assert {one["says"].partition(":")[0] for one in report["findings"]} == {column}


def test_a_bundle_with_a_hostile_name(platform: Platform, tmp_path: Path) -> None:
    """What it says is printed as it is, and neither steers the terminal nor the printing."""
    bundle = copy_of(platform.bundles["csv"], tmp_path)
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    (bundle / "manifest.json").write_text(json.dumps(manifest | {"origin": "[/x]\x1b[2J"}))
    told = fermata_verify(str(bundle), "--key", platform.verifier)
    assert told.exit_code == 2
    assert "[/x]\\x1b[2J" in told.output
