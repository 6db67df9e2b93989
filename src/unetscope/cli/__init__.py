"""The command line: one command per verb of the api.

Errors are one sentence on standard error, with the exit code of their kind (see `unetscope.errors`); a
usage mistake leaves with 2, an interruption with 130.
"""

from __future__ import annotations

import os
import sys

__all__ = ["main"]

# How often the threads of torch turn round before they sleep while they wait for each other; it is read when
# torch is loaded. The 300,000 of GNU's library make prediction beside a second busy process take 9 seconds a
# megapixel instead of 1.6 on two cores; alone it is as fast with 3,000 (docs/results.md).
_SPINS = 3000


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
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(_SPINS))
    from unetscope.cli.app import run

    return run(sys.argv[1:] if arguments is None else arguments)
