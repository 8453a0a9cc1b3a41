"""Dependencies are pinned, each with the hashes of its files; the bill of materials lists them all."""

import json
import re
import runpy
import subprocess
import sys

import pytest
from project import ROOT

NAME = re.compile(r"^([\w.-]+)==", re.MULTILINE)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-test.lock"])
def test_each_package_of_a_lock_has_a_version_and_hashes(lock):
    """As pip joins them: a line that ends in a backslash goes on. pip then takes no other file."""
    lines = (ROOT / "envs" / lock).read_text().replace("\\\n", " ").splitlines()
    packages = [line for line in lines if not line.startswith("#")]
    assert len(packages) > 15
    pinned = re.compile(r"[A-Za-z0-9][\w.-]*==\S+( +; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+")
    assert [line[:60] for line in packages if not pinned.fullmatch(line)] == []


def test_torch_alone_is_pinned_by_its_version_only():
    """Its file is another for each machine's processors, and another index's."""
    assert NAME.findall((ROOT / "envs/torch.lock").read_text()) == ["torch"]
    assert "torch" not in NAME.findall((ROOT / "envs/requirements.lock").read_text())


def test_make_installs_by_hash():
    """All but torch, and nothing that the locks do not name."""
    lines = (ROOT / "Makefile").read_text().splitlines()
    installs = [line.strip() for line in lines if "-r envs/" in line]
    assert [line for line in installs if "torch.lock" not in line] == [
        "$(PINNED) -r envs/requirements.lock",
        "$(PINNED) -r envs/requirements-test.lock",
    ]
    [pinned] = [line for line in lines if line.startswith("PINNED := pip install ")]
    assert pinned.endswith(" --require-hashes --no-deps")


def test_the_bill_of_materials_lists_the_locks(tmp_path):
    written = tmp_path / "sbom.json"
    subprocess.run([sys.executable, ROOT / "envs/sbom.py", "--output", written], check=True)
    bill = json.loads(written.read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    locks = runpy.run_path(str(ROOT / "envs/sbom.py"))["LOCKS"]
    expected = [name for lock in locks for name in NAME.findall((ROOT / "envs" / lock).read_text())]
    assert [part["name"] for part in bill["components"]] == expected
    addresses = [part["bom-ref"] for part in bill["components"]]
    assert len(set(addresses)) == len(addresses) > 150
    hashless = [p["name"] for p in bill["components"] if "hashes" not in p["externalReferences"][0]]
    assert hashless == ["torch"]
    numpy = next(part for part in bill["components"] if part["name"] == "numpy")
    assert numpy["purl"].startswith("pkg:pypi/numpy@")
    assert numpy["licenses"]
