"""Every table. The ledger is the truth; all others are derived from it or serve it.

Artists appear by their `subject`, a random reference; the platform's own id stands in `artists`.
What else holds it has the subject beside it, so that erasure finds it: an artist's own consents and
delegates, and the answers kept for idempotency keys.
"""

from service.db.tables.answers import DecisionLogRow, IdempotencyKey
from service.db.tables.base import Table, metadata
from service.db.tables.derived import (
    Artist,
    Charter,
    Consent,
    Content,
    ContentHistory,
    Delegate,
    Policy,
    PolicyText,
    Use,
)
from service.db.tables.ledger import (
    LedgerBatch,
    LedgerCheckpoint,
    LedgerCosignature,
    LedgerEvent,
    LedgerHead,
    LedgerTile,
)
from service.db.tables.private import PRIVATE, EventDetail, KeyCheck, Subject
from service.db.tables.telling import (
    Announcement,
    Audience,
    Bounce,
    Contact,
    Delivery,
    Notice,
    Send,
    SendBatch,
    SendChannel,
    WebhookEndpointRow,
)

__all__ = [
    "PRIVATE",
    "Announcement",
    "Artist",
    "Audience",
    "Bounce",
    "Charter",
    "Consent",
    "Contact",
    "Content",
    "ContentHistory",
    "DecisionLogRow",
    "Delegate",
    "Delivery",
    "EventDetail",
    "IdempotencyKey",
    "KeyCheck",
    "LedgerBatch",
    "LedgerCheckpoint",
    "LedgerCosignature",
    "LedgerEvent",
    "LedgerHead",
    "LedgerTile",
    "Notice",
    "Policy",
    "PolicyText",
    "Send",
    "SendBatch",
    "SendChannel",
    "Subject",
    "Table",
    "Use",
    "WebhookEndpointRow",
    "metadata",
]
