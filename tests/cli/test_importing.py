"""`fermata import`: streaming, idempotent, going on after bad rows and after being killed."""

import asyncio
import csv
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import asyncpg
import pytest

from client import Connection
from service.auth.scopes import Scope
from service.catalog.sources.csv_catalog import write_csv_catalog
from service.catalog.sources.generated import generated_catalog
from service.catalog.sources.track import ArtistName, BadRow, Track
from service.cli.importing import ImportReport, run_import
from service.cli.rejects import Reject
from tests.cli.conftest import (
    FERMATA,
    ROOT,
    Fermata,
    environment_for,
    open_charter,
)
from tests.cli.hold_up import HoldUp
from tests.serving import SECRET, RunningService, running_service

HEADER = "content,title,artists,isrc,status,artist_names\n"


@pytest.fixture
def platform(opened: RunningService) -> Iterator[Connection]:
    """A connection that may load the catalogue, and nothing else."""
    with opened.connect(Scope.CATALOG) as connection:
        yield connection


def written(folder: Path, rows: str, name: str = "catalog.csv") -> Path:
    """Write a catalogue of our own format."""
    path = folder / name
    path.write_text(HEADER + rows, encoding="utf-8")
    return path


def generated(folder: Path, tracks: int) -> Path:
    """Write an invented catalogue."""
    path = folder / "generated.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        write_csv_catalog(generated_catalog(Random(7), tracks), file)
    return path


def track(content: str, *artists: str, title: str = "A title", line: int = 1) -> Track:
    """Return a track of these artists."""
    names = tuple(ArtistName(artist, artist.title()) for artist in artists)
    return Track(content, title, names, None, "test", line)


def puts(database_url: str) -> int:
    """How many times content was put, by the ledger."""

    async def ask() -> int:
        connection = await asyncpg.connect(database_url)
        try:
            question = "SELECT count(*) FROM ledger WHERE kind = 'content.put'"
            number: int = await connection.fetchval(question)
            return number
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_a_second_import_puts_nothing(
    opened: RunningService, fermata: Fermata, tmp_path: Path, database_url: str
) -> None:
    """The whole catalogue is in after one import; another one finds everything unchanged."""
    catalog = generated(tmp_path, 300)

    first = fermata("import", catalog, "--batch", 100)
    events = puts(database_url)
    second = fermata("import", catalog, "--batch", 70)

    assert (first.status, second.status) == (0, 0)
    assert "300 tracks are in (300 put, 0 unchanged)" in first.out
    assert "300 tracks are in (0 put, 300 unchanged)" in second.out
    assert "(0 new); 0 rows refused" in second.out
    assert puts(database_url) == events == 3


def test_everything_a_row_says_arrives(
    opened: RunningService, fermata: Fermata, platform: Connection, tmp_path: Path
) -> None:
    """Rightsholders in their order, status, ISRC, title, and the artists' names."""
    catalog = written(tmp_path, "t1,Duet,b;a,US-ABC-24-00001,disputed,Bea;Abe\nt2,,,,,\n")

    ended = fermata("import", catalog)

    assert "1 of them with several rightsholders; 2 artists (2 new)" in ended.out
    found = platform.get("/v1/content/t1")
    assert (found["rightsholders"], found["status"]) == (["b", "a"], "disputed")
    assert (found["isrc"], found["title"]) == ("USABC2400001", "Duet")
    assert platform.get("/v1/artists/b")["name"] == "Bea"
    assert platform.get("/v1/content/t2")["rightsholders"] == []


def test_bad_rows_are_told_by_line_and_the_rest_goes_in(
    opened: RunningService, fermata: Fermata, platform: Connection, tmp_path: Path
) -> None:
    """A row that cannot be read is told with its line and reason, and kept in the file."""
    catalog = written(tmp_path, "t1,One,a,,,\nt2,Two,a,no-isrc,,\nt1,Again,a,,,\nt4,Four,b,,,\n")
    rejects = tmp_path / "rejects.csv"

    ended = fermata("import", catalog, "--rejects", rejects)

    assert ended.status == 1
    assert "catalog.csv:3: 'no-isrc' is no ISRC" in ended.err
    assert "catalog.csv:4: t1 repeats line 2" in ended.err
    assert "2 tracks are in" in ended.out
    assert "2 rows refused" in ended.out
    assert platform.get("/v1/content/t4")["rightsholders"] == ["b"]
    with rejects.open(newline="") as file:
        kept = list(csv.reader(file))
    assert kept[0] == ["source", "line", "content", "reason"]
    assert [row[:2] for row in kept[1:]] == [["catalog.csv", "3"], ["catalog.csv", "4"]]


