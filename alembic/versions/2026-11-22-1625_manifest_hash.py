"""the hash of the manifest of a project, for when its files are gone

Revision: 2f0c6b9d81e4
Follows: 7e92d4b015ca
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2f0c6b9d81e4"
down_revision = "7e92d4b015ca"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null for what was generated before: it is read out of the zip then.
    with op.batch_alter_table("project") as table:
        table.add_column(sa.Column("manifest_sha256", sa.String(64), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("project") as table:
        table.drop_column("manifest_sha256")
