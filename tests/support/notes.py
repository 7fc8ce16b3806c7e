"""A progress that keeps what it is told."""

from mlimage.progress import SILENT


class Notes:
    """A `Progress` without bars."""

    task = SILENT.task

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.details: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def detail(self, message: str) -> None:
        self.details.append(message)

    def warn(self, message: str) -> None:
        self.notes.append(f"warning: {message}")
