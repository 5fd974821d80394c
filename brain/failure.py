"""What the command line says when it cannot go on."""


class Failure(Exception):
    """One line for the person at the terminal: what happened, to which item, what to do. Exit code 1."""
