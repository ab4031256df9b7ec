"""The telling of notices: whom to reach, and how far it has come.

Revision: 0002
Follows: 0001
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Run beside the release before this one: give up rather than hold its locks."""
    op.execute("SET lock_timeout = '2s'")

    op.create_table(
        "announcements",
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("after_revision", sa.BigInteger(), nullable=False),
        sa.Column("after_subject", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("notice_id", name=op.f("pk_announcements")),
    )
    op.create_table(
        "audience",
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", "subject", name=op.f("pk_audience")),
    )
    op.create_index(op.f("ix_audience_subject"), "audience", ["subject"], unique=False)
    op.create_table(
        "contacts",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_contacts")),
        schema="private",
    )
    op.create_table(
        "webhook_endpoint",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("endpoint_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("sealed_keys", sa.LargeBinary(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proven_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_webhook_endpoint_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoint")),
        schema="private",
    )
    op.create_table(
        "send_batches",
        sa.Column("batch_id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("reminder", sa.SmallInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_send_batches")),
    )
    op.create_index(
        "ix_send_batches_due",
        "send_batches",
        ["channel", "due_at"],
        unique=False,
        postgresql_where="due_at IS NOT NULL",
    )
    op.create_index("ix_send_batches_notice", "send_batches", ["notice_id"], unique=False)
    op.create_table(
        "send_channels",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("free_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_send_channels")),
    )
    op.create_table(
        "sends",
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("reminder", sa.SmallInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint(
            "notice_id", "subject", "channel", "reminder", name=op.f("pk_sends")
        ),
    )
    op.create_index("ix_sends_batch", "sends", ["batch_id", "position"], unique=False)
    op.create_index(
        "ix_sends_message",
        "sends",
        ["message_id"],
        unique=False,
        postgresql_where="message_id IS NOT NULL",
    )


_ONLY_IF_NOBODY_WAS_TOLD = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM audience) THEN
        RAISE EXCEPTION 'these tables say who was told of what; they are not dropped'
            USING ERRCODE = 'restrict_violation';
    END IF;
END $$
"""


def downgrade() -> None:
    """Go back one revision, unless anybody is to be told of anything."""
    op.execute("SET lock_timeout = '2s'")
    op.execute(_ONLY_IF_NOBODY_WAS_TOLD)

    op.drop_index("ix_sends_message", table_name="sends", postgresql_where="message_id IS NOT NULL")
    op.drop_index("ix_sends_batch", table_name="sends")
    op.drop_table("sends")
    op.drop_table("send_channels")
    op.drop_index("ix_send_batches_notice", table_name="send_batches")
    op.drop_index(
        "ix_send_batches_due", table_name="send_batches", postgresql_where="due_at IS NOT NULL"
    )
    op.drop_table("send_batches")
    op.drop_table("webhook_endpoint", schema="private")
    op.drop_table("contacts", schema="private")
    op.drop_index(op.f("ix_audience_subject"), table_name="audience")
    op.drop_table("audience")
    op.drop_table("announcements")
