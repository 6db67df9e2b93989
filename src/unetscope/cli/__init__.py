"""The command line: one command per verb of the api.

Errors are one sentence on standard error, with the exit code of their kind (see `unetscope.errors`); a
usage mistake leaves with 2, an interruption with 130.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : list of str, optional
        Those of the process unless given.

    Returns
    -------
    int
        Exit code.
    """
    from unetscope.cli.app import run

    return run(sys.argv[1:] if arguments is None else arguments)
