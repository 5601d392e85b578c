"""quoting

Revision ID: r1
Revises:
"""

from alembic import op

revision = "r1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE TABLE said (id serial PRIMARY KEY, what text NOT NULL, at time, doc jsonb)")
    op.execute(
        "INSERT INTO said (what) VALUES ('100% of %s %(x)s %% %'), ('a\\:b \\:c ::d 12:30 : e'), ('tab\there; \\\\ back')"
    )
    op.execute(
        "INSERT INTO said (what) VALUES ($t$ 'one'; $$ two -- three $t$), (E'\\x41 it''s /* no comment'), (U&'\\0441')"
    )
    op.execute("INSERT INTO said (what) VALUES ('\\:bound') -- COMMIT; 'x")
    op.execute(
        "INSERT INTO said (what, at, doc) VALUES ('times', '12:30:15'::time, '{\"a\": 1, \"b\": [\"c: d\"]}'::jsonb);  \n"
    )
    op.execute(
        "INSERT INTO said (what) VALUES ('emoji \U0001f600 \u202e rtl \u0000'".replace("\0", "")
        + ") /* the /* nested */ end */"
    )
    op.execute('INSERT INTO said (what) SELECT "a;b:c%d" FROM (VALUES (\'named\')) v("a;b:c%d")')
    op.execute("INSERT INTO said (what) VALUES ((ARRAY['x','y','z'])[2:2]::text), ('a' || chr(10) || '--b')")


def downgrade():
    op.execute("DROP TABLE said -- all of it")
