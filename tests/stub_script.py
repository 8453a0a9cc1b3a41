#!/usr/bin/env python3
"""Stands for every script of the workflow: writes digests of all that it was given, at once, or dies.

What it writes tells its name, its version, its settings and the content of its inputs, so that a result that
is stale differs from one made from scratch. `DEATH` (a way) has the first job of each rule that has not died
yet do so, at its start if `EARLY` names the rule, else at its end; `DIED` is the folder that remembers them.
Of figures, which are all alike, one dies.
"""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

VERSION = 1
NAME = Path(sys.argv[0]).stem
OUTPUTS = {
    "build_mini_pile": {"output"},
    "fetch_model": {"output"},
    "resolve_model": {"output"},
    "count_magnitudes": {"output"},
    "solve_level": {"output"},
    "draw_samples": {"output"},
    "extract_samples": {"samples", "windows"},
    "compute_features": {"output"},
    "compute_change": {"change", "zeros"},
    "score_shards": {"receipt"},
    "evaluate": {"memorization", "perplexity"},
    "measure": {"memorization", "perplexity"},
    "aggregate_tables": {"output"},
    "write_findings": {"output"},
    "render_report": {"output"},
}
IGNORED = {"threads", "name", "model", "variant", "strategy"}


def options() -> dict[str, list[str]]:
    """The values of each option on the command line."""
    found: dict[str, list[str]] = {}
    for word in sys.argv[1:]:
        if word.startswith("--"):
            found[word[2:]] = values = []
        else:
            values.append(word)
    return found


def die(moment: str) -> None:
    """End as `DEATH` says, if it is this moment's turn and no job of this rule has."""
    way, early = os.environ.get("DEATH"), NAME in os.environ.get("EARLY", "").split()
    if not way or moment != ("start" if early else "end"):
        return
    if NAME.startswith("plot_") and NAME != "plot_trade_off":
        return
    try:
        os.close(os.open(Path(os.environ["DIED"]) / NAME, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    snakemake = int(os.environ["MEMPRUNE_PARENT"])
    if way == "job":
        os.kill(os.getpid(), signal.SIGKILL)
    elif way == "error":
        sys.exit("error: no room")
    elif way == "interrupt":
        os.killpg(os.getpgid(snakemake), signal.SIGINT)
        time.sleep(60)
    else:
        os.kill(snakemake, signal.SIGKILL)
        time.sleep(0.1)  # this job lives on, without a parent, and writes what it has


def content(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def manifest(about: str, folder: str) -> str:
    """A manifest that the workflow can read, of the model in a folder."""
    files = sorted(path.name for path in Path(folder).iterdir())
    described = json.loads(Path(os.environ["MANIFEST"]).read_text())
    hashes = {name: content(f"{folder}/{name}") for name in described["hashes"]}
    assert set(hashes) <= set(files)
    return json.dumps(described | {"folder": folder, "hashes": hashes, "tokenizer": about})


def main() -> None:
    given = options()
    outputs = [path for key in OUTPUTS.get(NAME, {"svg", "png"}) for path in given.pop(key)]
    inputs = {key: values for key, values in given.items() if key not in IGNORED}
    die("start")
    about = json.dumps(
        [
            NAME,
            VERSION,
            {k: [content(v) if os.path.isfile(v) else v for v in vs] for k, vs in inputs.items()},
        ],
        sort_keys=True,
    )
    for number, path in enumerate(sorted(outputs)):
        text = f"{hashlib.sha256(about.encode()).hexdigest()} {number}\n"
        if NAME == "fetch_model":
            text = json.dumps({"folder": os.environ["FOLDER"], "about": text})
        if NAME == "resolve_model":
            text = manifest(text, os.environ["FOLDER"])
        temporary = Path(f"{path}.{os.getpid()}.tmp")
        temporary.write_text(text)
        temporary.replace(path)
    die("end")


main()
