"""`handraise` and `python -m server`."""

from server.cli.commands import cli


def main() -> None:
    """Run the command line."""
    cli(prog_name="handraise")


if __name__ == "__main__":
    main()
