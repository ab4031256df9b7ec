"""`fermata replay`: every logged decision, recomputed from the ledger prefix it names."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Final, NoReturn

import asyncpg
import msgspec
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.cli import local
from service.clock import SystemClock
from service.db.embedded import EmbeddedPostgresError
from service.decisions.log.name import is_name
from service.decisions.log.packing import Damaged
from service.domain.decision import Decision
from service.domain.instant import Instant, format_instant, parse_instant
from service.ledger.events import Json, LedgerBroken
from service.ledger.vault import Vault
from service.replay.database import replay_database
from service.replay.difference import Difference, Outcome
from service.replay.report import Progress as Done
from service.replay.report import ReplayReport
from service.replay.wanted import Wanted
from service.running import NotConfigured, key_of
from service.sealing.opened import sealed_log
from service.sealing.period import SealedUnreadable
from service.settings import Settings

_DIFFERENT: Final = 1
_CANNOT_TELL: Final = 2
_SHOWN: Final = 20
"""Differences that people are shown; --json has a thousand."""

_console = Console(stderr=True, highlight=False)


def replay(
    *,
    since: Annotated[
        str | None, typer.Option(help="Only what was answered then or later: an RFC 3339 instant.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only what was answered before then.")] = None,
    decision: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this decision; repeatable.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON, and no progress.")
    ] = False,
) -> None:
    """Recompute every logged decision from the ledger prefix it names, and report what differs.

    It takes the settings of the service and may run beside it: it only reads. It needs as much
    memory as the service's index, and for sealed months some room for temporary files. What rests
    on the words of an artist who was erased since cannot be recomputed: that is counted, and is no
    difference. Exit status: 0 nothing differs; 1 something does; 2 it could not be told.
    """
    try:
        wanted = _wanted(since, until, decision or ())
        with _progress(hidden=as_json) as on_progress:
            report = _replayed(Settings(), wanted, on_progress)
    except ValidationError as error:
        _fail("; ".join(str(one["msg"]) for one in error.errors()))
    except (
        Damaged,
        EmbeddedPostgresError,
        LedgerBroken,
        NotConfigured,
        SealedUnreadable,
        ValueError,
    ) as error:
        _fail(str(error))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        _fail(f"{type(error).__name__}: {error}")
    if as_json:
        typer.echo(msgspec.json.encode(report_json(report)).decode())
    else:
        _tell(report)
    if wanted.decisions and report.decisions < len(set(wanted.decisions)):
        _fail("not every decision that was named is in the log")
    raise typer.Exit(_DIFFERENT if report.different else 0)


def report_json(report: ReplayReport) -> Json:
    """Return a report as it is printed for programs."""
    return {
        "decisions": report.decisions,
        "outcomes": report.outcomes,
        "equal": report.equal,
        "different": report.different,
        "cannot_be_recomputed": report.gone,
        "decisions_not_kept": report.not_kept,
        "revision": report.revision,
        "differences": [_difference_json(one) for one in report.differences],
        "cannot_be_recomputed_outcomes": [_outcome_json(one) for one in report.gone_ones],
    }


def _difference_json(one: Difference) -> Json:
    about = {} if one.outcome is None else _outcome_json(one.outcome)
    return about | {
        "decision_id": one.decision_id,
        "revision": one.revision,
        "why": one.why,
        "fields": list(one.fields),
        "logged": _answer_json(one.logged),
        "replayed": _answer_json(one.replayed),
    }


def _outcome_json(one: Outcome) -> Json:
    return {
        "decision_id": one.decision_id,
        "position": one.position,
        "revision": one.revision,
        "evaluated_at": format_instant(one.evaluated_at),
        "use": one.column.use,
        "recipient": one.column.recipient,
        "min_policy_version": one.column.min_version,
        "about": one.column.about,
        "one": one.one,
    }


def _answer_json(one: Decision | None) -> Json | None:
    if one is None:
        return None
    return {
        "permitted": one.permitted,
        "reason": one.reason.value,
        "policy_version": one.policy_version,
        "permitted_from": _optional(one.interval.start),
        "valid_until": _optional(one.interval.end),
    }


def _optional(instant: Instant | None) -> str | None:
    return None if instant is None else format_instant(instant)


def _wanted(since: str | None, until: str | None, decisions: "list[str] | tuple[()]") -> Wanted:
    for one in decisions:
        if not is_name(one):
            raise ValueError(f"{one!r} is no decision's id: they look like dec_ and 32 letters")
    return Wanted(
        None if since is None else parse_instant(since),
        None if until is None else parse_instant(until),
        tuple(decisions),
    )


def _replayed(
    settings: Settings, wanted: Wanted, on_progress: Callable[[Done], None]
) -> ReplayReport:
    with local.database(settings) as where:
        complete = local.with_key(settings, where.data_dir)
        vault = Vault(key_of(complete), os.urandom)

        async def run() -> ReplayReport:
            async with sealed_log(complete, SystemClock()) as sealed:
                return await replay_database(
                    where.url, vault, sealed=sealed, wanted=wanted, on_progress=on_progress
                )

        return asyncio.run(run())


@contextmanager
def _progress(*, hidden: bool) -> Iterator[Callable[[Done], None]]:
    columns = (TextColumn("decisions"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_console, disable=hidden, transient=True) as shown:
        task = shown.add_task("", total=None)
        yield lambda done: shown.update(task, completed=done.done, total=done.total)


def _tell(report: ReplayReport) -> None:
    typer.echo(
        f"{report.decisions:,} decisions with {report.outcomes:,} outcomes, up to revision "
        f"{report.revision:,}: {report.equal:,} equal, {report.different:,} different, "
        f"{report.gone:,} cannot be recomputed (words destroyed by an erasure)"
    )
    if report.not_kept:
        typer.echo(f"{report.not_kept:,} decisions of sealed months are not kept any more")
    for one in report.differences[:_SHOWN]:
        typer.echo(_told(one))
    if report.different > _SHOWN:
        typer.echo(f"… and {report.different - _SHOWN:,} more: see --json")


def _told(one: Difference) -> str:
    where = f"{one.decision_id} at revision {one.revision:,}"
    if one.outcome is not None:
        where += f", position {one.outcome.position}, {one.outcome.one!r}"
    if one.replayed is None or one.logged is None:
        return f"{where}: {one.why}"
    logged, replayed = _answer_json(one.logged) or {}, _answer_json(one.replayed) or {}
    apart = (f"{name} {logged[name]!r}, not {replayed[name]!r}" for name in one.fields)
    return f"{where}: {one.why}: logged {'; '.join(apart)}"


def _fail(message: str) -> NoReturn:
    _console.print(f"[red]it could not be told:[/red] {message}", soft_wrap=True)
    raise typer.Exit(_CANNOT_TELL)
