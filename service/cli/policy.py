"""`fermata policy`: policies as code."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from client import Connection, Problem
from service.cli.policy_diff import show
from service.cli.policy_folder import FolderWrong, PolicyFolder, read_policy_folder, read_uses
from service.cli.policy_plan import REFUSALS, Plan, PlanRefused, carry_out, make_plan
from service.cli.remote import (
    CANNOT_RUN,
    HERE,
    REFUSED,
    CannotRun,
    Client,
    Secret,
    Token,
    Url,
    connect,
    ends_with_status,
)

app = typer.Typer(name="policy", no_args_is_help=True, add_completion=False)

_STANDS = "What is listed above is written; the same command goes on with the rest."


@app.callback()
def _policy() -> None:
    """Policies as code: publish what changed in a folder."""


@app.command("apply")
def apply(
    folder: Annotated[
        Path, typer.Argument(help="A folder with charter.yaml and uses/, as in examples/.")
    ],
    url: Url = HERE,
    token: Token = None,
    client: Client = "policy-desk",
    secret: Secret = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before publishing.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be published.")
    ] = False,
) -> None:
    """Publish what changed in a folder of policies, and nothing else.

    It shows every difference and who would be bound when, and asks before it
    acts. The folder is compared with the latest versions byte for byte. If the
    service would refuse any of it, nothing at all is written. Published versions
    are never edited or withdrawn: a use that is not in the folder is left as it
    is.

    The token needs the scope fermata:policy.

    Exit status: 0 the service says what the folder says, or --dry-run found
    nothing in the way; 1 the service refuses, or you said no; 2 it could not
    run: the folder has mistakes, the service cannot be reached or does not let
    you, or there is nobody to ask and no --yes.
    """
    out, console = Console(highlight=False), Console(stderr=True, highlight=False)
    with ends_with_status(console), connect(url, token, client, secret) as connection:
        found = _read(folder, console)
        plan = _plan(found, connection, console)
        for line in show(plan):
            out.print(line, soft_wrap=True)
        if not plan:
            out.print("nothing to publish: the service says what the folder says")
        elif dry_run:
            out.print(f"a dry run: {_sum(plan)} would be written, and nothing was")
        else:
            _agree(plan, console, yes=yes)
            _write(plan, connection, out, console)
        _warn(found, console, published=not dry_run)


def apply_folder(uses: Path, connection: Connection) -> Iterator[str]:
    """Publish what changed in a folder of uses, without asking; yield a line for each step done.

    Raises FolderWrong or PlanRefused before anything is written, Problem where the service refuses
    or cannot answer.
    """
    yield from carry_out(make_plan(read_uses(uses), connection), connection)


def _read(folder: Path, console: Console) -> PolicyFolder:
    try:
        return read_policy_folder(folder)
    except FolderWrong as wrong:
        _tell(console, f"{folder} cannot be applied, and nothing was written:", wrong.mistakes)
        raise typer.Exit(CANNOT_RUN) from None


def _plan(folder: PolicyFolder, connection: Connection, console: Console) -> Plan:
    try:
        return make_plan(folder, connection)
    except PlanRefused as refused:
        _tell(console, "this is refused, and nothing was written:", refused.reasons)
        raise typer.Exit(REFUSED) from None


def _tell(console: Console, title: str, lines: tuple[str, ...]) -> None:
    console.print(title, style="red", markup=False, soft_wrap=True)
    for line in lines:
        console.print(f"  {line}", markup=False, soft_wrap=True)


def _agree(plan: Plan, console: Console, *, yes: bool) -> None:
    """Return once somebody has said yes; end the command otherwise."""
    if yes:
        return
    if not sys.stdin.isatty():
        message = f"nobody can be asked here: add --yes to write {_sum(plan)}"
        raise CannotRun(message)
    if not typer.confirm(f"Write {_sum(plan)}? It cannot be taken back.", err=True):
        console.print("nothing was written")
        raise typer.Exit(REFUSED)


def _write(plan: Plan, connection: Connection, out: Console, console: Console) -> None:
    with ends_with_status(console, advice=_STANDS):
        try:
            for line in carry_out(plan, connection):
                out.print(line, markup=False, soft_wrap=True)
        except Problem as problem:
            if problem.status not in REFUSALS:
                raise
            _tell(console, "the service refuses to go on:", (str(problem), _STANDS))
            raise typer.Exit(REFUSED) from None


def _sum(plan: Plan) -> str:
    """What a plan amounts to in a few words."""
    parts = ["the charter"] if plan.charter else []
    for number, what in ((len(plan.names), "name"), (len(plan.versions), "policy version")):
        if number:
            parts.append(f"{number} {what}{'' if number == 1 else 's'}")
    return " and ".join(", ".join(parts).rsplit(", ", 1))


def _warn(folder: PolicyFolder, console: Console, *, published: bool) -> None:
    """Warn of marks that would be put on the next change as well, whatever that is."""
    for policy in folder.policies if published else ():
        if policy.editorial is True:
            console.print(
                f"{policy.label}: take `editorial: true` out now, or the next change of these "
                "words is marked too; a version number in its place is safe to leave",
                markup=False,
                soft_wrap=True,
            )
