"""Which running service a command speaks to, as whom, and what to say when it cannot."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final, TypeAlias

import httpx2
import typer
from rich.console import Console
from rich.markup import escape

from client import Connection, Problem, TokenSource, fixed_token, local_tokens

OK: Final = 0
REFUSED: Final = 1
CANNOT_RUN: Final = 2
INTERRUPTED: Final = 130

Url: TypeAlias = Annotated[
    str, typer.Option("--url", envvar="FERMATA_URL", help="Where the service runs.")
]
Token: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="FERMATA_TOKEN",
        help="An access token of your OpenID provider. Better kept in the variable: everybody on "
        "this machine can read a command's arguments.",
    ),
]
Secret: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--secret",
        envvar="FERMATA_LOCAL_ISSUER_SECRET",
        help="In place of a token: the development secret that `fermata serve --local-issuer` "
        "tells.",
    ),
]
Client: TypeAlias = Annotated[
    str, typer.Option("--client", help="Which development client to be, where --secret is used.")
]

HERE: Final = "http://127.0.0.1:8080"
_NOT_LET_IN: Final = frozenset({401, 403})


class CannotRun(Exception):  # noqa: N818 - an outcome
    """The command cannot do its work; the text says what to change."""


def connect(url: str, token: str | None, client: str, secret: str | None) -> Connection:
    """Return a connection to the service. Raises CannotRun where nothing says who is calling."""
    if not url.startswith(("http://", "https://")):
        message = f"--url {url} is no address: write it as {HERE}"
        raise CannotRun(message)
    if token is not None:
        return Connection(url, fixed_token(token))
    if secret is None:
        message = (
            "the service will ask who you are: set FERMATA_TOKEN to an access token, or, for a "
            "service started with --local-issuer, FERMATA_LOCAL_ISSUER_SECRET to its secret"
        )
        raise CannotRun(message)
    return Connection(url, _development_tokens(url.rstrip("/"), client, secret))


def _development_tokens(url: str, client: str, secret: str) -> TokenSource:
    """Return a source that says what to do about a secret or a client that is not known there."""
    source = local_tokens(url, client, secret)

    def token(*, fresh: bool) -> str:
        try:
            return source(fresh=fresh)
        except Problem as problem:
            message = (
                f"{url} gives {client} no token ({problem.status}): is this the right --client and "
                "secret, and does the service run with --local-issuer?"
            )
            raise CannotRun(message) from None

    return token


@contextmanager
def ends_with_status(console: Console, *, advice: str = "") -> Iterator[None]:
    """Turn what stops a command into a message and exit status 2, or 130 for an interruption.

    `advice` says how to go on afterwards.
    """
    try:
        yield
    except KeyboardInterrupt:
        console.print(f"stopped. {advice}".rstrip())
        raise typer.Exit(INTERRUPTED) from None
    except (CannotRun, Problem, httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        console.print(f"[red]this cannot be done:[/red] {escape(why(error))}", soft_wrap=True)
        if advice:
            console.print(advice, soft_wrap=True)
        raise typer.Exit(CANNOT_RUN) from None


def why(error: Exception) -> str:
    """Return what an error means for whoever typed the command."""
    if isinstance(error, httpx2.TransportError):
        return f"the service cannot be reached: {str(error) or type(error).__name__}"
    if isinstance(error, Problem) and error.status in _NOT_LET_IN:
        return f"the service does not let you: {error}"
    if isinstance(error, Problem):
        return f"the service answers {error}"
    return str(error)
