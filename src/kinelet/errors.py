"""The one exception that users see: what went wrong, where, and what to do about it."""

from __future__ import annotations


class KineletError(Exception):
    """A mistake that the user can mend.

    The command line prints it as one line and exits with status 2; no traceback.

    Args:
        what: What is wrong, with the offending value quoted.
        where: The file, option or object it was found in.
        remedy: What the user can do about it.

    Attributes:
        exit_status: What the command line exits with.
    """

    exit_status = 2

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        head = f"{where}: {what}" if where else what
        super().__init__(f"{head}. {remedy}" if remedy else head)

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only fields do not survive the default pickling, which worker processes need.
        return (_rebuild, (type(self), self.what, self.where, self.remedy))


class BadFileError(KineletError):
    """A recording, corpus or model file that cannot be used as it is."""


class SpecMismatchError(KineletError):
    """Two signal specifications that do not fit together."""


class BadOptionError(KineletError):
    """An option, configuration value or argument that is not allowed."""


class MissingExtraError(KineletError):
    """A feature whose optional dependency is not installed."""


def _rebuild(kind: type[KineletError], what: str, where: str, remedy: str) -> KineletError:
    return kind(what, where=where, remedy=remedy)
