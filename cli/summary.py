"""What to tell the user about a stack that is ready."""

import shlex

from cli.datadir import DataDir
from cli.prepared import Prepared
from cli.record import StackRecord
from cli.roles import FLOWER_USER
from cli.runstate import RunState
from cli.servers.ports import web_address


def describe_running(data: DataDir) -> str:
    """Return the addresses, the keys, and a command that works, as lines of text."""
    state = RunState.load(data)
    prepared = Prepared.load(data.prepared)
    lines = [f"AcoustID is ready; its data is in {data.root}"]
    api = _address(state, "api")
    flower = _address(state, "flower")
    if api:
        lines.append(f"  API      {api}")
    if flower:
        password = StackRecord.load(data).flower_password
        lines.append(f"  Flower   {flower}  (user {FLOWER_USER}, password {password})")
    if prepared.demo:
        lines.append(f"  Keys     client={prepared.demo.client}  user={prepared.demo.user}")
    lines.append(f"  Logs     {data.log('*')}")
    if api:
        lines += ["Try it:", f"  {_example(data, api)}"]
    return "\n".join(lines)


def _example(data: DataDir, api: str) -> str:
    """Return a command that finds a recording of the sample, or where there is none, greets."""
    if not data.demo_lookup.exists():
        return f"curl {api}/_health"
    return f"curl --data {shlex.quote(f'@{data.demo_lookup}')} {api}/v2/lookup"


def _address(state: RunState | None, role: str) -> str | None:
    found = state.find(role) if state else None
    return web_address(found.host, found.port) if found and found.port else None
