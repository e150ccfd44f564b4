"""the story of each job, version by version; what lists show of explorations

Revision: c41d70a6b8f3
Follows: 5b1f0c7d92e4
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c41d70a6b8f3"
down_revision = "5b1f0c7d92e4"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
ID = sa.String(16)
SUMMARY_FIELDS = ("workload", "objectives", "method", "budget", "seed")


def upgrade() -> None:
    op.create_table(
        "job_event",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_job_event_job_id_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "version", name=op.f("pk_job_event")),
    )
    with op.batch_alter_table("exploration") as table:
        table.add_column(sa.Column("summary", JSON, nullable=True))
    connection = op.get_bind()
    rows = sa.table("exploration", sa.column("id", ID), sa.column("request", JSON), sa.column("summary", JSON))
    for row in connection.execute(sa.select(rows.c.id, rows.c.request)).all():
        summary = {name: row.request[name] for name in SUMMARY_FIELDS}
        connection.execute(sa.update(rows).where(rows.c.id == row.id).values(summary=summary))
    with op.batch_alter_table("exploration") as table:
        table.alter_column("summary", existing_type=JSON, nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("exploration") as table:
        table.drop_column("summary")
    op.drop_table("job_event")
