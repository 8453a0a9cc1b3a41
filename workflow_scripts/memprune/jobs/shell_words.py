"""What a shell and Snakemake make of names of folders: which cannot be, and how the others are written."""

from pathlib import Path

from memprune.errors import UserError


def check_folders(*folders: Path) -> None:
    """Raise UserError for a folder of commands that PATH cannot name: its colon ends a folder there."""
    for folder in folders:
        if ":" in str(folder):
            raise UserError(
                f"{folder}: found a colon in the folder's path, where scripts are run from; allowed: none, "
                "since it parts the folders of PATH; rename or move it"
            )


def escaped(text: str) -> str:
    """The text as Snakemake's formatting gives it back: it takes braces for names of variables."""
    return text.replace("{", "{{").replace("}", "}}")
