"""What a soak does to an experiment between and during its runs."""

import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

from consistency import Damages
from damages import DAMAGES
from experiment_states import result_files

from memprune.store.entries import ENTRY

RECORDS = Path(".snakemake/metadata")
KILLS = [
    (whom, how)
    for whom in ("job", "snakemake", "group")
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
]


def damage_one(store: Path, chance: Random, damages: Damages) -> str:
    """Damage or delete a result, a file of an entry, a root, a fingerprint or a record of Snakemake."""
    kinds: dict[str, Callable[[], list[Path]]] = {
        "result": all_results,
        "entry's file": lambda: [p for p in stored(store) if p.name != ENTRY],
        "entry's record": lambda: [p for p in stored(store) if p.name == ENTRY],
        "root": lambda: sorted((store / "roots").glob("*")),
        "fingerprint": lambda: sorted((store / "fingerprints").glob("*")),
        "record of Snakemake": lambda: sorted(p for p in RECORDS.rglob("*") if p.is_file()),
    }
    kind = chance.choice(list(kinds))
    files = [path for path in kinds[kind]() if path.is_file() and path.stat().st_size]
    if not files:
        return f"no {kind} to damage"
    file, way = chance.choice(files), chance.choice([*DAMAGES, None])
    with suppress(OSError, ValueError):  # a run that goes on has moved or emptied it
        content = file.read_bytes()
        if not file.is_symlink():
            damages.note(file)
        if way is None:
            file.unlink()
        else:
            file.write_bytes(way(content, chance))
    damages.note(file)
    return f"{way.__name__ if way else 'deleted'}: {kind} {file}"


def stored(store: Path) -> list[Path]:
    """All files of entries, and what was set aside."""
    return sorted(path for path in store.glob("*/*/*") if path.parts[-3] not in ("tmp", "damaged", "batches"))


def all_results() -> list[Path]:
    """The results of both experiments."""
    folder = Path()
    return [path for name in ("tiny", "second") for path in result_files(folder, name)]


def delete_results(chance: Random) -> str:
    """Delete the results of an experiment, or a stage of them."""
    folders = [Path("results/tiny"), Path("results/second"), *sorted(Path("results/tiny").glob("*/"))]
    folder = chance.choice(folders)
    shutil.rmtree(folder, ignore_errors=True)
    return f"deleted: {folder}"


def delete_records(_: Random) -> str:
    shutil.rmtree(".snakemake", ignore_errors=True)
    return "deleted: .snakemake"
