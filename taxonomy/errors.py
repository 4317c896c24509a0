"""The one kind of error that a user can cause and mend."""


class HiertaxError(Exception):
    """Something a user can cause; its text is one line: what is wrong, where, and what to do."""


class HierarchyError(HiertaxError):
    """A hierarchy, or a hierarchy file, that breaks a rule of the format."""
