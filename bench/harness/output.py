"""Where results go. What stands in bench/ was measured in full and several times; anything else goes elsewhere."""

from pathlib import Path

from harness import table

HERE = Path(__file__).resolve().parents[1]
LEAST_ROUNDS = 3  # fewer show no spread


def add_options(parser):
    parser.add_argument("--no-write", action="store_true", help="print the tables, write no files")
    parser.add_argument(
        "--output", type=Path, default=HERE, metavar="DIR",
        help=f"write RESULTS.md and results/ into DIR instead of bench/: for less than all, or less than {LEAST_ROUNDS} rounds",
    )  # fmt: skip


def check(parser, arguments, partial):
    """Ends the program before it measures what it would not write. `partial`: only some of what it can measure."""
    if arguments.no_write or arguments.output.resolve() != HERE:
        return
    if arguments.rounds < LEAST_ROUNDS or partial:
        parser.error(f"bench/RESULTS.md takes all of it, in {LEAST_ROUNDS} rounds or more: give --no-write or --output DIR")


def results(arguments):
    """The directory of plots and raw figures."""
    directory = arguments.output / "results"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def write(arguments, part, text):
    table.write(arguments.output / "RESULTS.md", part, text)


def add_write(parser):
    """For the tools whose tables stand in bench/RESULTS.md each by itself."""
    parser.add_argument("--write", action="store_true", help="put the table into bench/RESULTS.md, too")


def show(arguments, part, text):
    """Prints a table, and with --write puts it into its place."""
    print(text + "\n", flush=True)
    if arguments.write:
        table.write(HERE / "RESULTS.md", part, text.rstrip("\n") + "\n")


def rows(cells):
    """Markdown of rows of cells."""
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
