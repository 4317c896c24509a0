"""The one kind of error that a user can cause and mend."""


class HiertaxError(Exception):
    """Something a user can cause; its text is one line: what is wrong, where, and what to do."""

    exit_code = 1


class Interrupted(HiertaxError):  # noqa: N818 - not an error of anybody
    """The user pressed Ctrl-C, or the system asked to stop; says what is saved and how to go on."""

    def __init__(self, message: str, exit_code: int = 130) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class HierarchyError(HiertaxError):
    """A hierarchy, or a hierarchy file, that breaks a rule of the format."""
