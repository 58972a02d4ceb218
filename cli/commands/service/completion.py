"""``acoustid completion``: prints the script that lets a shell complete commands and options."""

from typing import Final

import click
from click.shell_completion import get_completion_class

PROGRAM: Final = "acoustid"
VARIABLE: Final = "_ACOUSTID_COMPLETE"
"""The variable with which the script calls the program; click derives it from its name."""


HELP: Final = """Print a script that completes commands and options in bash, zsh or fish.

\b
bash: mkdir -p ~/.local/share/bash-completion/completions
      acoustid completion bash > ~/.local/share/bash-completion/completions/acoustid
zsh:  mkdir -p ~/.zfunc  # and `fpath+=~/.zfunc` before `compinit` in ~/.zshrc
      acoustid completion zsh > ~/.zfunc/_acoustid
fish: mkdir -p ~/.config/fish/completions
      acoustid completion fish > ~/.config/fish/completions/acoustid.fish
"""
"""The text of the help. The backspace keeps the line breaks of the next paragraph."""


@click.command(help=HELP)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script of a shell."""
    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"click cannot complete commands in {shell}")
    click.echo(script(context.find_root().command, {}, PROGRAM, VARIABLE).source())
