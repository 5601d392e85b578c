"""scripts

Revision ID: r2
Revises: r1
"""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"
branch_labels = None
depends_on = None


SCRIPT = """
-- two tables; and their rows
CREATE TABLE pairs (a int, b text); -- ends; here
INSERT INTO pairs VALUES (1, 'x;y'), (2, 'it''s');
/* a comment; with semicolons
   over lines */
CREATE TABLE others (LIKE pairs INCLUDING ALL);

INSERT INTO others SELECT * FROM pairs WHERE b LIKE '%;%';
;
UPDATE pairs
   SET b = $body$
    several
	lines $1 ; \\ %
$body$
 WHERE a = 2;
-- the end"""


def upgrade():
    op.execute(SCRIPT)
    op.execute(sa.text(SCRIPT.replace("pairs", "pairs2").replace("others", "others2")))


def downgrade():
    for name in ("pairs", "others", "pairs2", "others2"):
        op.execute(f"DROP TABLE {name};")
