"""What the checks ran on."""

import platform
import shutil
import subprocess
import tomllib
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]


def machine_facts(device: str) -> dict[str, str]:
    """The facts about this machine and its software, by what they are called."""
    commit = output("git", "-C", str(ROOT), "describe", "--always", "--dirty")
    return {
        **(gpu_facts() if device == "cuda" else {"device": f"CPU, {platform.machine()}"}),
        "torch": torch.__version__,
        "CUDA": torch.version.cuda or "none",
        "transformers": version("transformers"),
        "Python": platform.python_version(),
        "memprune": f"{memprune_version()}, commit {commit}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def gpu_facts() -> dict[str, str]:
    """The GPU that CUDA counts as the first."""
    properties = torch.cuda.get_device_properties(0)
    return {
        "GPU": f"{properties.name}, compute capability {properties.major}.{properties.minor}",
        "memory": f"{properties.total_memory / 1e9:.1f} GB",
        "driver": output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
    }


def memprune_version() -> str:
    """The version that the project declares."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def output(*command: str) -> str:
    """The first line that a command prints; `unknown` where it is missing or fails."""
    if shutil.which(command[0]) is None:
        return "unknown"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    return lines[0].strip() if lines else "unknown"
