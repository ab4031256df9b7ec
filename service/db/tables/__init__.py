"""Every table. The ledger is the truth; all others are derived from it or serve it.

Artists appear by their `subject`, a random reference; the platform's own id stands in `artists`.
What else holds it has the subject beside it, so that erasure finds it: an artist's own consents,
delegates and holds, and the answers kept for idempotency keys.
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
from service.db.tables.exports import Export
from service.db.tables.ledger import (
    LedgerBatch,
    LedgerCheckpoint,
    LedgerCosignature,
    LedgerEvent,
    LedgerHead,
    LedgerTile,
)
from service.db.tables.private import PRIVATE, EventDetail, KeyCheck, Subject
from service.db.tables.rights import Erasure, LegalHold, RetentionRule
from service.db.tables.sealed import SealedPeriod
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
from service.db.tables.verifications import Verification

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
    "Erasure",
    "EventDetail",
    "Export",
    "IdempotencyKey",
    "KeyCheck",
    "LedgerBatch",
    "LedgerCheckpoint",
    "LedgerCosignature",
    "LedgerEvent",
    "LedgerHead",
    "LedgerTile",
    "LegalHold",
    "Notice",
    "Policy",
    "PolicyText",
    "RetentionRule",
    "SealedPeriod",
    "Send",
    "SendBatch",
    "SendChannel",
    "Subject",
    "Table",
    "Use",
    "Verification",
    "WebhookEndpointRow",
    "metadata",
]
