"""Arguments of scripts reach them as they are, however many and long they are."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from project import ROOT, lay_out, snakemake

from memprune.jobs import arguments

LONGEST_COMMAND = 2**17  # bytes that Linux takes as one argument, such as a shell's command
ECHO = """import argparse, json, sys
sys.path.insert(0, {scripts!r})
from memprune.jobs.arguments import parse
parser = argparse.ArgumentParser()
parser.add_argument("--files", nargs="*")
parser.add_argument("--spec")
print(json.dumps(vars(parse(parser))))
"""


def echoed(folder: Path, command: str) -> dict:
    """What a script gets of a shell's command."""
    script = folder / "echo.py"
    script.write_text(ECHO.format(scripts=str(ROOT / "workflow_scripts")))
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} {script} {command}"], cwd=folder, capture_output=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("count", [0, 3, 20_000])
def test_a_script_gets_what_the_rule_gives(count, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = [f"data/a folder/@{i}'\"$(no)\u2028{'é' * 80}.jsonl" for i in range(count)]
    spec = json.dumps({"corpus": files}, ensure_ascii=False)
    command = f"{arguments.option('--files', *files)} {arguments.option('--spec', spec)}"
    assert len(command.encode()) < LONGEST_COMMAND / 2
    assert echoed(tmp_path, command) == {"files": files, "spec": spec}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_words_are_what_a_shell_makes_of_them(values):
    assert shlex.split(arguments.option("--files", *values)) == ["--files", *values]


@pytest.mark.slow
def test_thousands_of_variants_and_files_stay_below_the_shells_limit(tmp_path):
    folder = lay_out(tmp_path)
    content = yaml.safe_load((folder / "tiny.yaml").read_text())
    files = [f"texts/{'long' * 20}-{i}.jsonl" for i in range(3000)]
    (folder / "texts").mkdir()
    for file in files:
        (folder / file).touch()
    content["corpus"]["train"] = files
    levels = [round(0.001 + 0.001 * i, 3) for i in range(70)]
    content["strategies"] = {f"{'long-' * 15}{i}": {"levels": levels} for i in range(10)}
    del content["models"]["large"]
    (folder / "tiny.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    run = snakemake(folder, "tables", "--configfile", "tiny.yaml", "-n", "--printshellcmds")
    assert run.returncode == 0, run.stderr[-2000:]
    lines = (run.stdout + run.stderr).splitlines()
    commands = [line.removeprefix("Shell command: ") for line in lines if line.startswith("Shell command: ")]
    assert len(commands) > 2 * 700
    assert max(len(command.encode()) for command in commands) < LONGEST_COMMAND
    [aggregate] = [command for command in commands if command.startswith("aggregate_tables.py")]
    listed = [
        json.loads((folder / word).read_text())
        for before, word in zip(aggregate.split(), aggregate.split()[1:], strict=False)
        if before == arguments.FROM_FILE
    ]
    assert [len(words) for words in listed if words[0] in ("--memorization", "--perplexity")] == [702, 702]
