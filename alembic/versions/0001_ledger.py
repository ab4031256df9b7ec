"""The ledger and what is derived from it.

Revision: 0001
Follows: nothing
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_NEVER_EDITED = (
    "ledger",
    "ledger_batches",
    "policies",
    "policy_texts",
    "content_history",
    "decisions",
    "charter",
    "notices",
    "deliveries",
)

_REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$
"""

_ONLY_FORWARD = """
CREATE FUNCTION only_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.size <= OLD.size OR NEW.recorded_at <= OLD.recorded_at THEN
        RAISE EXCEPTION 'the ledger only grows: % events cannot follow %', NEW.size, OLD.size
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.size <> (SELECT coalesce(max(revision), 0) FROM ledger) THEN
        RAISE EXCEPTION 'the ledger does not hold % events', NEW.size
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""

_ONLY_IF_EMPTY = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM ledger) THEN
        RAISE EXCEPTION 'this ledger holds events; it is never dropped'
            USING ERRCODE = 'restrict_violation';
    END IF;
END $$
"""


def upgrade() -> None:
    """Run beside the release before this one: give up rather than hold its locks."""
    op.execute("SET lock_timeout = '2s'")
    op.execute("CREATE SCHEMA private")
    op.create_table(
        "artists",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("artist_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_artists")),
        sa.UniqueConstraint("artist_id", name=op.f("uq_artists_artist_id")),
    )
    op.create_index(op.f("ix_artists_revision"), "artists", ["revision"], unique=False)
    op.create_table(
        "bounces",
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("bounced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", "subject", "revision", name=op.f("pk_bounces")),
    )
    op.create_table(
        "charter",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("min_notice_period", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_charter")),
    )
    op.create_table(
        "consents",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("use", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("acting_as", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("shown", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_consents")),
    )
    op.create_index(
        "ix_consents_subject_revision", "consents", ["subject", "revision"], unique=False
    )
    op.create_table(
        "content",
        sa.Column("content_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("isrc", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("rightsholders", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("put_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("content_id", name=op.f("pk_content")),
    )
    op.create_index(op.f("ix_content_isrc"), "content", ["isrc"], unique=False)
    op.create_index(
        "ix_content_rightsholders",
        "content",
        ["rightsholders"],
        unique=False,
        postgresql_using="gin",
    )
    op.create_table(
        "content_history",
        sa.Column("content_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("rightsholders", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("put_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("content_id", "revision", name=op.f("pk_content_history")),
    )
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("evaluated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("outcomes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_decisions")),
    )
    op.create_index("ix_decisions_answered_at", "decisions", ["answered_at"], unique=False)
    op.create_table(
        "delegates",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("delegate", sa.Text(), nullable=False),
        sa.Column("may_opt_in", sa.Boolean(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "delegate", name=op.f("pk_delegates")),
    )
    op.create_index(op.f("ix_delegates_delegate"), "delegates", ["delegate"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", "subject", name=op.f("pk_deliveries")),
    )
    op.create_index(op.f("ix_deliveries_subject"), "deliveries", ["subject"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_subject"), "idempotency_keys", ["subject"])
    op.create_table(
        "key_check",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_key_check_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_check")),
        schema="private",
    )
    op.create_table(
        "ledger",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_ledger")),
        sa.UniqueConstraint("recorded_at", name=op.f("uq_ledger_recorded_at")),
    )
    op.create_table(
        "ledger_head",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("stack", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_ledger_head_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_head")),
        postgresql_with={"fillfactor": 10},
    )
    op.create_table(
        "notices",
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("use", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", name=op.f("pk_notices")),
    )
    op.create_table(
        "policies",
        sa.Column("use", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("recipients", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("notice_period", sa.BigInteger(), nullable=False),
        sa.Column("editorial", sa.Boolean(), nullable=False),
        sa.Column("launch", sa.Boolean(), nullable=False),
        sa.Column("terms", sa.Integer(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("use", "version", name=op.f("pk_policies")),
        sa.UniqueConstraint("revision", name=op.f("uq_policies_revision")),
    )
    op.create_table(
        "policy_texts",
        sa.Column("use", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("use", "version", "locale", name=op.f("pk_policy_texts")),
    )
    op.create_table(
        "subjects",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_subjects")),
        schema="private",
    )
    op.create_table(
        "uses",
        sa.Column("use", sa.Text(), nullable=False),
        sa.Column("names", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("use", name=op.f("pk_uses")),
    )
    op.create_table(
        "ledger_batches",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["revision"], ["ledger.revision"], name=op.f("fk_ledger_batches_revision")
        ),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_ledger_batches")),
    )
    op.create_table(
        "event_details",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["revision"], ["ledger.revision"], name=op.f("fk_event_details_revision")
        ),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_event_details")),
        schema="private",
    )
    op.create_index(
        op.f("ix_event_details_subject"),
        "event_details",
        ["subject"],
        unique=False,
        schema="private",
    )
    op.execute("INSERT INTO ledger_head VALUES (1, 0, '', 'epoch')")
    op.execute(_REFUSE_CHANGE)
    op.execute(_ONLY_FORWARD)
    for table in _NEVER_EDITED:
        op.execute(
            f"CREATE TRIGGER never_edited BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    # Erasing a person deletes what they said; nothing else ever touches it.
    op.execute(
        "CREATE TRIGGER never_edited BEFORE UPDATE OR TRUNCATE ON consents "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER only_forward BEFORE UPDATE ON ledger_head "
        "FOR EACH ROW EXECUTE FUNCTION only_forward()"
    )
    op.execute(
        "CREATE TRIGGER never_removed BEFORE DELETE OR TRUNCATE ON ledger_head "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    """Drop everything, unless anything has ever happened."""
    op.execute("SET lock_timeout = '2s'")
    op.execute(_ONLY_IF_EMPTY)
    op.drop_index(op.f("ix_event_details_subject"), table_name="event_details", schema="private")
    op.drop_table("event_details", schema="private")
    op.drop_table("ledger_batches")
    op.drop_table("uses")
    op.drop_table("subjects", schema="private")
    op.drop_table("policy_texts")
    op.drop_table("policies")
    op.drop_table("notices")
    op.drop_table("ledger_head")
    op.drop_table("ledger")
    op.drop_table("key_check", schema="private")
    op.drop_index(op.f("ix_idempotency_keys_subject"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index(op.f("ix_deliveries_subject"), table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_index(op.f("ix_delegates_delegate"), table_name="delegates")
    op.drop_table("delegates")
    op.drop_index("ix_decisions_answered_at", table_name="decisions")
    op.drop_table("decisions")
    op.drop_table("content_history")
    op.drop_index("ix_content_rightsholders", table_name="content", postgresql_using="gin")
    op.drop_index(op.f("ix_content_isrc"), table_name="content")
    op.drop_table("content")
    op.drop_index("ix_consents_subject_revision", table_name="consents")
    op.drop_table("consents")
    op.drop_table("charter")
    op.drop_table("bounces")
    op.drop_index(op.f("ix_artists_revision"), table_name="artists")
    op.drop_table("artists")
    op.execute("DROP FUNCTION refuse_change")
    op.execute("DROP FUNCTION only_forward")
    op.execute("DROP SCHEMA private")
