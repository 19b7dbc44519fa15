"""The `cinefeast user` commands. Heavy imports stay inside each."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dbt_project.errors import CineFeastError
from dbt_project.workspace import workspace

user = typer.Typer(no_args_is_help=True, help="Everything that is held about a user: told, or erased.")
Id = Annotated[int, typer.Argument(min=0, metavar="ID", help="the user's id")]


def shown(value: Any) -> str:
    """A moment, a day or a number as JSON has it."""
    return str(value.isoformat() if hasattr(value, "isoformat") else value)


@user.command()
def export(
    user_id: Id,
    to: Annotated[Path | None, typer.Option(help="a file, which you alone may read, instead of the screen")] = None,
) -> None:
    """Print all that is held about a user as one JSON object."""
    import json

    from dbt_project.durable import written_aside
    from serving.privacy.held import held

    text = json.dumps(held(workspace(), user_id), indent=2, default=shown, ensure_ascii=False)
    if to is None:
        print(text)
        return
    try:
        with written_aside(to) as part:
            part.touch(mode=0o600)
            part.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise CineFeastError(f"{to} cannot be written: {error.strerror}", "give another file with --to") from None
    print(f"wrote {to}")


@user.command()
def erase(
    user_id: Id,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Erase a user for good: events that are still sent are refused, and the next build leaves the user out."""
    from serving.privacy.erase import erase as run

    if not yes:
        typer.confirm(f"erase user {user_id} for good?", abort=True)
    run(workspace(), user_id, print)
    print(f"user {user_id} is erased; the published warehouse and trained models know of the user until they are made")
    print("anew; next: (cd dbt_project && dbt build), then feast materialize, then cinefeast train")
