"""The entry point of the command `matcalc` and of `python -m matcalc`.

Guarantees an exit status of 0, 1, 2 or 130 and never a traceback, even when interrupted while starting.
"""
from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and leave the process with its status."""
    try:
        from matcalc.cli import run

        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        status = 130
    except Exception as error:      # not even the error could be reported
        if os.environ.get("MATCALC_DEBUG"):
            raise
        sys.stderr.write(f"error[internal]: matcalc can't run ({type(error).__name__}: {error})\n")
        status = 2
    sys.exit(status)


if __name__ == "__main__":
    main()
