"""Tables of the ``app`` database: accounts, applications, sources, formats, statistics."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import INET

from pipeline.catalog.common_columns import created, metadata, primary_key

METADATA: Final = metadata()

account: Final = sa.Table(
    "account",
    METADATA,
    primary_key(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("apikey", sa.Text, nullable=False, unique=True),
    sa.Column("mbuser", sa.Text, unique=True),
    sa.Column("anonymous", sa.Boolean, server_default=sa.false()),
    created(),
    sa.Column("lastlogin", sa.DateTime(timezone=True)),
    sa.Column("submission_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("application_id", sa.ForeignKey("application.id", use_alter=True)),
    sa.Column("application_version", sa.Text),
    sa.Column("created_from", INET),
    sa.Column("is_admin", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column(
        "deleted",
        sa.DateTime(timezone=True),
        comment="when name, keys and links were removed; null for an account in use",
    ),
)

# MusicBrainz's user names are case-insensitive.
sa.Index("account_idx_mbuser_lower", sa.func.lower(account.c.mbuser), unique=True)

# For the erasure of old addresses.
sa.Index(
    "account_idx_with_address",
    account.c.created,
    postgresql_where=account.c.created_from.is_not(None),
)

account_openid: Final = sa.Table(
    "account_openid",
    METADATA,
    sa.Column("openid", sa.Text, primary_key=True),
    sa.Column("account_id", sa.ForeignKey("account.id"), nullable=False, index=True),
)

account_google: Final = sa.Table(
    "account_google",
    METADATA,
    sa.Column("google_user_id", sa.Text, primary_key=True),
    sa.Column("account_id", sa.ForeignKey("account.id"), nullable=False, index=True),
)

application: Final = sa.Table(
    "application",
    METADATA,
    primary_key(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("apikey", sa.Text, nullable=False, unique=True),
    created(),
    sa.Column("active", sa.Boolean, server_default=sa.true()),
    sa.Column("account_id", sa.ForeignKey("account.id"), nullable=False),
    sa.Column("email", sa.Text),
    sa.Column("website", sa.Text),
    sa.Column("rate_limit", sa.Double, comment="requests per second; null: the configured limit"),
)

rotated_key: Final = sa.Table(
    "rotated_key",
    METADATA,
    primary_key(),
    sa.Column("apikey", sa.Text, nullable=False),
    sa.Column("application_id", sa.ForeignKey("application.id")),
    sa.Column("account_id", sa.ForeignKey("account.id")),
    created(),
    sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("(application_id IS NULL) <> (account_id IS NULL)", name="holder"),
    comment="replaced keys, which are valid until they expire",
)

sa.Index(
    "rotated_key_idx_application_key",
    rotated_key.c.apikey,
    unique=True,
    postgresql_where=rotated_key.c.application_id.is_not(None),
)
sa.Index(
    "rotated_key_idx_account_key",
    rotated_key.c.apikey,
    unique=True,
    postgresql_where=rotated_key.c.account_id.is_not(None),
)

# The public schema has the names `format` and `source`.
audio_format: Final = sa.Table(
    "format",
    METADATA,
    primary_key(),
    sa.Column("name", sa.Text, nullable=False, unique=True),
)

source: Final = sa.Table(
    "source",
    METADATA,
    primary_key(),
    sa.Column("application_id", sa.ForeignKey("application.id"), nullable=False),
    sa.Column("account_id", sa.ForeignKey("account.id"), nullable=False),
    sa.Column("version", sa.Text),
)

# A plain unique constraint would allow duplicates, since NULL versions are distinct to it.
sa.Index(
    "source_idx_uniq",
    source.c.application_id,
    source.c.account_id,
    sa.func.coalesce(source.c.version, sa.literal_column("''")),
    unique=True,
)

stats: Final = sa.Table(
    "stats",
    METADATA,
    primary_key(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("date", sa.Date, nullable=False, server_default=sa.func.current_date()),
    sa.Column("value", sa.Integer, nullable=False),
    sa.UniqueConstraint("name", "date"),
    sa.Index("stats_idx_date", "date"),
)

stats_lookups: Final = sa.Table(
    "stats_lookups",
    METADATA,
    primary_key(),
    sa.Column("date", sa.Date, nullable=False, index=True),
    sa.Column("hour", sa.Integer, nullable=False),
    sa.Column("application_id", sa.ForeignKey("application.id"), nullable=False),
    sa.Column("count_nohits", sa.Integer, nullable=False, server_default="0"),
    sa.Column("count_hits", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("application_id", "date", "hour"),
)

stats_user_agents: Final = sa.Table(
    "stats_user_agents",
    METADATA,
    primary_key(),
    sa.Column("date", sa.Date, nullable=False, index=True),
    sa.Column("application_id", sa.ForeignKey("application.id"), nullable=False),
    sa.Column("user_agent", sa.Text, nullable=False),
    sa.Column("ip", sa.Text, nullable=False),
    sa.Column("count", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("application_id", "date", "user_agent", "ip"),
)

# For the erasure of old addresses.
sa.Index(
    "stats_user_agents_idx_with_address",
    stats_user_agents.c.date,
    postgresql_where=stats_user_agents.c.ip != sa.literal_column("''"),
)

stats_folded: Final = sa.Table(
    "stats_folded",
    METADATA,
    sa.Column("batch_id", sa.UUID, primary_key=True),
    created(),
    comment="batches of counters, each written with its counts: adding twice changes nothing",
)

maintenance: Final = sa.Table(
    "maintenance",
    METADATA,
    sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.CheckConstraint("id = 1", name="id"),
    comment="one row while submissions are refused, none otherwise",
)
