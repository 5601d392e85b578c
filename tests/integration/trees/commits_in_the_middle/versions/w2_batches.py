"""updates batch by batch, and commits each"""

import sqlalchemy as sa
from alembic import op

revision = "w2"
down_revision = "w1"
branch_labels = None
depends_on = None

LEFT = "SELECT count(*) FROM a WHERE batch IS NULL"


def upgrade():
    bind = op.get_bind()
    while bind.scalar(sa.text(LEFT)) > 0:
        update = "UPDATE a SET batch = 1 WHERE id IN (SELECT id FROM a WHERE batch IS NULL ORDER BY id LIMIT :size)"
        bind.execute(sa.text(update), {"size": 10})
        bind.commit()
    op.alter_column("a", "batch", nullable=False)


def downgrade():
    op.alter_column("a", "batch", nullable=True)
    op.execute("UPDATE a SET batch = NULL")
