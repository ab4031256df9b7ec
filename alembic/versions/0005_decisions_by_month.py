"""The log of decisions by month, with what look-ups need beside every outcome.

Revision: 0005
Follows: 0004
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Attaching locks nobody out who writes, as CREATE TABLE ... PARTITION OF would; the advisory lock
# lets replicas that make the same month wait for each other. A detached month is left alone.
_MAKE_MONTH = """
CREATE FUNCTION make_month_of_decisions(moment timestamptz) RETURNS text LANGUAGE plpgsql AS $$
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
    EXECUTE format(
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

_NEVER_EDITED = (
    "CREATE TRIGGER never_edited BEFORE UPDATE OR DELETE OR TRUNCATE ON decisions "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
)
_MAKE_MONTHS = """
SELECT make_month_of_decisions(month) FROM (
    SELECT DISTINCT date_trunc('month', answered_at, 'UTC') AS month FROM decisions_whole
    UNION SELECT date_trunc('month', now(), 'UTC')
    UNION SELECT date_trunc('month', date_trunc('month', now(), 'UTC') + interval '32 days', 'UTC')
) AS months
"""
_DIVIDE = """
INSERT INTO decisions (
    decision_id, answered_at, evaluated_at, revision, client, caller, request, outcomes,
    use, recipient, about, run, job
)
SELECT decision_id, answered_at, evaluated_at, revision, client, caller, request, outcomes,
    request->>'use', request->>'recipient', request->>'about', request->>'run', request->>'job'
FROM decisions_whole ORDER BY answered_at
"""
# Names from before the log had months do not tell when: the months there are by now look them up.
_FIND_OLD_NAMES = """
DO $$
DECLARE month regclass;
BEGIN
    FOR month IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'decisions'::regclass
    LOOP
        EXECUTE format(
            'CREATE INDEX ON %s (decision_id) WHERE substr(decision_id, 17, 1) <> ''7''', month
        );
    END LOOP;
END $$
"""
_UNITE = """
INSERT INTO decisions (
    decision_id, answered_at, evaluated_at, revision, client, caller, request, outcomes
)
SELECT decision_id, answered_at, evaluated_at, revision, client, caller,
    request || jsonb_strip_nulls(jsonb_build_object(
        'use', use, 'recipient', recipient, 'about', about, 'run', run, 'job', job
    )),
    outcomes
FROM decisions_by_month ORDER BY answered_at
"""


def _columns() -> list[sa.Column[object]]:
    return [
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("evaluated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("outcomes", sa.LargeBinary(), nullable=False),
    ]


def upgrade() -> None:
    """Divide the log, in one transaction: some 15 seconds for each million decisions there are.

    Until it is done no check is answered. The release before this one may run on: what it does not
    write may be null.
    """
    op.execute("SET lock_timeout = '2s'")
    op.execute("ALTER TABLE decisions RENAME TO decisions_whole")
    op.execute("ALTER INDEX pk_decisions RENAME TO pk_decisions_whole")
    op.create_table(
        "decisions",
        *_columns(),
        sa.Column("use", sa.Text(), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("about", sa.Text(), nullable=True),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("one", sa.Text(), nullable=True),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("run", sa.Text(), nullable=True),
        sa.Column("job", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("answered_at", "decision_id", name=op.f("pk_decisions")),
        postgresql_partition_by="RANGE (answered_at)",
    )
    op.execute("ALTER TABLE decisions ALTER COLUMN outcomes SET STORAGE EXTERNAL")
    op.create_index(
        "ix_decisions_of_many",
        "decisions",
        ["answered_at", "decision_id"],
        unique=False,
        postgresql_where="one IS NULL",
    )
    op.execute(
        "CREATE INDEX ix_decisions_words ON decisions USING brin ("
        "one text_bloom_ops (n_distinct_per_range = 3000),"
        " run text_bloom_ops (n_distinct_per_range = 300),"
        " client text_bloom_ops (n_distinct_per_range = 100)"
        ") WITH (autosummarize = on)"
    )
    op.execute(_NEVER_EDITED)
    op.execute(_MAKE_MONTH)
    op.execute(_MAKE_MONTHS)
    op.execute(_DIVIDE)
    op.execute(_FIND_OLD_NAMES)
    op.drop_table("decisions_whole")


def downgrade() -> None:
    """Put the months together again; nothing is lost."""
    op.execute("SET lock_timeout = '2s'")
    op.execute("DROP FUNCTION make_month_of_decisions")
    op.execute("ALTER TABLE decisions RENAME TO decisions_by_month")
    op.execute("ALTER INDEX pk_decisions RENAME TO pk_decisions_by_month")
    op.create_table(
        "decisions", *_columns(), sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_decisions"))
    )
    op.create_index("ix_decisions_answered_at", "decisions", ["answered_at"], unique=False)
    op.execute(_NEVER_EDITED)
    op.execute(_UNITE)
    op.drop_table("decisions_by_month")