def test_refused_rows_may_be_allowed(
    opened: RunningService, fermata: Fermata, tmp_path: Path
) -> None:
    """With --allow-rejects the exit status is that of a complete import."""
    catalog = written(tmp_path, "t1,One,a,,,\nt2,Two,a,no-isrc,,\n")

    assert fermata("import", catalog, "--allow-rejects").status == 0


def test_many_bad_rows_do_not_flood_the_log(
    opened: RunningService, fermata: Fermata, tmp_path: Path
) -> None:
    """The first twenty are told; the file has them all."""
    rows = "".join(f"t{n},Title,a,none,,\n" for n in range(50))
    rejects = tmp_path / "rejects.csv"

    ended = fermata("import", written(tmp_path, rows), "--rejects", rejects)

    assert ended.err.count("is no ISRC") == 20
    assert "more rows are refused: in the file" in ended.err
    assert len(rejects.read_text().splitlines()) == 51


def test_rows_the_service_refuses_are_left_out(platform: Connection) -> None:
    """Whatever the service says no to is rejected with its reason; the batch goes in without it."""
    rows: list[Track | BadRow] = [
        track("fine", "a", line=1),
        track("crowded", *(f"artist-{n}" for n in range(101)), line=2),
        track("nul", "a", title="A\0title", line=3),
        track("half", "a", title="half a \ud83d", line=4),
        track("fine", "b", line=5),
        track(" spaced", "a", line=6),
        BadRow("test", 7, "the reader's reason"),
        track("also fine", "a", "b", line=8),
    ]
    rejected: list[Reject] = []

    report = run_import(rows, platform, on_reject=rejected.append)

    assert report == ImportReport(
        put=2, unchanged=0, several=1, artists=103, registered=103, refused=6
    )
    reasons = {reject.line: reject.reason for reject in rejected}
    assert reasons.keys() == {2, 3, 4, 5, 6, 7}
    assert "rightsholders: List should have at most 100 items" in reasons[2]
    assert "title: " in reasons[3]
    assert "half a character" in reasons[4]
    assert "row 0 of this request has the same id" in reasons[5]
    assert reasons[7] == "the reader's reason"
    assert platform.get("/v1/content/also%20fine")["rightsholders"] == ["a", "b"]


def test_an_artist_who_cannot_be_registered_takes_their_tracks_along(platform: Connection) -> None:
    """No track goes in without one of its rightsholders; the reason names the artist."""
    nameless = ArtistName("odd", "bell\0")
    rows = [
        track("t1", "a"),
        Track("t2", "", (nameless,), None, "test", 2),
        Track("t3", "", (nameless,), None, "test", 3),
    ]
    rejected: list[Reject] = []

    report = run_import(rows, platform, batch=2, on_reject=rejected.append)

    assert (report.put, report.refused, report.artists) == (1, 2, 1)
    assert [reject.content for reject in rejected] == ["t2", "t3"]
    assert all("artist 'odd': name: " in reject.reason for reject in rejected)


def test_hundreds_of_refusals_in_one_batch_are_all_found(platform: Connection) -> None:
    """The service names a hundred at a time; the importer asks until all are known."""
    rows = [track(f"t{n}", "a", title="\0" if n % 2 else "fine", line=n) for n in range(500)]

    report = run_import(rows, platform)

    assert (report.put, report.refused) == (250, 250)


def test_what_is_too_large_is_sent_in_parts(database_url: str) -> None:
    """Where a service takes small bodies only, halves are tried; one row too large is rejected."""
    with running_service(database_url, max_body_bytes=4_000) as service:
        open_charter(service)
        rows = [track(f"t{n}", "a", title="x" * 150, line=n) for n in range(100)]
        rows[40] = track("huge", *(f"artist-{n:0190}" for n in range(30)), line=40)
        rejected: list[Reject] = []
        with service.connect() as connection:
            report = run_import(rows, connection, on_reject=rejected.append)

    assert (report.put, report.refused) == (99, 1)
    assert "at most 4000 bytes" in rejected[0].reason


