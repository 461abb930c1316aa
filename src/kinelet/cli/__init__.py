"""The command line. Only typer is imported here: everything heavy waits until a command runs."""

from __future__ import annotations

import os
import sys

from kinelet.errors import KineletError

__all__ = ["main"]


def main() -> None:
    """Run the command line; a :class:`KineletError` is one line on standard error and exit status 2."""
    # Before torch is imported: threads that wait by spinning slow every other process on the same cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    sys.argv[1:] = [a for a in arguments if a != "--debug"]
    from kinelet.cli.app import app

    try:
        app(prog_name="kinelet")
    except KineletError as error:
        if debug:
            raise
        print(f"kinelet: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("kinelet: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise SystemExit(0) from None
