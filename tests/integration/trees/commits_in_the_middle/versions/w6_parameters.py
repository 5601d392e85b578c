"""parameters in statements that define something"""

import sqlalchemy as sa
from alembic import op

revision = "w6"
down_revision = "w5"
branch_labels = None
depends_on = None


def upgrade():
    bind = op.get_bind()
    bind.execute(sa.text("ALTER TABLE c ADD note text DEFAULT :note"), {"note": "it's 100% :x"})
    bind.execute(sa.text("INSERT INTO c (mood, note) VALUES ('fine', :note)"), {"note": "%s"})
    bind.execute(sa.text("INSERT INTO c (mood) SELECT 'sad' WHERE :n = ANY(:many)"), {"n": 1, "many": [1, 2]})


def downgrade():
    op.drop_column("c", "note")
    op.execute("DELETE FROM c")
