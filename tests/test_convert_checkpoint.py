"""Pickled weights become safetensors that transformers loads alike; what else a pickle holds is refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hub_server import Hub
from project import ROOT
from safetensors.torch import load_file
from tiny_models import tiny_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from memprune.disk import folder_written_whole
from memprune.errors import UserError
from memprune.exports.convert_checkpoint import convert_checkpoint
from memprune.models.checkpoint import describe
from memprune.models.fetch_model import fetch_model, fetch_pickled
from memprune.models.model_files import INDEX, PICKLED, PICKLED_INDEX, WEIGHTS

SCRIPT = ROOT / "workflow_scripts/convert_checkpoint.py"


class Harmful:
    """What a pickle runs when it is read without care."""

    def __reduce__(self):
        return (open, ("harmed", "w"))


def pickled_model(family: str, dtype: str, folder: Path, files: int = 1) -> Path:
    """A tiny model as older versions saved it, tied tensors and all, in so many files."""
    tiny_model(family, dtype, folder, layers=2)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    tensors = list(model.state_dict().items())
    (folder / WEIGHTS).unlink()
    if files == 1:
        torch.save(dict(tensors), folder / PICKLED)
        return folder
    places = {}
    for number in range(files):
        name = f"pytorch_model-{number + 1:05}-of-{files:05}.bin"
        own = dict(tensors[number::files])
        torch.save(own, folder / name)
        places |= dict.fromkeys(own, name)
    (folder / PICKLED_INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return folder


def convert(source: Path, target: Path) -> Path:
    with folder_written_whole(target) as folder:
        convert_checkpoint(source, folder)
    return target


def line_of(action) -> str:
    """The one line that an action is refused with."""
    with pytest.raises(UserError) as caught:
        action()
    [line] = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize("files", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_transformers_loads_the_same_model_and_tokenizer(tmp_path, family, dtype, files):
    source = pickled_model(family, dtype, tmp_path / "source", files)
    target = convert(source, tmp_path / "target")
    assert not list(target.glob("*.bin"))
    assert (target / INDEX).exists() == (files > 1)
    before, after = (
        AutoModelForCausalLM.from_pretrained(folder, dtype="auto").state_dict() for folder in (source, target)
    )
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert tensor.dtype == after[name].dtype == getattr(torch, dtype)
        assert torch.equal(tensor, after[name])
    text = "In the beginning was 2026"
    ids = [AutoTokenizer.from_pretrained(folder)(text)["input_ids"] for folder in (source, target)]
    assert ids[0] == ids[1]
    whole = describe(tiny_model(family, dtype, tmp_path / "whole", layers=2))
    assert describe(target).matrices == whole.matrices or files > 1
    assert describe(target).architecture == whole.architecture


def test_tensors_that_share_memory_are_written_each(tmp_path):
    tiny_model("llama", "float32", tmp_path, layers=1)
    (tmp_path / WEIGHTS).unlink()
    whole = torch.arange(24.0).reshape(4, 6)
    parameter = torch.nn.Parameter(whole[1:3])
    torch.save({"whole": whole, "again": whole, "turned": whole.T, "part": parameter}, tmp_path / PICKLED)
    found = load_file(convert(tmp_path, tmp_path / "target") / WEIGHTS)
    assert found.keys() == {"whole", "again", "turned", "part"}
    for name, expected in (("whole", whole), ("again", whole), ("turned", whole.T), ("part", whole[1:3])):
        assert torch.equal(found[name], expected)


def write_bin(folder: Path, content: object) -> None:
    torch.save(content, folder / PICKLED)


REFUSED = {
    "code": (lambda f: write_bin(f, {"a": Harmful()}), "refused, allowed: pickled tensors and nothing"),
    "an object": (lambda f: write_bin(f, {"a": Path("x")}), "nothing else (it names pathlib."),
    "a number": (lambda f: write_bin(f, {"a": 3}), "found int as 'a', allowed: a plain tensor"),
    "more in it": (lambda f: write_bin(f, {"state": {"a": torch.ones(1)}}), "found dict as 'state', allowed"),
    "a tensor alone": (lambda f: write_bin(f, torch.ones(1)), "found Tensor, allowed: tensors by name"),
    "no pickle": (lambda f: (f / PICKLED).write_bytes(b"PK\3\4 no"), "refused, allowed: pickled tensors and"),
    "nothing": (lambda f: (f / PICKLED).write_bytes(b""), "refused, allowed: pickled tensors and"),
    "a pointer": (lambda f: (f / PICKLED).write_text("version https://git-lfs."), "found a Git LFS pointer"),
    "a sparse tensor": (lambda f: write_bin(f, {"a": torch.eye(2).to_sparse()}), "found Tensor as 'a'"),
    "no weights": (lambda f: (f / "tf_model.h5").touch(), f"no {PICKLED} and no {PICKLED_INDEX}; found"),
    "safetensors": (lambda f: (f / WEIGHTS).touch(), "found safetensors already, which are read as they are"),
    "no config": (lambda f: (f / "config.json").unlink(), "no config.json"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_pickled_model_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    tiny_model("llama", "float32", tmp_path / "source", layers=1)
    (tmp_path / "source" / WEIGHTS).unlink()
    damage, message = REFUSED[case]
    damage(tmp_path / "source")
    line = line_of(lambda: convert(tmp_path / "source", tmp_path / "target"))
    assert message in line
    assert line.startswith(str(tmp_path / "source"))
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_tensor_in_two_files_is_one_line(tmp_path):
    pickled_model("llama", "float32", tmp_path / "source", 2)
    torch.save({"model.norm.weight": torch.ones(3)}, tmp_path / "source/pytorch_model-00001-of-00002.bin")
    torch.save({"model.norm.weight": torch.ones(3)}, tmp_path / "source/pytorch_model-00002-of-00002.bin")
    line = line_of(lambda: convert(tmp_path / "source", tmp_path / "target"))
    assert line.startswith("model.norm.weight: found in two files, model-00001-of-00002.safetensors and")


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_the_command_writes_a_new_folder_and_no_other(tmp_path):
    source = pickled_model("gpt2", "float16", tmp_path / "source")
    (source / "LICENSE").write_text("as you like")
    (source / "modeling.py").write_text("raise SystemExit")
    done = run("--model", source, "--output", tmp_path / "target")
    assert (done.returncode, done.stderr) == (0, "")
    assert {"LICENSE", "tokenizer.json", "config.json", "generation_config.json", WEIGHTS} <= {
        path.name for path in (tmp_path / "target").iterdir()
    }
    assert not (tmp_path / "target/modeling.py").exists()
    again = run("--model", source, "--output", tmp_path / "target")
    assert again.returncode == 1
    assert again.stderr == f"error: {tmp_path / 'target'}: is there already, expected a new folder\n"


def test_a_repository_with_pickled_weights_alone_is_fetched_and_told_the_way(hub: Hub, monkeypatch, tmp_path):
    hub.point(monkeypatch, tmp_path / "home")
    local = pickled_model("gpt_neox", "float16", tmp_path / "local", 2)
    shutil.copytree(local, hub.root / "models/someone/old")
    line = line_of(lambda: fetch_model("someone/old", "main"))
    assert line.startswith("someone/old, revision main: no safetensors file; found config.json, ")
    assert "`make convert MODEL=someone/old REVISION=main TO=FOLDER`, and give that folder as path" in line
    folder = fetch_pickled("someone/old", "main")
    target = convert(folder, tmp_path / "target")
    expected = load_file(convert(local, tmp_path / "other") / "model-00001-of-00002.safetensors")
    found = load_file(target / "model-00001-of-00002.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
