"""functions and triggers

Revision ID: f1
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "f1"
down_revision = None
branch_labels = None
depends_on = None


TOUCH = r"""
CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := coalesce(OLD.version, 0) + 1;  -- it's 100% \n
    NEW.note := format('%s: %I', NEW.note, 'V');
    RETURN NEW;
END
$$
"""


def upgrade():
    op.create_table(
        "docs",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False, server_default="a"),
        sa.Column("note", sa.Text()),
        sa.Column("version", sa.Integer()),
    )
    op.execute(sa.DDL(TOUCH.replace("%", "%%")))
    op.execute("CREATE TRIGGER docs_touch BEFORE UPDATE ON docs FOR EACH ROW EXECUTE FUNCTION touch()")
    op.execute("INSERT INTO docs (note) VALUES ('one'), ('two')")
    op.execute("UPDATE docs SET note = 'three' WHERE id = 2")
    op.execute("CREATE PROCEDURE clean(days int DEFAULT 3) LANGUAGE sql AS 'DELETE FROM docs WHERE version > days'")
    op.execute("CALL clean()")


def downgrade():
    op.execute("DROP PROCEDURE clean")
    op.drop_table("docs")
    op.execute("DROP FUNCTION touch()")
