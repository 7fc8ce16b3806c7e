"""The lines of a `.dockerignore`; what they match is decided where the app's files are read."""


def ignore_lines(text: str) -> tuple[str, ...]:
    """The lines that are patterns, as they stand there; comments begin in the first column.

    Blanks around a pattern stay: without them a pattern that begins with ` #` would become a comment.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    return tuple(line for line in lines if line.strip() and not line.startswith("#"))
