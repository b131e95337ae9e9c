"""A stand-in for the Hugging Face Hub on this machine: the part of its HTTP interface that we use.

It keeps repositories with commits in memory, serves files with the headers that huggingface_hub
goes by, and takes uploads through git-LFS's protocol, as the Hub does for clients without Xet.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_writer"
READ_TOKEN = "hf_reader"
OWNER = "ann"


@dataclass
class Repository:
    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    head: str = ""
    lfs: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.add_commit({".gitattributes": b"*.parquet filter=lfs\n"})

    def add_commit(self, files: dict[str, bytes]) -> str:
        merged = self.files | files
        material = f"{len(self.commits)} {sorted(merged)}".encode()
        self.head = hashlib.sha1(material, usedforsecurity=False).hexdigest()
        self.commits[self.head] = merged
        return self.head

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits.get(self.head, {})

    def find(self, revision: str) -> str | None:
        if revision in ("main", self.head):
            return self.head
        return revision if revision in self.commits else None


class Hub(ThreadingHTTPServer):
    """The stand-in; `requests` lists what it was asked: "METHOD path"."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.uploads: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.fail: dict[str, int] = {}  # pattern -> status that a request of it gets

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def asked(self, pattern: str) -> list[str]:
        return [request for request in self.requests if re.search(pattern, request)]


@contextmanager
def running() -> Iterator[Hub]:
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


