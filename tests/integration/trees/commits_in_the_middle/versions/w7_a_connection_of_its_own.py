"""builds an index on a connection in autocommit mode, as revisions do whose env.py rules out autocommit blocks"""

import sqlalchemy as sa
from alembic import op

revision = "w7"
down_revision = "w6"
branch_labels = None
depends_on = None


def upgrade():
    bind = op.get_bind()
    bind.execute(sa.text("INSERT INTO b VALUES (7)"))
    bind.commit()
    with bind.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("CREATE INDEX CONCURRENTLY b_id ON b (id)"))
    op.execute("INSERT INTO b VALUES (8)")


def downgrade():
    op.drop_index("b_id")
    op.execute("DELETE FROM b")
