"""``acoustid restart`` says which processes it has not replaced."""

from cli.commands.service.restart import kept_roles
from cli.stack.processes.stopping import StopOrder
from cli.stack.processes.strays import ProcessIdentity
from cli.stack.run_state import RunningProcess, RunState


def state(**pids: int) -> RunState:
    """Return a state with these pids of roles, and a server that is never replaced."""
    stages = {"postgres": StopOrder.SERVER, "api": StopOrder.FRONT_END}
    return RunState(
        ProcessIdentity(1, 1.0),
        tuple(
            RunningProcess(
                role, stages.get(role, StopOrder.WORKER), None, "", ProcessIdentity(pid, 1.0)
            )
            for role, pid in {"postgres": 2, **pids}.items()
        ),
    )


def test_no_role_is_kept_if_all_processes_are_new() -> None:
    assert kept_roles(state(api=10, index=11), state(api=20, index=21)) == []


def test_a_supervisor_that_replaces_only_the_front_end_keeps_the_workers() -> None:
    assert kept_roles(state(api=10, index=11), state(api=20, index=11)) == ["index"]
