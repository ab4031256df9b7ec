"""A small folder of policies that a test can change, and what the service has of it."""

from pathlib import Path
from typing import Any

from tests.serving import RunningService

SEARCH = "discovery.search"
TAGS = "organisation.tagging"
WORDS = "# Search\n\nSoftware hears your tracks.\nIt is ours alone.\n"


def policy_folder(root: Path, min_notice_period: str = "P30D") -> Path:
    """Write a charter, two uses and the name of a group."""
    folder = root / "policies"
    for use, words in ((SEARCH, WORDS), (TAGS, "# Tags\n")):
        (folder / "uses" / use).mkdir(parents=True)
        text(folder, use).write_text(words)
    (folder / "charter.yaml").write_text(
        f"platform: Test Sounds\nmin_notice_period: {min_notice_period}\n"
    )
    (folder / "uses" / "groups.yaml").write_text("discovery: {en: Discovery, de: Entdecken}\n")
    terms(folder, SEARCH, names="{en: Search, no: Søk}")
    terms(folder, TAGS, recipients="[internal, 'partner:musiio']")
    return folder


def text(folder: Path, use: str = SEARCH, locale: str = "en") -> Path:
    """Return the file of a use's words."""
    return folder / "uses" / use / f"{locale}.md"


def terms(folder: Path, use: str = SEARCH, **changed: str) -> Path:
    """Write the terms of a use, some of them different or more."""
    said = {"mode": "opt_out", "recipients": "[internal]", "notice_period": "P30D"} | changed
    path = folder / "uses" / use / "policy.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in said.items()))
    return path


def versions(service: RunningService, use: str = SEARCH) -> list[dict[str, Any]]:
    """Return what is published of a use."""
    with service.connect() as connection:
        published: list[dict[str, Any]] = connection.get(f"/v1/uses/{use}/policies")["policies"]
        return published


def revision(service: RunningService) -> int:
    """How many events the ledger has."""
    with service.connect() as connection:
        found: int = connection.get("/readyz")["revision"]
        return found


def register(service: RunningService, *artists: str) -> None:
    """Register artists, which ends the time of launch terms."""
    with service.connect() as connection:
        rows = [{"artist": artist} for artist in artists]
        connection.write("POST", "/v1/artists", {"artists": rows})
