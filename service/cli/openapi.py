"""`fermata openapi`: the committed contract."""

import json
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console

from service.app import create_app
from service.settings import Settings

CONTRACT = Path("openapi/openapi.json")


def contract() -> str:
    """Return the contract as it is committed: one line a field, so that changes can be read."""
    settings = Settings(
        database_url="postgresql://nowhere/fermata",
        issuer="https://issuer.example",
        local_issuer=False,
        key_encryption_key=SecretStr(""),
    )
    return json.dumps(create_app(settings).openapi(), indent=2, ensure_ascii=False) + "\n"


def openapi(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether the committed file is up to date.")
    ] = False,
) -> None:
    """Write openapi/openapi.json, or check that it is what the code says."""
    console = Console(stderr=True, highlight=False)
    text = contract()
    if not check:
        CONTRACT.parent.mkdir(exist_ok=True)
        CONTRACT.write_text(text, encoding="utf-8")
        return
    if not CONTRACT.exists() or CONTRACT.read_text(encoding="utf-8") != text:
        console.print(f"{CONTRACT} is not what the code says: run `fermata openapi` and commit it")
        raise typer.Exit(1)