def test_importing_again_puts_right_what_was_changed_meanwhile(
    opened: RunningService, platform: Connection
) -> None:
    """A repeated batch is no replay of the old answer: the catalogue as it is given prevails."""
    rows = [track("t1", "a"), track("t2", "a")]
    run_import(rows, platform)
    changed = {"content": "t1", "rightsholders": [], "status": "removed"}
    platform.write("POST", "/v1/content", {"content": [changed]})

    report = run_import(rows, platform)

    assert (report.put, report.unchanged) == (1, 1)
    assert platform.get("/v1/content/t1")["status"] == "active"


def test_memory_holds_one_batch(platform: Connection) -> None:
    """The catalogue is read a batch at a time, as the service takes it."""
    read = 0
    ahead: list[int] = []

    def rows() -> Iterator[Track]:
        nonlocal read
        for n in range(100):
            read += 1
            yield track(f"t{n}", f"a{n}")

    done = 0

    def progress(rows_done: int) -> None:
        nonlocal done
        done += rows_done
        ahead.append(read - done)

    run_import(rows(), platform, batch=10, progress=progress)

    assert (done, ahead) == (100, [0] * 10)


@pytest.mark.parametrize("after", [False, True], ids=["before it is written", "once it is written"])
def test_killed_in_the_middle_it_goes_on_where_it_was(
    database_url: str, tmp_path: Path, state_home: Path, *, after: bool
) -> None:
    """Kill -9 loses nothing and repeats nothing: the two runs add up to one."""
    catalog, rejects = generated(tmp_path, 400), tmp_path / "rejects.csv"
    with catalog.open("a") as file:
        file.write("bad,,,not-an-isrc,,\n")
    lines = catalog.read_text().splitlines(keepends=True)
    catalog.write_text("".join([lines[0], lines[-1], *lines[1:-1], lines[-1]]))
    hold_up = HoldUp("/v1/content", 3, after=after)
    with running_service(database_url, wrap=hold_up.over) as service:
        open_charter(service)
        environment = {**os.environ, **environment_for(service, state_home)}
        command = [*FERMATA, "import", str(catalog), "--batch", "50", "--rejects", str(rejects)]
        with subprocess.Popen(command, env=environment, cwd=ROOT) as first:
            assert hold_up.reached.wait(60)
            first.send_signal(signal.SIGKILL)
        again = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )

    assert first.returncode == -signal.SIGKILL
    assert "an import was interrupted: going on after row 100" in again.stderr
    assert "400 tracks are in (400 put, 0 unchanged)" in again.stdout
    assert "2 rows refused" in again.stdout
    assert again.returncode == 1
    assert len(rejects.read_text().splitlines()) == 3
    assert puts(database_url) == 9
    assert not list(state_home.rglob("*.json"))


def test_a_catalogue_that_has_changed_is_begun_again(
    database_url: str, tmp_path: Path, state_home: Path
) -> None:
    """What was done with is passed by only if it is still the same."""
    catalog = generated(tmp_path, 100)
    hold_up = HoldUp("/v1/content", 2, after=False)
    with running_service(database_url, wrap=hold_up.over) as service:
        open_charter(service)
        environment = {**os.environ, **environment_for(service, state_home)}
        command = [*FERMATA, "import", str(catalog), "--batch", "50"]
        with subprocess.Popen(command, env=environment, cwd=ROOT) as first:
            assert hold_up.reached.wait(60)
            first.kill()
        lines = catalog.read_text().splitlines(keepends=True)
        catalog.write_text("".join([lines[0], "new,First,a,,,\n", *lines[1:]]))
        again = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True
        )

    assert "the catalogue has changed since" in again.stderr
    assert "101 tracks are in (51 put, 50 unchanged)" in again.stdout


