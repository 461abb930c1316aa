"""The command line. Only typer is imported here: everything heavy waits until a command runs."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any, NoReturn

from kinelet.errors import KineletError

__all__ = ["main"]

_DEFECT, _BAD_INPUT, _INTERRUPTED = 1, 2, 130


def main() -> None:
    """Run the command line and exit.

    Bad input (a :class:`KineletError`, a wrong option, a file that the system refuses) is one line on standard error
    and exit status 2. Any other error is a defect of kinelet: one line too, exit status 1. ``--debug`` gives the
    traceback of both as well.
    """
    # Before torch is imported: threads that wait by spinning slow every other process on the same cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        status = _run(arguments)
    except Exception as error:
        if debug:
            traceback.print_exc()
        _explain(error)
    raise SystemExit(status or 0)


def _run(arguments: list[str]) -> Any:
    from kinelet.cli.app import app

    with warnings.catch_warnings():
        others, own = warnings.showwarning, str(Path(__file__).parents[1])

        def show(message: Any, category: Any, filename: str, *rest: Any) -> None:
            """Warnings of kinelet are for users: one line, without the line of code."""
            if filename.startswith(own):
                print(f"kinelet: warning: {message}", file=sys.stderr)
            else:
                others(message, category, filename, *rest)

        warnings.showwarning = show  # type: ignore[assignment]
        return app(arguments, prog_name="kinelet", standalone_mode=False)


def _explain(error: Exception) -> NoReturn:
    """Say in one line what went wrong and exit."""
    import typer

    if isinstance(error, typer.Abort):
        _quit("interrupted", _INTERRUPTED)
    if isinstance(error, KineletError):
        _quit(str(error), error.exit_status)
    if hasattr(error, "format_message"):  # typer's and click's usage errors, wherever this version keeps their class
        _quit(_usage(error), _BAD_INPUT)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        _quit(f"{where}{error.strerror[0].lower()}{error.strerror[1:]}", _BAD_INPUT)
    told = f"{type(error).__name__}: {error}"
    _quit(f"{told}. This is a defect of kinelet: please report it with what --debug prints", _DEFECT)


def _usage(error: Any) -> str:
    message = str(error.format_message())
    if message.startswith("Usage:"):  # a group without a command: its help is the answer
        print(message, file=sys.stderr)
        raise SystemExit(_BAD_INPUT)
    command = error.ctx.command_path if getattr(error, "ctx", None) else "kinelet"
    return f"{message[0].lower()}{message[1:].rstrip('.')}. See {command} --help"


def _quit(message: str, status: int) -> NoReturn:
    print(f"kinelet: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(status)
