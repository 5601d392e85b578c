"""blocks

Revision ID: r3
Revises: r2
"""

from alembic import op

revision = "r3"
down_revision = "r2"
branch_labels = None
depends_on = None


def upgrade():
    op.execute(
        """
    DO $do$
    DECLARE
        name text;
    BEGIN
        FOREACH name IN ARRAY ARRAY['alpha', 'be"ta', '50%'] LOOP
            EXECUTE format('CREATE TABLE %I (id int DEFAULT %s, note text DEFAULT %L)', name, 5, 'it''s ' || name);
            INSERT INTO said (what) VALUES (format('made %s', name));
        END LOOP;
        BEGIN
            PERFORM 1 / 0;
        EXCEPTION WHEN division_by_zero THEN
            RAISE NOTICE 'divided: % %%', sqlerrm;
        END;
    END
    $do$;
    """
    )
    op.execute("DO LANGUAGE plpgsql 'BEGIN NULL; END' ")
    op.execute("CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE RETURN n * 2")
    op.execute("CREATE FUNCTION several() RETURNS SETOF int BEGIN ATOMIC SELECT 1; SELECT twice(n => 2); END")
    op.execute("SELECT 1; SELECT twice(3)")


def downgrade():
    op.execute("DROP FUNCTION several(); DROP FUNCTION twice(int)")
    op.execute('DROP TABLE alpha, "be""ta", "50%"')
    op.execute("DELETE FROM said WHERE what LIKE 'made %'")
