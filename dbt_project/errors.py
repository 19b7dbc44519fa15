"""The one exception a user's mistake may reach the terminal as.

CineFeastError
    what went wrong and where, and the command to run next
"""

import click


class CineFeastError(click.ClickException):
    """A mistake of the user or a state of the workspace that the user can mend.

    `what` names the value and the file (and line); `next_command` is what to run next. The command line
    prints both on one line and exits with 1; serving answers with them instead of a traceback. It is a click
    exception because `feast` is a click program, which shows such a one without a traceback.
    """

    def __init__(self, what: str, next_command: str) -> None:
        # what names may have line ends in it: a file's, a value's
        self.what, self.next_command = " ".join(what.splitlines()), " ".join(next_command.splitlines())
        super().__init__(f"{self.what}; next: {self.next_command}")
