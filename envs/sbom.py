#!/usr/bin/env python3
"""Write the software bill of materials: every package of the locks, as CycloneDX 1.6 in JSON.

The locks say all that it needs, in a form of one package a line; licences are those of what is installed.
"""

import argparse
import json
import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "torch.lock", "requirements-test.lock")
HASHES = r"(?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+"
PINNED = re.compile(rf"^([\w.-]+)==([^\s;\\]+)([^\n]*\\\n{HASHES})?", re.MULTILINE)


def pinned(lock: Path) -> list[tuple[str, str, list[str]]]:
    """The name, version and SHA-256 of the files of each package of a lock."""
    found = PINNED.findall(lock.read_text(encoding="utf-8"))
    return [(name, version, re.findall(r"sha256:(\w+)", hashes)) for name, version, hashes in found]


def component(name: str, version: str, hashes: list[str], scope: str) -> dict:
    """A package as CycloneDX describes it; `hashes` are those of its files on PyPI."""
    address = f"pkg:pypi/{re.sub('[-_.]+', '-', name).lower()}@{version}"
    files = {"hashes": [{"alg": "SHA-256", "content": content} for content in hashes]} if hashes else {}
    place = {"type": "distribution", "url": f"https://pypi.org/project/{name}/{version}/"}
    about = {"type": "library", "bom-ref": address, "name": name, "version": version, "scope": scope}
    return about | licences(name) | {"purl": address, "externalReferences": [place | files]}


def licences(name: str) -> dict:
    """The licences of a package as its metadata has them; nothing of one that is not installed."""
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return {}
    if expression := about.get("License-Expression"):
        return {"licenses": [{"expression": expression}]}
    kinds = [kind for kind in about.get_all("Classifier", []) if kind.startswith("License ::")]
    named = [kind.rsplit(" :: ", 1)[1] for kind in kinds]
    return {"licenses": [{"license": {"name": kind}} for kind in named]} if named else {}


def bill() -> dict:
    """The bill of materials of memprune; packages that only tests need are of scope `excluded`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    scopes = {lock: "excluded" if "test" in lock else "required" for lock in LOCKS}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "name": project["name"], "version": project["version"]}
        },
        "components": [
            component(*package, scopes[lock]) for lock in LOCKS for package in pinned(ROOT / "envs" / lock)
        ],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    output = parser.parse_args().output
    output.write_text(json.dumps(bill(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
