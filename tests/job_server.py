"""Forks each job from a process that has imported what jobs import: the second of a start is spent once.

Only libraries are imported here. Each job imports this project's own code from the folder that it runs in, so
that an edit counts. A job is in the process group of the client that asked for it, dies with it, and ends as
a Python of its own does.
"""

import array
import atexit
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path

LIBRARIES = [
    "altair",
    "jinja2",
    "markdown_it",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "numpy",
    "pandas",
    "psutil",
    "pyarrow.compute",
    "pyarrow.parquet",
    "pydantic",
    "safetensors.numpy",
    "safetensors.torch",
    "scipy.optimize.elementwise",
    "scipy.special",
    "scipy.stats",
    "smart_open",
    "snakemake.cli",
    "snakemake.profiles",
    "snakemake.report.html_reporter",
    "snakemake.storage",
    "statsmodels.stats.proportion",
    "tabulate",
    "tokenizers",
    "torch",
    "transformers",
    "vl_convert",
    "yaml",
    "yte",
    "zstandard",
]


def serve(listener: socket.socket, log: Path) -> dict:
    """Fork a job for each client. Returns in each job what was asked for; in the server never."""
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                client, _ = listener.accept()
                request, streams = received(client)
                child = os.fork()
                if child == 0:
                    selector.close()
                    listener.close()
                    client.close()
                    return become(request, streams)
                for stream in streams:
                    os.close(stream)
                write(log, "start", child, name_of(request))
                ended = os.pidfd_open(child)
                selector.register(ended, selectors.EVENT_READ, (child, client, name_of(request)))
                selector.register(client, selectors.EVENT_READ, (child, ended))
            elif isinstance(key.fileobj, int):
                child, client, name = key.data
                status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                write(log, "end", child, name, status)
                selector.unregister(key.fileobj)
                os.close(key.fileobj)
                if client in selector.get_map():
                    selector.unregister(client)
                with suppress(OSError):  # the client has died
                    client.send(str(status).encode())
                client.close()
            else:  # the client has died
                child, _ = key.data
                selector.unregister(key.fileobj)
                signal.pidfd_send_signal(key.data[1], signal.SIGKILL)


def received(client: socket.socket) -> tuple[dict, list[int]]:
    """What a client asks for, and its standard streams."""
    message, streams, _, _ = socket.recv_fds(client, 2**20, 3)
    return json.loads(message), list(array.array("i", streams))


def name_of(request: dict) -> str:
    """The name of a script or module."""
    words = request["arguments"]
    return words[1] if words[0] == "-m" else Path(words[0]).stem


def write(log: Path, *words: object) -> None:
    """One line of what began or ended, at once."""
    with log.open("a") as file:
        file.write(" ".join(map(str, (*words, f"{time.time():.2f}"))) + "\n")


def become(request: dict, streams: list[int]) -> dict:
    """Be the process that was asked for, as far as its surroundings go."""
    try:
        os.setpgid(0, request["group"])
    except OSError:
        os._exit(1)  # the group was killed meanwhile
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return request


def run_to_its_end(request: dict) -> None:
    """Run a script or module, and end this process as the interpreter does.

    It does not take down what it holds, as the interpreter would: of so many libraries that takes seconds.
    """
    status = 0
    try:
        run(request)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)
    except BaseException as error:
        traceback.print_exc()
        status = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    if status == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status)


def run(request: dict) -> None:
    """Run a script or module."""
    words = request["arguments"]
    sys.orig_argv = [sys.executable, *words]
    if "PYTHONPATH" in os.environ:  # as a Python of its own looks for it at its start
        sys.path[1:1] = os.environ["PYTHONPATH"].split(os.pathsep)
        sys.modules.pop("sitecustomize", None)
        with suppress(ModuleNotFoundError):
            importlib.import_module("sitecustomize")
    if words[0] == "-m":
        sys.argv, sys.path[0] = words[1:], request["folder"]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = words, str(Path(words[0]).resolve().parent)
        runpy.run_path(words[0], run_name="__main__")


def main() -> None:
    place, log = sys.argv[1:]
    for name in LIBRARIES:
        importlib.import_module(name)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(place)
    listener.listen(64)
    gc.freeze()  # else each job's collections would copy all that is shared
    run_to_its_end(serve(listener, Path(log)))


main()
