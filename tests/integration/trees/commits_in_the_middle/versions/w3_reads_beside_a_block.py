"""looks at the rows, and builds an index outside a transaction"""

import sqlalchemy as sa
from alembic import op

revision = "w3"
down_revision = "w2"
branch_labels = None
depends_on = None


def upgrade():
    for (key,) in op.get_bind().execute(sa.text("SELECT id FROM a ORDER BY id")).all():
        op.execute(f"UPDATE a SET batch = {key % 3} WHERE id = {key}")
    op.get_bind().commit()
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY a_id ON a (id)")
    op.execute("CREATE TABLE b (id int)")


def downgrade():
    op.drop_table("b")
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM pg_indexes WHERE indexname = 'a_id'")) == 1:
        op.get_bind().commit()
        with op.get_context().autocommit_block():
            op.drop_index("a_id", postgresql_concurrently=True)