def test_interrupted_it_says_how_to_go_on(
    database_url: str, tmp_path: Path, state_home: Path
) -> None:
    """Ctrl-C ends it with its own exit status; what is done with stays done with."""
    hold_up = HoldUp("/v1/content", 2, after=False)
    with running_service(database_url, wrap=hold_up.over) as service:
        open_charter(service)
        environment = {**os.environ, **environment_for(service, state_home)}
        command = [*FERMATA, "import", str(generated(tmp_path, 100)), "--batch", "50"]
        with subprocess.Popen(
            command,
            env=environment,
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            assert hold_up.reached.wait(60)
            running.send_signal(signal.SIGINT)
            _, said = running.communicate()

    assert running.returncode == 130
    assert "stopped. The same command goes on where this ended." in said
    assert "Traceback" not in said


def test_a_place_kept_for_another_ledger_is_not_taken_up(
    database_url: str, tmp_path: Path, state_home: Path, fermata: Fermata, opened: RunningService
) -> None:
    """Nothing is skipped that only another service has, even where the same file is named."""
    catalog, place = generated(tmp_path, 30), tmp_path / "place.json"
    place.write_text('{"format": 1, "about": "another import", "run": "x", "rows": 20}')

    ended = fermata("import", catalog, "--resume", place)

    assert "30 tracks are in (30 put, 0 unchanged)" in ended.out
    assert "interrupted" not in ended.err
    assert not place.exists()


def test_the_development_secret_will_do(
    opened: RunningService, fermata: Fermata, tmp_path: Path
) -> None:
    """With the local issuer nobody has to fetch a token first."""
    catalog = generated(tmp_path, 5)

    ended = fermata("import", catalog, FERMATA_TOKEN="", FERMATA_LOCAL_ISSUER_SECRET=SECRET)

    assert (ended.status, ended.err) != (2, "")
    assert "5 tracks are in" in ended.out


def test_elsewhere_than_at_a_terminal_progress_is_a_few_lines(
    opened: RunningService, fermata: Fermata, tmp_path: Path
) -> None:
    """A log gets about ten lines, whatever the size."""
    ended = fermata("import", generated(tmp_path, 200), "--batch", 5)

    assert len(ended.err.splitlines()) == 10
    assert "200 of about 200 rows" in ended.err


def test_at_a_terminal_progress_is_a_bar(
    opened: RunningService, fermata_at_terminal: Fermata, tmp_path: Path
) -> None:
    """A person sees how far it is."""
    ended = fermata_at_terminal("import", generated(tmp_path, 60), "--batch", 20)

    assert ended.status == 0
    assert "60/60" in ended.out
    assert "60 tracks are in" in ended.out


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"FERMATA_TOKEN": ""}, "set FERMATA_TOKEN to an access token"),
        ({"FERMATA_TOKEN": "nonsense"}, "the service does not let you: 401"),
        ({"FERMATA_TOKEN": "", "FERMATA_LOCAL_ISSUER_SECRET": "wrong"}, "gives platform no token"),
        ({"FERMATA_URL": "http://127.0.0.1:9"}, "the service cannot be reached"),
        ({"FERMATA_URL": "localhost:80"}, "is no address"),
    ],
)
def test_what_stops_it_is_said(
    opened: RunningService,
    fermata: Fermata,
    tmp_path: Path,
    variables: dict[str, str],
    says: str,
) -> None:
    """Exit status 2, and a sentence that says what to change."""
    ended = fermata("import", generated(tmp_path, 3), **variables)

    assert ended.status == 2
    assert says in ended.err


def test_a_token_without_the_scope_is_told_which_one(
    opened: RunningService, fermata: Fermata, tmp_path: Path
) -> None:
    """The import ends at once, and nothing counts as refused rows."""
    token = opened.token(scopes=frozenset({Scope.CHECK}))

    ended = fermata("import", generated(tmp_path, 3), FERMATA_TOKEN=token)

    assert ended.status == 2
    assert "fermata:catalog" in ended.err
    assert "The same command goes on" in ended.err


def test_nothing_goes_in_before_the_charter(fermata: Fermata, tmp_path: Path) -> None:
    """A ledger that is not opened is said to be so."""
    ended = fermata("import", generated(tmp_path, 3))

    assert ended.status == 2
    assert "publish the charter first" in ended.err


def test_a_path_without_a_catalogue_is_said(
    opened: RunningService, fermata: Fermata, tmp_path: Path
) -> None:
    """Where there is nothing to read, the message says what could be read."""
    missing, empty = fermata("import", tmp_path / "none"), fermata("import", tmp_path)

    assert (missing.status, empty.status) == (2, 2)
    assert "There is nothing at" in missing.err
    assert "No catalogue was found" in empty.err
