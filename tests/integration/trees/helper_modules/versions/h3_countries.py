"""countries

Revision ID: h3
Revises: h2
"""

import json
from pathlib import Path

import columns
import sqlalchemy as sa
from alembic import op

revision = "h3"
down_revision = "h2"
branch_labels = None
depends_on = None


FILE = Path(__file__).parents[1] / "scripts" / "countries.json"


def upgrade():
    countries = op.create_table(
        "countries", sa.Column("code", sa.CHAR(2), primary_key=True), sa.Column("name", sa.Text())
    )
    op.bulk_insert(countries, json.loads(FILE.read_text(encoding="utf-8")))
    columns.metadata.create_all(op.get_bind())
    op.execute(columns.CreateView("Shops Now", "SELECT id, name FROM shops WHERE gone_at IS NULL"))


def downgrade():
    op.execute('DROP VIEW "Shops Now"')
    columns.metadata.drop_all(op.get_bind())
