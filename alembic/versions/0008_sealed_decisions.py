"""Months of the decision log that are sealed, and that nothing is written into one that is.

Revision: 0008
Follows: 0007
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_REFUSE = """
CREATE FUNCTION refuse_late_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the month of % is closed: its decisions are sealed', NEW.answered_at
        USING ERRCODE = 'object_not_in_prerequisite_state',
        HINT = 'Ask again: the answer then belongs to the month that it is given in.';
END $$
"""

# Waits for whoever writes into the month at that moment; whoever comes after is refused.
_CLOSE_MONTH = """
CREATE FUNCTION close_month_of_decisions(moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    home text := (
        SELECT relnamespace::regnamespace FROM pg_class WHERE oid = 'decisions'::regclass
    );
    name text := 'decisions_' || to_char(moment AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE TRIGGER closed BEFORE INSERT ON %I.%I'
        ' FOR EACH ROW EXECUTE FUNCTION refuse_late_decision()',
        home, name
    );
END $$
"""

_MAKE_MONTH = """
CREATE OR REPLACE FUNCTION make_month_of_decisions(moment timestamptz) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    whole regclass := 'decisions'::regclass;
    home text := (SELECT relnamespace::regnamespace FROM pg_class WHERE oid = whole);
    first timestamptz := date_trunc('month', moment, 'UTC');
    next timestamptz := date_trunc('month', first + interval '32 days', 'UTC');
    name text := 'decisions_' || to_char(first AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    IF to_regclass(format('%I.%I', home, name)) IS NOT NULL THEN
        RETURN name;
    END IF;
    PERFORM pg_advisory_xact_lock(5, 5);
    IF to_regclass(format('%I.%I', home, name)) IS NOT NULL THEN
        RETURN name;
    END IF;
    {sealed}EXECUTE format(
        'CREATE TABLE %I.%I (LIKE %I.decisions INCLUDING ALL)'
        ' WITH (autovacuum_vacuum_insert_scale_factor = 0,'
        ' autovacuum_vacuum_insert_threshold = 100000)',
        home, name, home
    );
    EXECUTE format(
        'CREATE TRIGGER never_edited BEFORE UPDATE OR DELETE OR TRUNCATE ON %I.%I'
        ' FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()',
        home, name
    );
    EXECUTE format(
        'ALTER TABLE %I.decisions ATTACH PARTITION %I.%I FOR VALUES FROM (%L) TO (%L)',
        home, home, name, first, next
    );
    RETURN name;
END $$
"""
_UNLESS_SEALED = """IF EXISTS (
        SELECT FROM sealed_periods WHERE period = to_char(first AT TIME ZONE 'UTC', 'YYYY-MM')
    ) THEN
        RAISE EXCEPTION 'the month of % is sealed: it is not made again', first
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    """

_REFUSE_TO_GO_BACK = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM sealed_periods) THEN
        RAISE EXCEPTION 'decisions of whole months lie in files that only this release can read'
            USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Restore a backup from before they were sealed, or stay at this release.';
    END IF;
END $$
"""
_OPEN_MONTHS = """
DO $$
DECLARE month regclass;
BEGIN
    FOR month IN SELECT tgrelid::regclass FROM pg_trigger
        WHERE tgfoid = 'refuse_late_decision'::regproc
    LOOP
        EXECUTE format('DROP TRIGGER closed ON %s', month);
    END LOOP;
END $$
"""


def upgrade() -> None:
    """Add a table and functions. The release before this one knows none, and runs on."""
    op.execute("SET lock_timeout = '2s'")
    op.create_table(
        "sealed_periods",
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decisions", sa.BigInteger(), nullable=False),
        sa.Column("outcomes", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("files", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("period", name=op.f("pk_sealed_periods")),
    )
    op.execute(_REFUSE)
    op.execute(_CLOSE_MONTH)
    op.execute(_MAKE_MONTH.format(sealed=_UNLESS_SEALED))


def downgrade() -> None:
    """Drop them, as long as nothing is sealed: what lies in files could not be read any more."""
    op.execute("SET lock_timeout = '2s'")
    op.execute(_REFUSE_TO_GO_BACK)
    op.execute(_MAKE_MONTH.format(sealed=""))
    op.execute(_OPEN_MONTHS)
    op.execute("DROP FUNCTION close_month_of_decisions")
    op.execute("DROP FUNCTION refuse_late_decision")
    op.drop_table("sealed_periods")
