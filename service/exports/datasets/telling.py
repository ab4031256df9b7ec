"""Notices, their confirmed arrivals with the windows they opened, and their bounces."""

from typing import Final

from service.exports.columns import Column, Type
from service.exports.dataset import TableDataset, beneath, between
from service.exports.datasets.artists import ARTIST_ID_MEANS, SUBJECT_MEANS

_NOTICE: Final = (
    Column("notice_id", Type.TEXT, "the use, a colon and the version", "n.notice_id"),
    Column("use", Type.TEXT, "the use whose version is announced", "n.use"),
    Column("version", Type.INTEGER, "the version that is announced", "n.version"),
)
_WHOM: Final = (
    Column("subject", Type.TEXT, SUBJECT_MEANS, "d.subject"),
    Column("artist_id", Type.TEXT, ARTIST_ID_MEANS, "a.artist_id", nullable=True),
    Column("channel", Type.TEXT, "how they were told, as it was reported", "d.channel"),
)
_JOINED: Final = (
    "JOIN notices n ON n.notice_id = d.notice_id LEFT JOIN artists a ON a.subject = d.subject"
)

NOTICES: Final = TableDataset(
    name="notices",
    version=1,
    title="Announcements of policy versions",
    personal=False,
    columns=(
        *_NOTICE,
        Column("announced_at", Type.INSTANT, "when it was announced", "n.announced_at"),
        Column("revision", Type.INTEGER, "the event that announced it", "n.revision"),
    ),
    tables="notices n",
    conditions=("n.revision <= {revision}",),
    narrowing={"use": beneath("n.use"), **between("n.announced_at")},
    key=("notice_id",),
)

DELIVERIES: Final = TableDataset(
    name="deliveries",
    version=1,
    title="First confirmed arrivals of notices at artists, with the windows that they opened",
    personal=True,
    columns=(
        *_NOTICE,
        *_WHOM,
        Column(
            "delivered_at",
            Type.INSTANT,
            "when the ledger recorded the arrival: the window opens",
            "d.delivered_at",
        ),
        Column(
            "closes_at",
            Type.INSTANT,
            "when the window closes: from then on silence binds",
            "d.closes_at",
        ),
        Column("revision", Type.INTEGER, "the event that recorded it", "d.revision"),
    ),
    tables=f"deliveries d {_JOINED}",
    conditions=("d.revision <= {revision}",),
    narrowing={
        "use": beneath("n.use"),
        "artist": "d.subject = {value}",
        **between("d.delivered_at"),
    },
    key=("notice_id", "subject"),
    lacks=("attempts to tell somebody that nobody has confirmed",),
)

BOUNCES: Final = TableDataset(
    name="bounces",
    version=1,
    title="Notices that did not arrive",
    personal=True,
    columns=(
        *_NOTICE,
        *_WHOM,
        Column("bounced_at", Type.INSTANT, "when the ledger recorded it", "d.bounced_at"),
        Column("revision", Type.INTEGER, "the event that recorded it", "d.revision"),
    ),
    tables=f"bounces d {_JOINED}",
    conditions=("d.revision <= {revision}",),
    narrowing={
        "use": beneath("n.use"),
        "artist": "d.subject = {value}",
        **between("d.bounced_at"),
    },
    key=("notice_id", "subject", "revision"),
)
