"""types and the rest

Revision ID: f5
Revises: f4
"""

from alembic import op

revision = "f5"
down_revision = "f4"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE TYPE pair AS (a int, b text)")
    op.execute("CREATE DOMAIN percent AS numeric DEFAULT 5 CONSTRAINT to_100 CHECK (VALUE BETWEEN 0 AND 100)")
    op.execute("CREATE TYPE span AS RANGE (subtype = float8)")
    op.execute("CREATE COLLATION plain (locale = 'C')")
    op.execute(
        "CREATE TABLE odd (p pair, share percent, s span, name text COLLATE plain, EXCLUDE USING gist (s WITH &&))"
    )
    op.execute("INSERT INTO odd VALUES (ROW(1, 'x,\"y'), 50, '[1,2)', 'z')")
    op.execute("CREATE STATISTICS odd_st (ndistinct) ON share, name FROM odd")
    op.execute("CREATE AGGREGATE product(int) (sfunc = int4mul, stype = int, initcond = '1')")
    op.execute("CREATE OPERATOR === (leftarg = int, rightarg = int, function = int4eq)")
    op.execute("CREATE CAST (pair AS text) WITH INOUT AS ASSIGNMENT")
    op.execute("ALTER TABLE odd SET (fillfactor = 70), ALTER COLUMN name SET STATISTICS 50, CLUSTER ON odd_s_excl")


def downgrade():
    op.execute("DROP CAST (pair AS text)")
    op.execute("DROP OPERATOR === (int, int)")
    op.execute("DROP AGGREGATE product(int)")
    op.execute("DROP TABLE odd")
    op.execute("DROP COLLATION plain; DROP TYPE span; DROP DOMAIN percent; DROP TYPE pair")
