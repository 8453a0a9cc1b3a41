"""A local server that speaks the Hub's endpoints: folders are repositories, faults come on demand.

`serve(root)` serves `root/models/{owner}/{name}` and `root/datasets/{owner}/{name}` as the repositories'
branch `main`, and `{name}@{revision}` beside it as another revision. What clients really call is answered as
the Hub answers it: information on repositories, trees page by page, information on paths, references, and
files with their entity tags, commits and byte ranges; large files are redirected to another host.
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

PAGE = 1000  # entries of a tree in one answer
LARGE = (".safetensors", ".parquet", ".zst", ".bin")  # kept as large files, whose tag is a SHA-256
ENORMOUS = 2**32  # bytes: larger files are not read for their tag
API = re.compile(
    r"/api/(?P<kind>models|datasets)/(?P<repo>[^/]+/[^/]+?)"
    r"(/(?P<what>[a-z-]+)(/(?P<rest>.*))?)?"
)
RESOLVE = re.compile(r"/(datasets/)?(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")


class RefusedError(Exception):
    """An answer other than success: status, the Hub's code of the error and its message."""


class Hub:
    """The server's state: faults to be set by a test, and the count of what was asked and sent.

    `fails(n)` says whether the n-th request gets a 503, `breaks(n)` whether the n-th body of a file breaks
    off in its middle, both counted from 1; `gated` holds repositories as `owner/name`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = ""
        self.fails: Callable[[int], bool] = lambda number: False
        self.breaks: Callable[[int], bool] = lambda number: False
        self.gated: set[str] = set()
        self.requests: list[str] = []  # method, path and range
        self.bodies = 0  # of files, broken ones included
        self.sent = 0  # bytes of files
        self.lock = threading.Lock()

    def environment(self, home: Path) -> dict[str, str]:
        """The variables that point a subprocess's clients here, with a cache of their own."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_UPDATE_DOWNLOAD_COUNTS": "0",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }

    def point(self, patch: pytest.MonkeyPatch, home: Path) -> None:
        """Point this process's clients here, with a cache of their own; pauses are cut short."""
        import datasets
        from huggingface_hub import HfFileSystem, constants

        patch.setattr(constants, "ENDPOINT", self.url)
        patch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", self.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        patch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
        patch.setattr(constants, "HF_HUB_OFFLINE", False)
        patch.setattr(datasets.config, "HF_ENDPOINT", self.url)
        patch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
        patch.setattr(datasets.config, "HF_UPDATE_DOWNLOAD_COUNTS", False)
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", home / "datasets")
        HfFileSystem.clear_instance_cache()
        pause = time.sleep
        patch.setattr(time, "sleep", lambda seconds: pause(min(seconds, 0.01)))

    def revisions(self, kind: str, repo: str) -> dict[str, Path]:
        """The folders of a repository's revisions by name; raises RefusedError when there is none."""
        owner, name = repo.split("/")
        named = [
            (folder.name.partition("@"), folder) for folder in sorted((self.root / kind / owner).glob("*"))
        ]
        found = {revision or "main": folder for (own, _, revision), folder in named if own == name}
        if not found:
            raise RefusedError(401, "RepoNotFound", "Repository not found")
        return found

    def find(self, kind: str, repo: str, revision: str) -> tuple[Path, str]:
        """The folder and the commit of a revision: a branch's name, or a commit; raises RefusedError."""
        for name, folder in self.revisions(kind, repo).items():
            commit = commit_of(folder)
            if revision in (name, f"refs/heads/{name}", commit):
                return folder, commit
        raise RefusedError(404, "RevisionNotFound", f"Invalid rev id: {revision}")


def files_in(folder: Path) -> list[str]:
    """The paths of a folder's files, relative to it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def commit_of(folder: Path) -> str:
    """A commit's hash, of what lies in the folder."""
    about = [folder.name, *((name, (folder / name).stat().st_mtime_ns) for name in files_in(folder))]
    return hashlib.sha1(json.dumps(about).encode()).hexdigest()


TAGS: dict[tuple, str] = {}


def tag_of(path: Path) -> str:
    """A file's entity tag: the SHA-256 of a large file, git's hash of another."""
    about = path.stat()
    key = (path, about.st_size, about.st_mtime_ns)
    if about.st_size > ENORMOUS:
        return hashlib.sha256(str(key).encode()).hexdigest()
    if key not in TAGS:
        with open(path, "rb") as file:
            TAGS[key] = (
                hashlib.file_digest(file, "sha256").hexdigest()
                if path.suffix in LARGE
                else hashlib.sha1(b"blob %d\0" % about.st_size + file.read()).hexdigest()
            )
    return TAGS[key]


def described(folder: Path, name: str) -> dict:
    """A file or folder as an entry of a tree."""
    path = folder / name
    if path.is_dir():
        return {"type": "directory", "path": name, "size": 0, "oid": hashlib.sha1(name.encode()).hexdigest()}
    size = path.stat().st_size
    entry = {"type": "file", "path": name, "size": size, "oid": tag_of(path)}
    if path.suffix in LARGE:
        entry |= {"lfs": {"oid": tag_of(path), "size": size, "pointerSize": 134}}
    return entry


