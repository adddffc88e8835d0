"""What is wrong with settings, and the one error that says all of it."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SettingsProblem:
    """One thing that is wrong with the settings.

    Attributes:
        code: A stable name of the kind of problem, such as `secret-short`.
        variable: The environment variable to change, such as `SECRET_KEY`.
        message: What is wrong and what cures it; never the value.
    """

    code: str
    variable: str
    message: str

    def __str__(self) -> str:
        return f"[{self.code}] {self.variable}: {self.message}"


class InvalidSettingsError(ValueError):
    """The app cannot start with these settings.

    Attributes:
        problems: All that was found, in the order of the fields. None of it holds a value that was read.
    """

    def __init__(self, problems: Iterable[SettingsProblem]) -> None:
        """Take what is wrong; there is at least one problem."""
        self.problems = tuple(problems)
        count = f"{len(self.problems)} problem{'s' * (len(self.problems) != 1)}"
        super().__init__("\n  ".join([f"The settings have {count}:", *map(str, self.problems)]))
