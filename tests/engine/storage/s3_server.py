"""A small S3: objects, ranges and multipart uploads in memory, for requests that are signed.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import unescape

XML = '<?xml version="1.0" encoding="UTF-8"?>'
ERROR = XML + "<Error><Code>{0}</Code><Message>{0}</Message></Error>"


class Bucket(ThreadingHTTPServer):
    """What is stored, and the uploads that are not complete."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.is_down = False

    @property
    def url(self) -> str:
        """What to set as the storage's URL."""
        endpoint = f"http://127.0.0.1:{self.server_address[1]}"
        keys = "access_key_id=id&secret_access_key=secret&region=us-east-1"
        return f"s3://bucket/some/prefix?endpoint={endpoint}&{keys}"


@contextmanager
def running_bucket() -> Iterator[Bucket]:
    """Serves a bucket for as long as the context lasts."""
    bucket = Bucket()
    thread = Thread(target=bucket.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield bucket
    finally:
        bucket.shutdown()
        bucket.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bucket

    def do_PUT(self) -> None:
        body = self._body()
        if self._refused():
            return
        if "uploadId" in self.query:
            self.server.uploads[self.query["uploadId"]][int(self.query["partNumber"])] = body
        else:
            self.server.objects[self.key] = body
        self._answer(200, headers={"ETag": f'"{len(body)}"'})

    def do_POST(self) -> None:
        body = self._body()
        if self._refused():
            return
        if "delete" in self.query:
            keys = re.findall("<Key>(.*?)</Key>", body.decode())
            for key in keys:
                self.server.objects.pop(unescape(key), None)
            deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
            self._answer(200, f"{XML}<DeleteResult>{deleted}</DeleteResult>")
        elif "uploads" in self.query:
            upload = f"upload-{len(self.server.uploads)}"
            self.server.uploads[upload] = {}
            tag = f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId>"
            self._answer(200, f"{XML}{tag}</InitiateMultipartUploadResult>")
        else:
            parts = self.server.uploads.pop(self.query["uploadId"])
            self.server.objects[self.key] = b"".join(parts[number] for number in sorted(parts))
            result = '<CompleteMultipartUploadResult><ETag>"whole"</ETag></CompleteMultipartUploadResult>'
            self._answer(200, XML + result)

    def do_GET(self) -> None:
        if self._refused():
            return
        found = self.server.objects.get(self.key)
        if found is None:
            self._answer(404, ERROR.format("NoSuchKey"))
            return
        headers = {"ETag": f'"{len(found)}"', "Last-Modified": "Fri, 20 Nov 2026 16:29:49 GMT"}
        range_ = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if range_ is None:
            self._answer(200, found, headers)
            return
        start, last = int(range_[1]), min(int(range_[2]), len(found) - 1)
        headers["Content-Range"] = f"bytes {start}-{last}/{len(found)}"
        self._answer(206, found[start : last + 1], headers)

    def do_HEAD(self) -> None:
        self.do_GET()

    @property
    def key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix("/bucket/")

    @property
    def query(self) -> dict[str, str]:
        found = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        return {name: values[0] for name, values in found.items()}

    def _refused(self) -> bool:
        if self.server.is_down:
            self._answer(403, ERROR.format("AccessDenied"))
        elif not self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 Credential=id/"):
            self._answer(403, ERROR.format("SignatureDoesNotMatch"))
        else:
            return False
        return True

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, status: int, body: bytes | str = b"", headers: dict[str, str] | None = None) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Is silent."""
