"""Log fingerprints that get another track, and notify listeners of moves and deletions."""

from alembic import op

revision = "fingerprint_0003"
down_revision = "fingerprint_0002"
branch_labels = None
depends_on = None

# The function of the first revision with a notification of deletions. Insertions need none: a
# fingerprint that a copy lacks is read from the database.
LOG_CHANGES = """
CREATE OR REPLACE FUNCTION fingerprint_log_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7723016524936704001);
    INSERT INTO fpindex_changelog (fingerprint_id, deleted)
    SELECT id, TG_OP = 'DELETE' FROM changed ORDER BY id;
    {notification}
    RETURN NULL;
END
$$
"""
NOTIFICATION = """
    IF TG_OP = 'DELETE' THEN
        PERFORM pg_notify('fingerprint_changed', '');
    END IF;
"""

LOG_MOVES = (
    """
    CREATE FUNCTION fingerprint_log_move() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock(7723016524936704001);
        INSERT INTO fpindex_changelog (fingerprint_id, deleted) VALUES (NEW.id, false);
        PERFORM pg_notify('fingerprint_changed', '');
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER fingerprint_log_moves AFTER UPDATE OF track_id ON fingerprint
    FOR EACH ROW WHEN (OLD.track_id IS DISTINCT FROM NEW.track_id)
    EXECUTE FUNCTION fingerprint_log_move()
    """,
)


def upgrade() -> None:
    """Apply the revision."""
    op.execute(LOG_CHANGES.format(notification=NOTIFICATION))
    for statement in LOG_MOVES:
        op.execute(statement)


def downgrade() -> None:
    """Undo the revision."""
    op.execute("DROP TRIGGER fingerprint_log_moves ON fingerprint")
    op.execute("DROP FUNCTION fingerprint_log_move()")
    op.execute(LOG_CHANGES.format(notification=""))
