#!/usr/bin/env python3
"""List the store: entries, sizes and ages, and what no current result uses; delete that if told to."""

import argparse
import time
from collections import defaultdict

from tabulate import tabulate

from memprune.errors import UserError
from memprune.jobs.script import run
from memprune.store import deletion, entries, roots

DAY = 24 * 3600  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--delete-unused",
        type=float,
        metavar="DAYS",
        help="delete what neither a result nor a running job uses and is older: entries, damaged and"
        " unfinished ones",
    )
    arguments = parser.parse_args()
    found, used, now = entries.all_entries(), deletion.used(), time.time()
    kinds = defaultdict(list)
    for entry in found:
        kinds[entry.name.split("/")[0]].append(entry)
    rows = [
        (
            kind,
            len(own),
            megabytes(own),
            f"{(now - max(e.made for e in own)) / DAY:.1f}",
            f"{(now - min(e.made for e in own)) / DAY:.1f}",
            len(unused := [e for e in own if e.name not in used]),
            megabytes(unused),
        )
        for kind, own in kinds.items()
    ]
    print(f"Store {entries.folder()}: {len(found)} entries, {megabytes(found)} MB\n")
    headers = ["kind", "entries", "MB", "newest, days", "oldest, days", "unused", "unused, MB"]
    print(tabulate(rows, headers, disable_numparse=True, colalign=("left", *["right"] * 6)))
    unused = [entry for entry in found if entry.name not in used]
    damaged = entries.names_in("damaged")
    print(f"\nUsed by no result: {len(unused)} entries ({megabytes(unused)} MB); damaged: {len(damaged)}.")
    if unseen := roots.unseen(entries.folder()):
        print(f"Results that cannot be seen from here count as used: {', '.join(unseen)}.")
    if broken := roots.damaged(entries.folder()):
        print(f"Damaged records of what results use: {len(broken)}.")
    if arguments.delete_unused is not None:
        if broken:
            raise UserError(
                f"{broken[0]}: damaged, so what its result uses is not known, and nothing was deleted; run "
                "the experiments that share the store again, or delete that file"
            )
        age = arguments.delete_unused * DAY
        old = {entry.name: entry for entry in unused if now - entry.made > age}
        gone = deletion.delete([*old, *deletion.abandoned(age)])
        deleted = [old[name] for name in gone if name in old]
        print(f"Deleted {len(deleted)} entries ({megabytes(deleted)} MB).")
    elif unused or damaged:
        print("Delete those older than a week with: list_store.py --delete-unused 7 (make store DELETE=7)")


def megabytes(entries: list[entries.Entry]) -> str:
    """The size of entries in MB."""
    return f"{sum(entry.size for entry in entries) / 1e6:.1f}"


run(main)