def is_large(path: str) -> bool:
    return path.endswith((".parquet", ".safetensors"))


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def _serve(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        request = f"{self.command} {path}"
        self.server.requests.append(request)
        for pattern, status in self.server.fail.items():
            if re.search(pattern, request):
                return self._refuse(status, "it was told to")
        for pattern, answer in ROUTES:
            if match := re.fullmatch(pattern, request):
                return answer(self, *match.groups())
        return self._refuse(404, f"no such endpoint: {request}")

    # Answers.

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, value: Any, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, message: str, code: str | None = None) -> None:
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self._send(status, json.dumps({"error": message}).encode(), headers)

    # Who may do what.

    @property
    def _token(self) -> str | None:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None

    def _repository(self, name: str) -> Repository | None:
        found = self.server.repositories.get(name)
        if found is None or (found.private and self._token not in (TOKEN, READ_TOKEN)):
            # As on the Hub, strangers don't learn which private repositories there are.
            self._refuse(401 if self._token is None else 404, "not found", "RepoNotFound")
            return None
        if found.gated and self._token != TOKEN:
            self._refuse(403, "access is restricted", "GatedRepo")
            return None
        return found

    def _may_write(self) -> bool:
        if self._token is None:
            self._refuse(401, "Invalid username or password.")
        elif self._token != TOKEN:
            self._refuse(403, "you need a token with write access")
        return self._token == TOKEN

    def _revision(self, repository: Repository, revision: str) -> dict[str, bytes] | None:
        commit = repository.find(revision)
        if commit is None:
            self._refuse(404, "Invalid rev id", "RevisionNotFound")
            return None
        return repository.commits[commit]

    # Endpoints.

    def _whoami(self) -> None:
        if self._token is None:
            return self._refuse(401, "Invalid username or password.")
        return self._json({"name": OWNER, "type": "user", "orgs": []})

    def _create(self) -> None:
        if not self._may_write():
            return None
        asked = json.loads(self.body)
        name = f"{asked.get('organization') or OWNER}/{asked['name']}"
        if name.split("/")[0] != OWNER:
            return self._refuse(403, f"you may not create repositories for {name.split('/')[0]}")
        url = f"{self.server.address}/datasets/{name}"
        if name in self.server.repositories:
            return self._json({"url": url, "error": "You already created this repo"}, 409)
        private = bool(asked.get("private")) or asked.get("visibility") == "private"
        self.server.repositories[name] = Repository(private=private)
        return self._json({"url": url, "name": name})

    def _info(self, name: str, revision: str | None) -> None:
        repository = self._repository(name)
        if repository is None or self._revision(repository, revision or "main") is None:
            return
        self._json(
            {
                "id": name,
                "sha": repository.find(revision or "main"),
                "private": repository.private,
                "gated": False,
                "disabled": False,
                "tags": [],
                "downloads": 0,
                "likes": 0,
                "siblings": [{"rfilename": path} for path in repository.files],
            }
        )

    def _tree(self, name: str, revision: str) -> None:
        repository = self._repository(name)
        files = None if repository is None else self._revision(repository, revision)
        if files is not None:
            self._json([_entry(path, content) for path, content in sorted(files.items())])

    def _resolve(self, name: str, revision: str, path: str) -> None:
        repository = self._repository(name)
        files = None if repository is None else self._revision(repository, revision)
        if repository is None or files is None:
            return
        commit = {"X-Repo-Commit": repository.find(revision) or ""}
        if path not in files:
            headers = commit | {"X-Error-Code": "EntryNotFound", "X-Error-Message": "no such file"}
            return self._send(404, b"", headers)
        content = files[path]
        large = is_large(path)
        etag = hashlib.sha256(content).hexdigest() if large else git_hash(content)
        headers = commit | {"ETag": f'"{etag}"'}
        if large:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(content))}
        return self._send(200, content, headers)

    def _validate(self) -> None:
        from yaml import safe_load

        head = json.loads(self.body)["content"].split("---\n")[1]
        assert isinstance(safe_load(head), dict)
        self._json({"warnings": [], "errors": []})

    def _preupload(self, name: str) -> None:
        repository = self._repository(name)
        if repository is None or not self._may_write():
            return
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if is_large(file["path"]) else "regular",
                "shouldIgnore": False,
                "oid": None,
            }
            for file in json.loads(self.body)["files"]
        ]
        self._json({"files": files})

    def _batch(self, name: str) -> None:
        if self._repository(name) is None or not self._may_write():
            return
        objects: list[dict[str, Any]] = []
        for wanted in json.loads(self.body)["objects"]:
            upload = {"href": f"{self.server.address}/lfs/{wanted['oid']}"}
            actions = (
                {} if wanted["oid"] in self.server.uploads else {"actions": {"upload": upload}}
            )
            objects.append(wanted | actions)
        self._json({"transfer": "basic", "objects": objects})

    def _store(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            return self._refuse(400, "the content is not what was announced")
        self.server.uploads[oid] = self.body
        return self._json({})

    def _commit(self, name: str) -> None:
        repository = self._repository(name)
        if repository is None or not self._may_write():
            return
        files = {}
        for line in self.body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                if value.get("parentCommit", repository.head) != repository.head:
                    return self._refuse(412, "A commit has happened since. Please refresh")
            elif entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            else:
                files[value["path"]] = self.server.uploads[value["oid"]]
        oid = repository.add_commit(files)
        url = f"{self.server.address}/datasets/{name}/commit/{oid}"
        self._json({"commitUrl": url, "commitOid": oid})


def _entry(path: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content)}
    if is_large(path):
        oid = hashlib.sha256(content).hexdigest()
        pointer = f"pointer {oid} {len(content)}".encode()
        entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": len(pointer)}
        return entry | {"oid": git_hash(pointer)}
    return entry | {"oid": git_hash(content)}


_NAME = r"([\w.-]+/[\w.-]+)"
ROUTES: list[tuple[str, Any]] = [
    (r"GET /api/whoami-v2", Handler._whoami),
    (r"POST /api/repos/create", Handler._create),
    (r"POST /api/validate-yaml", Handler._validate),
    (rf"GET /api/datasets/{_NAME}(?:/revision/(.+))?", Handler._info),
    (rf"GET /api/datasets/{_NAME}/tree/([^/]+)", Handler._tree),
    (rf"POST /api/datasets/{_NAME}/preupload/main", Handler._preupload),
    (rf"POST /api/datasets/{_NAME}/commit/main", Handler._commit),
    (rf"POST /datasets/{_NAME}\.git/info/lfs/objects/batch", Handler._batch),
    (rf"(?:HEAD|GET) /datasets/{_NAME}/resolve/([^/]+)/(.+)", Handler._resolve),
    (r"PUT /lfs/([0-9a-f]{64})", Handler._store),
]