def sibling(folder: Path, name: str, blobs: bool) -> dict:
    """A file as an entry of a repository's information, with its size if `blobs` are asked for."""
    if not blobs:
        return {"rfilename": name}
    entry = described(folder, name)
    return {"rfilename": name, "size": entry["size"], "blobId": entry["oid"]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    hub: Hub

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a request, or refuse it as the Hub does."""
        form = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        with self.hub.lock:
            self.hub.requests.append(f"{self.command} {self.path} {self.headers.get('Range', '')}".strip())
            number = len(self.hub.requests)
        url = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        try:
            if self.hub.fails(number):
                raise RefusedError(503, "", "Service unavailable")
            if match := API.fullmatch(url.path):
                self.answer_api(match, query, parse_qs(form))
            elif match := RESOLVE.fullmatch(url.path):
                self.answer_file(match)
            elif url.path.startswith("/stored/"):
                self.send_file(self.hub.root / unquote(url.path.removeprefix("/stored/")), {})
            else:
                raise RefusedError(404, "EntryNotFound", "Not found")
        except RefusedError as refused:
            status, code, message = refused.args
            headers = {"X-Error-Code": code, "X-Error-Message": message} if code else {}
            self.send(status, json.dumps({"error": message}).encode(), headers)

    do_HEAD = do_POST = do_GET  # noqa: N815

    def answer_api(self, match: re.Match, query: dict[str, str], form: dict[str, list[str]]) -> None:
        """Information on a repository or its paths, a tree, or references."""
        kind, repo, what = match["kind"], unquote(match["repo"]), match["what"]
        revision, _, inside = (match["rest"] or "main").partition("/")
        if what == "refs":
            found = self.hub.revisions(kind, repo).items()
            branches = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": commit_of(f)} for n, f in found]
            return self.send_json({"branches": branches, "converts": [], "tags": []})
        folder, commit = self.hub.find(kind, repo, unquote(revision))
        if what == "tree":
            self.answer_tree(folder, unquote(inside), query)
        elif what == "paths-info":
            paths = [path.strip("/") for path in form["paths"]]
            self.send_json([described(folder, path) for path in paths if (folder / path).exists()])
        else:
            blobs = query.get("blobs", "").lower() == "true"
            siblings = [sibling(folder, name, blobs) for name in files_in(folder)]
            gated = "manual" if repo in self.hub.gated else False
            about = {"id": repo, "sha": commit, "private": False, "gated": gated, "tags": []}
            self.send_json(about | {"siblings": siblings})

    def answer_tree(self, folder: Path, inside: str, query: dict[str, str]) -> None:
        """A page of a tree, with the address of the next."""
        if not (folder / inside).is_dir():
            raise RefusedError(404, "EntryNotFound", f"{inside} does not exist")
        recursive = query.get("recursive", "").lower() == "true"
        paths = sorted((folder / inside).rglob("*") if recursive else (folder / inside).iterdir())
        start = int(query.get("cursor", 0))
        names = [path.relative_to(folder).as_posix() for path in paths[start : start + PAGE]]
        address = f"{self.hub.url}{urlsplit(self.path).path}?recursive={recursive}&cursor={start + PAGE}"
        more = {"Link": f'<{address}>; rel="next"'} if len(paths) > start + PAGE else {}
        self.send_json([described(folder, name) for name in names], more)

    def answer_file(self, match: re.Match) -> None:
        """A file of a repository: small ones at once, large ones from another host, where they are stored."""
        kind = "datasets" if match[1] else "models"
        repo = unquote(match["repo"])
        folder, commit = self.hub.find(kind, repo, unquote(match["revision"]))
        if repo in self.hub.gated:
            raise RefusedError(
                403, "GatedRepo", f"Access to {repo} is restricted; visit its page to ask for it."
            )
        path = folder / unquote(match["path"])
        if not path.is_file():
            raise RefusedError(404, "EntryNotFound", "Entry not found")
        about = {"X-Repo-Commit": commit, "ETag": f'"{tag_of(path)}"'}
        if path.suffix not in LARGE:
            self.send_file(path, about)
            return
        elsewhere = self.hub.url.replace("127.0.0.1", "localhost")
        place = quote(path.relative_to(self.hub.root).as_posix())
        large = {"X-Linked-Etag": about["ETag"], "X-Linked-Size": str(path.stat().st_size)}
        self.send(302, b"", about | large | {"Location": f"{elsewhere}/stored/{place}"})

    def send_file(self, path: Path, headers: dict[str, str]) -> None:
        """A file's bytes, or the range that is asked for; now and then its second half is missing."""
        size = path.stat().st_size
        begin, end, status = 0, size, 200
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            begin, end, status = int(wanted[1]), min(int(wanted[2] or size) + 1, size), 206
            if begin >= size:
                self.send(416, b"", {"Content-Range": f"bytes */{size}"})
                return
            headers = headers | {"Content-Range": f"bytes {begin}-{end - 1}/{size}"}
        with open(path, "rb") as file:
            file.seek(begin)
            body = file.read(end - begin) if self.command != "HEAD" else b""
        self.start(status, {"Content-Length": str(end - begin), "Accept-Ranges": "bytes"} | headers)
        if self.command == "HEAD":
            return
        with self.hub.lock:
            self.hub.bodies += 1
            broken = self.hub.breaks(self.hub.bodies)
            body = body[: len(body) // 2] if broken else body
            self.hub.sent += len(body)
        self.wfile.write(body)
        self.close_connection = broken

    def send_json(self, content: object, headers: dict[str, str] | None = None) -> None:
        self.send(200, json.dumps(content).encode(), {"Content-Type": "application/json"} | (headers or {}))

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.start(status, {"Content-Length": str(len(body))} | headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def start(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def every(count: int) -> Callable[[int], bool]:
    """True for every `count`-th number: a fault now and then."""
    return lambda number: number % count == 0


@contextmanager
def serve(root: Path) -> Iterator[Hub]:
    """Serve the repositories under `root` until the block ends; after it the address refuses connections."""
    hub = Hub(root)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OwnHandler", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
