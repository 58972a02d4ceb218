import click
@click.command()
def connect() -> None:
    """x"""
