"""The columns of the licensing pack's files. A name and its meaning are for ever."""

from typing import Final

from service.evidence.grounds import Ground
from service.evidence.row_files import Column, Type

_CONTENT: Final = (
    Column("content", Type.TEXT, "The platform's id of the content", "r.content"),
    Column(
        "isrc",
        Type.TEXT,
        "ISRC (ISO 3901), where the platform has given one that still stands",
        "r.isrc",
        nullable=True,
    ),
    Column("title", Type.TEXT, "Its title, likewise", "r.title", nullable=True),
)
_RIGHTSHOLDER: Final = (
    Column(
        "rightsholder",
        Type.TEXT,
        "The platform's id of the artist who holds a right in it; null where they have been erased",
        "r.rightsholder",
        nullable=True,
    ),
    Column("erased", Type.BOOLEAN, "Whether that artist has been erased since", "r.erased"),
)
_PERMITS: Final = Column(
    "permits", Type.INTEGER, "How many decisions permitted it, this one among them", "p.permits"
)
_DECISION: Final = (
    Column(
        "decision_id",
        Type.TEXT,
        "The decision shown: of all that permitted it the last one on the weakest ground",
        "r.decision_id",
    ),
    Column(
        "decision_revision",
        Type.INTEGER,
        "The revision of the ledger that this decision was made at",
        "r.decision_revision",
    ),
    Column("decided_at", Type.INSTANT, "The instant it was made for", "r.decided_at"),
    Column(
        "agrees_with_ledger",
        Type.BOOLEAN,
        "Whether the ledger bears the decision out today; null where a rightsholder was erased",
        "r.agrees",
        nullable=True,
    ),
)

ROWS: Final = (
    *_CONTENT,
    Column(
        "position", Type.INTEGER, "Which of its rightsholders, from 1", "r.position", nullable=True
    ),
    Column("rightsholders", Type.INTEGER, "How many it has", "r.rightsholders"),
    *_RIGHTSHOLDER,
    Column(
        "basis",
        Type.TEXT,
        "What this rightsholder's permission rested on: opted_in (a yes), window_closed (silence"
        " after a notice, or under launch terms) or open (without asking); null where nobody"
        " can tell any more",
        "r.basis",
        nullable=True,
    ),
    Column(
        "policy_version",
        Type.INTEGER,
        "The version of the use's policy that they were permitted under",
        "r.policy_version",
        nullable=True,
    ),
    Column(
        "consent_revision",
        Type.INTEGER,
        "opted_in: the event of the ledger that is the yes",
        "r.consent_revision",
        nullable=True,
    ),
    Column(
        "consent_recorded_at",
        Type.INSTANT,
        "opted_in: when the yes was recorded",
        "r.consent_recorded_at",
        nullable=True,
    ),
    Column(
        "consent_use",
        Type.TEXT,
        "opted_in: the use that the yes speaks of, this one or a node above it",
        "r.consent_use",
        nullable=True,
    ),
    Column(
        "consent_content",
        Type.TEXT,
        "opted_in: the one content that the yes speaks of; null for all",
        "r.consent_content",
        nullable=True,
    ),
    Column(
        "consent_recipient",
        Type.TEXT,
        "opted_in: the one recipient that the yes speaks of; null for any",
        "r.consent_recipient",
        nullable=True,
    ),
    Column(
        "consent_expires_at",
        Type.INSTANT,
        "opted_in: when the yes expires, if it does",
        "r.consent_expires_at",
        nullable=True,
    ),
    Column(
        "consent_given_as",
        Type.TEXT,
        "opted_in: in what role it was said: artist, delegate or platform",
        "r.consent_given_as",
        nullable=True,
    ),
    Column(
        "consent_given_by",
        Type.TEXT,
        "opted_in: who said it: the artist, the platform's client, or what stands for a delegate",
        "r.consent_given_by",
        nullable=True,
    ),
    Column(
        "bound_by",
        Type.TEXT,
        "window_closed and open: window (a window of theirs has closed) or launch_terms (the terms"
        " were there before the first artist was registered)",
        "r.bound_by",
        nullable=True,
    ),
    Column(
        "bound_version",
        Type.INTEGER,
        "The version whose window that was, or that was a launch term; versions with the same"
        " terms go on with it",
        "r.bound_version",
        nullable=True,
    ),
    Column(
        "delivery_revision",
        Type.INTEGER,
        "bound by a window: the event that recorded the arrival of the notice",
        "r.delivery_revision",
        nullable=True,
    ),
    Column(
        "window_opened_at",
        Type.INSTANT,
        "bound by a window: when that was recorded",
        "r.window_opened_at",
        nullable=True,
    ),
    Column(
        "window_closed_at",
        Type.INSTANT,
        "bound by a window: when it closed",
        "r.window_closed_at",
        nullable=True,
    ),
    *_DECISION,
    Column(
        "yes_of_all",
        Type.BOOLEAN,
        "Whether every rightsholder of this content had said yes, or somebody for them, whenever it"
        " was permitted",
        f"p.ground = '{Ground.OPTED_IN.value}'",
    ),
    _PERMITS,
)
"""One row for each rightsholder of each content that was permitted."""

WITHOUT_YES: Final = (
    *_CONTENT,
    Column(
        "why",
        Type.TEXT,
        "The weakest ground: not_confirmed (the ledger does not bear the decision out), open"
        " (without asking), window_closed (silence) or artist_erased (what was said is gone)",
        "p.ground",
    ),
    Column(
        "policy_version",
        Type.INTEGER,
        "The version of the use's policy that this rightsholder was permitted under",
        "p.policy_version",
        nullable=True,
    ),
    *_RIGHTSHOLDER,
    *_DECISION,
    _PERMITS,
)
"""One row for each content that has no yes of every rightsholder, with the first who gave none."""
