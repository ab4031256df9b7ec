"""Where artists can be reached outside the service, as the platform says.

- `put_contacts(session, rows)` keeps up to 10,000 at once, in a session of `Database.keep`;
- `read_contact(session, subject)` is None where the platform has said nothing.

`updated_at` is when the address was said, for what came back from another is sent anew. Contacts
are no events, for they change no answer. Erasing an artist deletes theirs.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import ARRAY, Text, bindparam, text

from service.catalog.artists import refuse_repeated, subjects_of
from service.db.engine import ReadSession, WriteSession
from service.db.tables import Contact
from service.domain.refusal import Refusal, Refused
from service.notices.channels.email_address import EmailAddress

_READ_AT_ONCE: Final = 250
"""Addresses read between two pauses, so that checks in the same process go on meanwhile."""

# In order, so that two requests about the same artists never wait for each other in a ring.
_KEEP: Final = text("""
INSERT INTO private.contacts AS known (subject, email, locale, updated_at)
SELECT subject, email, locale, clock_timestamp()
FROM unnest(:subjects, :emails, :locales) AS given (subject, email, locale)
ORDER BY subject
ON CONFLICT (subject) DO UPDATE
SET email = excluded.email, locale = excluded.locale,
    updated_at = CASE
        WHEN known.email IS DISTINCT FROM excluded.email THEN excluded.updated_at
        ELSE known.updated_at
    END
WHERE (known.email, known.locale) IS DISTINCT FROM (excluded.email, excluded.locale)
""").bindparams(*(bindparam(name, type_=ARRAY(Text)) for name in ("subjects", "emails", "locales")))


@dataclass(frozen=True, slots=True)
class ContactRow:
    """What the platform says of one artist; None takes back what it said before.

    The address stays out of `repr`, and so out of logs.
    """

    artist_id: str
    email: str | None = field(default=None, repr=False)
    locale: str | None = None


async def put_contacts(session: WriteSession, rows: Sequence[ContactRow]) -> int:
    """Keep each artist's contact as it is given here, and return how many are now different.

    Raises Refused, naming every row, for artists who are not registered, ids that are repeated and
    addresses that no mail could be sent to; then nothing is kept.
    """
    refuse_repeated("contacts", [row.artist_id for row in rows])
    subjects = await subjects_of(session, [row.artist_id for row in rows])
    refusals: list[Refusal] = []
    for n, row in enumerate(rows):
        if n % _READ_AT_ONCE == 0:
            await asyncio.sleep(0)
        refusals += _refuse(n, row, subjects)
    if refusals:
        raise Refused(refusals)
    kept = await session.execute(
        _KEEP,
        {
            "subjects": [subjects[row.artist_id] for row in rows],
            "emails": [row.email for row in rows],
            "locales": [row.locale for row in rows],
        },
    )
    changed: int = kept.rowcount  # type: ignore[attr-defined]  # of a cursor, which this is
    return changed


def _refuse(n: int, row: ContactRow, subjects: dict[str, str]) -> list[Refusal]:
    found = []
    if row.artist_id not in subjects:
        message = "no artist of this id is registered"
        found.append(Refusal(f"contacts[{n}].artist", "unknown_artist", message))
    if row.email is not None:
        try:
            EmailAddress.read(row.email)
        except ValueError as unusable:
            found.append(Refusal(f"contacts[{n}].email", "not_an_email_address", str(unusable)))
    return found


async def read_contact(session: ReadSession, subject: str) -> Contact | None:
    """Return what the platform said of an artist, or None."""
    return await session.get(Contact, subject)
