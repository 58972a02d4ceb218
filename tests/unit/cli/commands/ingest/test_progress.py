"""The line about the wait of ``acoustid ingest nats --once``."""

from cli.commands.ingest.ingest_process import describe_progress
from nats_bridge.process.process_state import ProcessState


def test_the_reason_of_a_wait_is_told() -> None:
    state = ProcessState()
    state.link.established("localhost")
    assert describe_progress(state).endswith("wait")
    state.announcements.set_problem("the stream is full")
    assert describe_progress(state).endswith("; the stream is full")
    state.setup_problem = "no consumer"
    assert describe_progress(state).endswith("; no consumer")
