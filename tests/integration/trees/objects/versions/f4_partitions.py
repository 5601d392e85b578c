"""partitions

Revision ID: f4
Revises: f3
"""

import sqlalchemy as sa
from alembic import op

revision = "f4"
down_revision = "f3"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "logs",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.PrimaryKeyConstraint("day", "tenant", "id"),
        postgresql_partition_by="RANGE (day)",
    )
    for year in (2024, 2025):
        op.execute(
            f"CREATE TABLE logs_{year} PARTITION OF logs FOR VALUES FROM ('{year}-01-01') TO ('{year + 1}-01-01')"
        )
    op.execute("CREATE TABLE logs_rest PARTITION OF logs DEFAULT PARTITION BY LIST (tenant)")
    op.execute("CREATE TABLE logs_rest_a PARTITION OF logs_rest FOR VALUES IN ('a', 'c')")
    op.create_index("logs_tenant", "logs", ["tenant"])
    op.execute("INSERT INTO logs (day, tenant) VALUES ('2024-06-01', 'a'), ('2025-06-01', 'b'), ('1999-01-01', 'a')")
    op.execute("ALTER TABLE logs DETACH PARTITION logs_2025")


def downgrade():
    op.execute("DROP TABLE logs_2025")
    op.drop_table("logs")
