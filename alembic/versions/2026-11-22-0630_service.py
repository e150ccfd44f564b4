"""projects, runs, reports, sweeps, calibrations, artifacts, keys, audit, events, logs; priorities and limits of jobs

Revision: 5b1f0c7d92e4
Follows: 8983e4aa89a0
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "5b1f0c7d92e4"
down_revision = "8983e4aa89a0"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ID = sa.String(16)


def _described() -> list[sa.Column]:
    return [sa.Column("labels", JSON, nullable=False), sa.Column("note", sa.Text(), nullable=False)]


def _key(table: str, column: str, target: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    referred = target.partition(".")[0]
    return sa.ForeignKeyConstraint([column], [target], name=op.f(f"fk_{table}_{column}_{referred}"), ondelete=ondelete)


def _primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def upgrade() -> None:
    _jobs()
    _artifacts()
    _sweeps()
    _explorations()
    _projects()
    _users()
    with op.batch_alter_table("idempotency_key") as table:
        table.alter_column("location", existing_type=sa.String(255), nullable=True)


def _jobs() -> None:
    op.drop_index("ix_job_queued", "job")
    with op.batch_alter_table("job") as table:
        table.add_column(sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("licence", sa.String(32), nullable=True))
        table.add_column(sa.Column("limits", JSON, nullable=True))
        table.add_column(sa.Column("losses", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("worker_version", sa.String(32), nullable=True))
        table.add_column(sa.Column("rung_at", MOMENT, nullable=True))
    with op.batch_alter_table("job") as table:  # the defaults were for the rows that stood there
        table.alter_column("priority", server_default=None, existing_type=sa.Integer(), existing_nullable=False)
        table.alter_column("losses", server_default=None, existing_type=sa.Integer(), existing_nullable=False)
    op.execute("UPDATE job SET losses = attempt - 1")
    op.create_index("ix_job_subject_id", "job", ["subject_id"])
    op.create_index(
        "ix_job_queued",
        "job",
        ["queue", "priority", "created_at", "id"],
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_table(
        "job_log_line",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("stream", sa.String(16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        _key("job_log_line", "job_id", "job.id", "CASCADE"),
        _primary("job_log_line", "job_id", "seq"),
    )
    op.create_table(
        "event",
        sa.Column("seq", COUNT, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("data", JSON, nullable=False),
        _primary("event", "seq"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_owner_seq", "event", ["owner", "seq"])
    op.create_index("ix_event_at", "event", ["at"])
    op.create_table(
        "licence_pool",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=False),
        _primary("licence_pool", "name"),
    )


def _artifacts() -> None:
    op.create_table(
        "blob",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _primary("blob", "sha256"),
    )
    op.create_table(
        "artifact",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("job_id", ID, nullable=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.String(128), nullable=False),
        sa.Column("file_name", sa.String(255), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        _key("artifact", "job_id", "job.id", "SET NULL"),
        _key("artifact", "sha256", "blob.sha256"),
        _primary("artifact", "id"),
    )
    op.create_index("ix_artifact_created_at_id", "artifact", ["created_at", "id"])
    op.create_index("ix_artifact_job_id", "artifact", ["job_id"])
    op.create_index("ix_artifact_sha256", "artifact", ["sha256"])


def _sweeps() -> None:
    op.create_table(
        "sweep",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("job_id", ID, nullable=True),
        sa.Column("name", sa.String(200), nullable=False),
        *_described(),
        sa.Column("document", JSON, nullable=False),
        sa.Column("results", JSON, nullable=True),
        sa.Column("artifact_id", ID, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        _key("sweep", "job_id", "job.id"),
        _key("sweep", "artifact_id", "artifact.id", "SET NULL"),
        _primary("sweep", "id"),
        sa.UniqueConstraint("job_id", name=op.f("uq_sweep_job_id")),
    )
    op.create_index("ix_sweep_created_at_id", "sweep", ["created_at", "id"])


def _explorations() -> None:
    with op.batch_alter_table("exploration") as table:
        table.add_column(sa.Column("labels", JSON, nullable=False, server_default="[]"))
        table.add_column(sa.Column("note", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("sweep_id", ID, nullable=True))
        table.add_column(sa.Column("front_artifact_id", ID, nullable=True))
        table.add_column(sa.Column("evaluations_artifact_id", ID, nullable=True))
        table.add_column(sa.Column("evaluations", sa.Integer(), nullable=True))
        for column, referred in (
            ("sweep_id", "sweep"),
            ("front_artifact_id", "artifact"),
            ("evaluations_artifact_id", "artifact"),
        ):
            name = op.f(f"fk_exploration_{column}_{referred}")
            table.create_foreign_key(name, referred, [column], ["id"], ondelete="SET NULL")
    with op.batch_alter_table("exploration") as table:
        table.alter_column("labels", server_default=None, existing_type=JSON, existing_nullable=False)
        table.alter_column("note", server_default=None, existing_type=sa.Text(), existing_nullable=False)
    op.create_index("ix_exploration_sweep_id", "exploration", ["sweep_id"])
    _count_evaluations()
    op.create_table(
        "measurement",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("exploration_id", ID, nullable=False),
        sa.Column("design_key", sa.String(16), nullable=False),
        sa.Column("index", sa.Integer(), nullable=True),
        sa.Column("design", JSON, nullable=False),
        sa.Column("metrics", JSON, nullable=False),
        sa.Column("provenance", sa.String(32), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _key("measurement", "exploration_id", "exploration.id", "CASCADE"),
        _primary("measurement", "id"),
    )
    op.create_index("ix_measurement_exploration_id", "measurement", ["exploration_id"])
    op.create_index("ix_measurement_created_at_id", "measurement", ["created_at", "id"])
    op.create_table(
        "suggestion",
        sa.Column("exploration_id", ID, nullable=False),
        sa.Column("design_key", sa.String(16), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        _key("suggestion", "exploration_id", "exploration.id", "CASCADE"),
        _primary("suggestion", "exploration_id", "design_key"),
    )


def _count_evaluations() -> None:
    """What the records say, in a column of its own."""
    table = sa.table("exploration", sa.column("id"), sa.column("record", JSON), sa.column("evaluations"))
    if op.get_context().as_sql:
        op.execute("UPDATE exploration SET evaluations = CAST(record ->> 'evaluations' AS INTEGER)")
        return
    connection = op.get_bind()
    rows = connection.execute(sa.select(table.c.id, table.c.record).where(table.c.record.is_not(None))).all()
    for row in rows:
        count = row.record.get("evaluations") if isinstance(row.record, dict) else None
        connection.execute(sa.update(table).where(table.c.id == row.id).values(evaluations=count))


def _projects() -> None:
    op.create_table(
        "project",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        *_described(),
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("device_name", sa.String(64), nullable=False),
        sa.Column("design_key", sa.String(16), nullable=False),
        sa.Column("design", JSON, nullable=False),
        sa.Column("model", JSON, nullable=False),
        sa.Column("device", JSON, nullable=False),
        sa.Column("workload", JSON, nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("manifest", JSON, nullable=True),
        sa.Column("artifact_id", ID, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        _key("project", "job_id", "job.id"),
        _key("project", "artifact_id", "artifact.id", "SET NULL"),
        _primary("project", "id"),
        sa.UniqueConstraint("job_id", name=op.f("uq_project_job_id")),
    )
    op.create_index("ix_project_created_at_id", "project", ["created_at", "id"])
    op.create_table(
        "run",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("step", sa.String(32), nullable=False),
        sa.Column("options", JSON, nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=True),
        sa.Column("artifact_id", ID, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        _key("run", "project_id", "project.id", "CASCADE"),
        _key("run", "job_id", "job.id"),
        _key("run", "artifact_id", "artifact.id", "SET NULL"),
        _primary("run", "id"),
        sa.UniqueConstraint("job_id", name=op.f("uq_run_job_id")),
    )
    op.create_index("ix_run_created_at_id", "run", ["created_at", "id"])
    op.create_index("ix_run_project_id", "run", ["project_id"])
    op.create_table(
        "report",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("project_id", ID, nullable=True),
        sa.Column("run_id", ID, nullable=True),
        sa.Column("job_id", ID, nullable=True),
        sa.Column("step", sa.String(32), nullable=False),
        sa.Column("document", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _key("report", "project_id", "project.id", "CASCADE"),
        _key("report", "run_id", "run.id", "CASCADE"),
        _key("report", "job_id", "job.id", "SET NULL"),
        _primary("report", "id"),
    )
    op.create_index("ix_report_created_at_id", "report", ["created_at", "id"])
    op.create_index("ix_report_project_id", "report", ["project_id"])
    op.create_index("ix_report_run_id", "report", ["run_id"])
    op.create_table(
        "calibration",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("timing_table_version", sa.String(32), nullable=False),
        sa.Column("document", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _primary("calibration", "id"),
    )
    op.create_index("ix_calibration_created_at_id", "calibration", ["created_at", "id"])


def _users() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("key_sha256", sa.String(64), nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("limits", JSON, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("last_used_at", MOMENT, nullable=True),
        _primary("api_key", "id"),
        sa.UniqueConstraint("key_sha256", name=op.f("uq_api_key_key_sha256")),
    )
    op.create_index("ix_api_key_prefix", "api_key", ["prefix"])
    op.create_table(
        "audit_entry",
        sa.Column("id", COUNT, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("key_id", ID, nullable=True),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("resource", sa.String(255), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("remote", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(32), nullable=False),
        sa.Column("detail", JSON, nullable=True),
        _primary("audit_entry", "id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_entry_owner_id", "audit_entry", ["owner", "id"])
    op.create_index("ix_audit_entry_at", "audit_entry", ["at"])
    op.create_table(
        "upload",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("document", JSON, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _primary("upload", "id"),
        sa.UniqueConstraint("owner", "kind", "name", name=op.f("uq_upload_owner_kind_name")),
    )


def downgrade() -> None:
    for table in (
        "upload",
        "audit_entry",
        "api_key",
        "calibration",
        "report",
        "run",
        "project",
        "suggestion",
        "measurement",
    ):
        op.drop_table(table)
    op.drop_index("ix_exploration_sweep_id", "exploration")
    with op.batch_alter_table("exploration") as table:
        for column, referred in (
            ("sweep_id", "sweep"),
            ("front_artifact_id", "artifact"),
            ("evaluations_artifact_id", "artifact"),
        ):
            table.drop_constraint(op.f(f"fk_exploration_{column}_{referred}"), type_="foreignkey")
        for column in ("labels", "note", "sweep_id", "front_artifact_id", "evaluations_artifact_id", "evaluations"):
            table.drop_column(column)
    for table_name in ("sweep", "artifact", "blob", "licence_pool", "event", "job_log_line"):
        op.drop_table(table_name)
    op.drop_index("ix_job_queued", "job")
    op.drop_index("ix_job_subject_id", "job")
    with op.batch_alter_table("job") as table:
        for column in ("priority", "licence", "limits", "losses", "worker_version", "rung_at"):
            table.drop_column(column)
    op.create_index(
        "ix_job_queued",
        "job",
        ["queue", "created_at", "id"],
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.execute("DELETE FROM idempotency_key WHERE location IS NULL")
    with op.batch_alter_table("idempotency_key") as table:
        table.alter_column("location", existing_type=sa.String(255), nullable=False)
