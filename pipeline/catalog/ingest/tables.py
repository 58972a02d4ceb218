"""Tables of the ``ingest`` database: submissions, their results, and the sources of data."""

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from pipeline.catalog.common_columns import created, metadata, primary_key, updated
from pipeline.submission_fields import COLUMN_FIELDS, REQUIRED_COLUMNS, Kind

METADATA: Final = metadata()

_COLUMN_TYPES: Final[Mapping[Kind, sa.types.TypeEngine[Any]]] = {
    Kind.FINGERPRINT: sa.LargeBinary(),
    Kind.DURATION: sa.SmallInteger(),
    Kind.BITRATE: sa.SmallInteger(),
    Kind.TEXT: sa.Text(),
    Kind.UUID: UUID(as_uuid=True),
    Kind.UUIDS: UUID(as_uuid=True),
    Kind.FOREIGN_ID: sa.Text(),
}

_SUBMITTED_COLUMNS: Final = tuple(
    sa.Column(
        name,
        _COLUMN_TYPES[field.kind],
        nullable=name not in REQUIRED_COLUMNS,
        comment=field.comment,
    )
    for name, field in COLUMN_FIELDS.items()
)
"""One column for each parameter; see `pipeline.submission_fields`."""

submission: Final = sa.Table(
    "submission",
    METADATA,
    primary_key(),
    created(),
    sa.Column("task_id", UUID(as_uuid=True), nullable=False, index=True),
    sa.Column("state", sa.Text, nullable=False, server_default="pending"),
    sa.Column("reason", sa.Text, comment="why a submission was rejected or failed"),
    sa.Column("handled_at", sa.DateTime(timezone=True), comment="when the final state was reached"),
    sa.Column("attempts", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("retry_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("crashes", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("running", sa.Text),
    sa.Column("account_id", sa.Integer, nullable=False),
    sa.Column("application_id", sa.Integer, nullable=False),
    sa.Column("application_version", sa.Text),
    sa.Column("gid", UUID(as_uuid=True), nullable=False, comment="identity of the words"),
    *_SUBMITTED_COLUMNS,
    sa.Column("meta", JSONB),
    sa.CheckConstraint("length > 0", name="length"),
    sa.CheckConstraint("bitrate > 0", name="bitrate"),
    sa.CheckConstraint("state IN ('pending', 'imported', 'rejected', 'failed')", name="state"),
)

# For `pipeline.catalog.ingest.leases`: receipts without a final state.
sa.Index(
    "submission_idx_unfinished",
    submission.c.retry_at,
    postgresql_where=submission.c.state == sa.literal_column("'pending'"),
)

# For the pruning of receipts with a final state.
sa.Index(
    "submission_idx_finished",
    submission.c.handled_at,
    postgresql_where=submission.c.state != sa.literal_column("'pending'"),
)

pruned_submission: Final = sa.Table(
    "pruned_submission",
    METADATA,
    sa.Column("state", sa.Text, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
    comment="number of submissions whose receipts were deleted, by their final state",
)

nats_message: Final = sa.Table(
    "nats_message",
    METADATA,
    sa.Column("identity", sa.LargeBinary, primary_key=True),
    created(),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("message_id", sa.Text),
    sa.Column("task_id", UUID(as_uuid=True), nullable=False, index=True),
    sa.Column("submission_ids", ARRAY(sa.Integer), nullable=False),
    comment="messages from NATS whose submissions were received",
)

submission_result: Final = sa.Table(
    "submission_result",
    METADATA,
    sa.Column("submission_id", sa.Integer, primary_key=True, autoincrement=False),
    created(),
    sa.Column("handled_at", sa.DateTime(timezone=True), server_default=sa.func.now()),
    sa.Column("account_id", sa.Integer, nullable=False),
    sa.Column("application_id", sa.Integer, nullable=False),
    sa.Column("application_version", sa.Text),
    sa.Column("fingerprint_id", sa.Integer, nullable=False, index=True),
    sa.Column("track_id", sa.Integer, nullable=False),
    sa.Column("meta_gid", UUID(as_uuid=True)),
    sa.Column("mbid", UUID(as_uuid=True)),
    sa.Column("puid", UUID(as_uuid=True)),
    sa.Column("foreignid", sa.Text),
)


def _provenance(name: str, target: str) -> sa.Table:
    """Return a table that records which submission and source confirmed a row, each once."""
    return sa.Table(
        name,
        METADATA,
        primary_key(),
        sa.Column(target, sa.Integer, nullable=False, index=True),
        sa.Column("submission_id", sa.Integer, nullable=False, unique=True),
        sa.Column("source_id", sa.Integer, nullable=False, index=True),
        created(),
    )


fingerprint_source: Final = _provenance("fingerprint_source", "fingerprint_id")
track_mbid_source: Final = _provenance("track_mbid_source", "track_mbid_id")
track_puid_source: Final = _provenance("track_puid_source", "track_puid_id")
track_meta_source: Final = _provenance("track_meta_source", "track_meta_id")
track_foreignid_source: Final = _provenance("track_foreignid_source", "track_foreignid_id")

track_mbid_change: Final = sa.Table(
    "track_mbid_change",
    METADATA,
    primary_key(),
    sa.Column("track_mbid_id", sa.Integer, nullable=False, index=True),
    sa.Column("account_id", sa.Integer, nullable=False),
    created(),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("note", sa.Text),
    updated(),
)

outbox: Final = sa.Table(
    "outbox",
    METADATA,
    sa.Column(
        "id",
        sa.BigInteger,
        sa.Identity(),
        primary_key=True,
        comment="in the order of the commits",
    ),
    created(),
    sa.Column("submission_id", sa.Integer, nullable=False),
    sa.Column("task_id", UUID(as_uuid=True), nullable=False),
    sa.Column("track_gid", UUID(as_uuid=True)),
    sa.Column("mbid", UUID(as_uuid=True)),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("message_id", sa.Text),
    sa.Column("message_sequence", sa.BigInteger),
    comment="final states of submissions that are not announced yet",
)

received_file: Final = sa.Table(
    "received_file",
    METADATA,
    sa.Column("file", sa.Text, primary_key=True),
    sa.Column("application_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("account_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.LargeBinary, nullable=False, index=True),
    sa.Column("lines", sa.BigInteger, nullable=False),
    sa.Column("finished", sa.DateTime(timezone=True)),
    comment="files of other catalogues of which lines were received",
)
