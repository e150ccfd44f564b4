"""how a search went, point by point; more of its figures in lists

Revision: 7e92d4b015ca
Follows: c41d70a6b8f3
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "7e92d4b015ca"
down_revision = "c41d70a6b8f3"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
FIGURES = ("designs_per_s", "hypervolume", "feasible_fraction")


def upgrade() -> None:
    with op.batch_alter_table("exploration") as table:
        table.add_column(sa.Column("history", JSON, nullable=True))
    connection = op.get_bind()
    rows = sa.table("exploration", sa.column("id"), sa.column("record", JSON), sa.column("summary", JSON))
    for row in connection.execute(sa.select(rows.c.id, rows.c.record, rows.c.summary)).all():
        if row.record is None:
            continue
        figures = {name: row.record.get(name) for name in ("designs_per_s", "hypervolume")}
        priced, feasible = row.record.get("evaluations"), row.record.get("feasible_evaluations")
        figures["feasible_fraction"] = feasible / priced if priced and feasible is not None else None
        changed = {**row.summary, **figures}
        connection.execute(sa.update(rows).where(rows.c.id == row.id).values(summary=changed))


def downgrade() -> None:
    connection = op.get_bind()
    rows = sa.table("exploration", sa.column("id"), sa.column("summary", JSON))
    for row in connection.execute(sa.select(rows.c.id, rows.c.summary)).all():
        kept = {name: value for name, value in row.summary.items() if name not in FIGURES}
        connection.execute(sa.update(rows).where(rows.c.id == row.id).values(summary=kept))
    with op.batch_alter_table("exploration") as table:
        table.drop_column("history")
