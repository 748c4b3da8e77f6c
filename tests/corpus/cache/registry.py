"""A registry on loopback with made-up packages, for `record`: npm documents and tarballs, and an index of wheels.

Prints its port. Below /fresh/ documents may be kept for an hour, below /stale/ they must be asked for again, which is
answered with 304; what is below /gone/ has documents but no files.
"""

import base64
import gzip
import hashlib
import http.server
import io
import json
import re
import sys
import tarfile
import zipfile

NPM = {"alpha": {}, "beta": {"gamma": "1.0.0"}, "gamma": {}, "delta": {}}
PYTHON = {"alpha": [], "beta": ["gamma"], "gamma": [], "delta": []}


def tarball(name):
    """`package/package.json` and nothing else, always the same bytes."""
    text = json.dumps({"name": name, "version": "1.0.0", "dependencies": NPM[name]}).encode()
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        entry = tarfile.TarInfo("package/package.json")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    return gzip.compress(raw.getvalue(), mtime=0)


def metadata(name):
    needs = "".join(f"Requires-Dist: {other}\n" for other in PYTHON[name])
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n{needs}".encode()


def wheel(name):
    """The least that pip and uv install, always the same bytes."""
    info = f"{name}-1.0.0.dist-info"
    files = {
        f"{name}.py": b"# made up\n" * 400,
        f"{info}/METADATA": metadata(name),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: record\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"]).encode()
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return raw.getvalue()


TARBALLS = {name: tarball(name) for name in NPM}
WHEELS = {name: wheel(name) for name in PYTHON}


class Registry(http.server.BaseHTTPRequestHandler):
    """One request; the path says how long its answer holds."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Nobody reads it."""

    def answer(self, code, body=b"", kind="application/json", hold="max-age=31536000, immutable"):
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if code == 200 and self.headers.get("If-None-Match") == tag:
            code, body = 304, b""
        self.send_response(code)
        for name, value in (("Content-Type", kind), ("Content-Length", len(body)), ("ETag", tag)):
            self.send_header(name, str(value))
        self.send_header("Cache-Control", hold)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(200, b"{}", hold="no-store")

    def do_GET(self):
        held, _, path = self.path.strip("/").partition("/")
        base = f"http://{self.headers['Host']}/{held}"
        hold = "max-age=3600" if held == "fresh" else "no-cache"
        if found := re.fullmatch(r"([a-z]+)/-/\1-1\.0\.0\.tgz", path):
            return self.file(held, TARBALLS.get(found[1]))
        if found := re.fullmatch(r"simple/([a-z]+)", path):
            return self.index(base, found[1], hold)
        if found := re.fullmatch(r"files/([a-z]+)-1\.0\.0-py3-none-any\.whl(\.metadata)?", path):
            return self.file(held, metadata(found[1]) if found[2] else WHEELS.get(found[1]))
        if path in NPM:
            return self.answer(200, self.document(base, path), hold=hold)
        return self.answer(404, b"{}", hold="no-store")

    def file(self, held, body):
        if body is None or held == "gone":
            return self.answer(404, b"{}", hold="no-store")
        return self.answer(200, body, "application/octet-stream")

    def document(self, base, name):
        body = TARBALLS[name]
        digest = base64.b64encode(hashlib.sha512(body).digest()).decode()
        version = {
            "name": name,
            "version": "1.0.0",
            "dependencies": NPM[name],
            "dist": {"tarball": f"{base}/{name}/-/{name}-1.0.0.tgz", "integrity": f"sha512-{digest}"},
        }
        time = {"created": "2020-01-01T00:00:00.000Z", "modified": "2020-01-01T00:00:00.000Z", "1.0.0": "2020-01-01T00:00:00.000Z"}
        return json.dumps({"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}, "time": time}).encode()

    def index(self, base, name, hold):
        if name not in WHEELS:
            return self.answer(404, b"", "text/html", "no-store")
        file = f"{name}-1.0.0-py3-none-any.whl"
        digest = hashlib.sha256(WHEELS[name]).hexdigest()
        core = hashlib.sha256(metadata(name)).hexdigest()
        link = f'<a href="{base}/files/{file}#sha256={digest}" data-core-metadata="sha256={core}">{file}</a>'
        return self.answer(200, f"<!DOCTYPE html><html><body>{link}</body></html>".encode(), "text/html", hold)


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    print(server.server_address[1], flush=True)
    server.serve_forever()
