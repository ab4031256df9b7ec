"""What artists said, opened to an auditor: held against the commitment in the entry of it."""

import hmac
from typing import Any

import msgspec

from service.verify.cells import Row
from service.verify.leaf import Leaf, instant


def opening_wrong(row: Row, leaf: Leaf) -> str | None:
    """Return what is wrong with what a row opens, or None.

    Raises ValueError, TypeError or KeyError where it opens what no service would have written.
    """
    key, details = row.get("opening_key"), row.get("opening_details")
    if key is None or details is None:
        return "it is not opened"
    if hmac.digest(key, details.encode(), "sha256").hex() != leaf.get("commitment"):
        return "what it says is not what the ledger commits to"
    said = msgspec.json.decode(details)
    evidence, shown = said["evidence"], msgspec.json.decode(row["shown"])
    opened_row = {
        **{name: said[name] for name in ("answer", "use", "content", "recipient")},
        "expires_at": None if said["expires_at"] is None else instant(said["expires_at"]),
        **{name: evidence[name] for name in ("actor", "acting_as", "channel", "locale")},
    }
    differ = [name for name, value in opened_row.items() if _other(row[name], value)]
    if shown != {"names": evidence["names"], "shown": evidence["shown"]}:
        differ.append("shown")
    return f"{', '.join(differ)}: not as it was committed to" if differ else None


def _other(stored: Any, said: Any) -> bool:
    """Tell whether two values differ; CSV has nothing for what is empty and for what is not."""
    return (stored or None) != (said or None)
