"""The other side of the tests of data stores: fills them, reads them, asks the reference, and serves
those that no package serves.

Usage: stores.py fill KIND ADDRESS | read KIND ADDRESS KEY | about KIND ADDRESS KEY | reference DIRECTORY URI... |
ftp PORT DIRECTORY | old-ftp PORT DIRECTORY | webhdfs PORT DIRECTORY | gcs-sessions PORT DIRECTORY
"""

import base64
import hashlib
import http.server
import io
import json
import os
import pathlib
import struct
import sys
import urllib.parse

BIG = 34 << 20
FILES = {
    "top/tree/one.txt": b"one\n",
    "top/tree/d/two words+&\u00fc.txt": b"two\n",
    "top/tree/d/e/empty": b"",
    "top/tree/d/e/three.bin": bytes(range(256)) * 1000,
    "top/treelike": b"not a part of it\n",
    "top/big.bin": struct.pack(f"<{BIG // 4}I", *range(BIG // 4)),
}

ODD = ["top/ blank ", "top/a%20b+c", "top/x//double", "top/mark/", "/lead", "both", "both/below", "100%/+ x"]


def s3(address):
    import boto3

    return boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )


def gcs(address):
    os.environ["STORAGE_EMULATOR_HOST"] = address
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    return storage.Client(project="test", credentials=AnonymousCredentials()).bucket("bucket")


def azure(address):
    from azure.storage.blob import BlobServiceClient

    return BlobServiceClient.from_connection_string(address).get_container_client("bucket")


def fill(kind, address):
    if kind == "s3":
        client = s3(address)
        client.create_bucket(Bucket="bucket")
        for name, data in FILES.items():
            client.put_object(Bucket="bucket", Key=name, Body=data)
        client.upload_fileobj(io.BytesIO(FILES["top/big.bin"]), "bucket", "top/parts.bin")
        client.create_bucket(Bucket="odd")
        for name in ODD:
            client.put_object(Bucket="odd", Key=name, Body=name.encode())
    elif kind == "gs":
        bucket = gcs(address)
        bucket.create()
        for name, data in FILES.items():
            bucket.blob(name).upload_from_string(data)
    elif kind == "azure":
        container = azure(address)
        container.create_container()
        for name, data in FILES.items():
            container.upload_blob(name, data)
    elif kind == "artifacts":
        import requests

        for name, data in FILES.items():
            url = f"{address}/api/2.0/mlflow-artifacts/artifacts/bucket/{urllib.parse.quote(name)}"
            requests.put(url, data=data).raise_for_status()
    elif kind == "directory":
        for name, data in FILES.items():
            path = pathlib.Path(address, "bucket", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def read(kind, address, key):
    if kind == "s3":
        return s3(address).get_object(Bucket="bucket", Key=key)["Body"].read()
    if kind == "gs":
        return gcs(address).blob(key).download_as_bytes()
    if kind == "azure":
        return azure(address).download_blob(key).readall()
    if kind == "directory":
        return pathlib.Path(address, "bucket", key).read_bytes()
    import requests

    answer = requests.get(f"{address}/api/2.0/mlflow-artifacts/artifacts/bucket/{key}")
    answer.raise_for_status()
    return answer.content


def about(kind, address, key):
    """What the store says of an object: whether it is there, its parts, and the parts of no object."""
    if kind == "s3":
        client = s3(address)
        uploads = client.list_multipart_uploads(Bucket="bucket").get("Uploads", [])
        unfinished = {"unfinished": len([upload for upload in uploads if upload["Key"] == key])}
        try:
            head = client.head_object(Bucket="bucket", Key=key)
        except client.exceptions.ClientError:
            return unfinished | {"exists": False}
        count = int(head["ETag"].strip('"').partition("-")[2] or 1)
        told = {"type": head["ContentType"], "cache": head.get("CacheControl", "")}
        return unfinished | {"exists": True, "parts": count} | told
    if kind == "gs":
        blob = gcs(address).get_blob(key)
        return {"exists": False} if blob is None else {"exists": True, "type": blob.content_type}
    if kind == "azure":
        blob = azure(address).get_blob_client(key)
        if not blob.exists():
            return {"exists": False}
        committed, _ = blob.get_block_list("all")
        settings = blob.get_blob_properties().content_settings
        md5 = bytes(settings.content_md5 or b"").hex()
        return {"exists": True, "parts": len(committed), "type": settings.content_type, "md5": md5}
    if kind == "directory":
        path = pathlib.Path(address, "bucket", key)
        return {"exists": path.exists(), "unfinished": len(list(path.parent.glob(".incomplete-*")))}
    import requests

    answer = requests.get(f"{address}/api/2.0/mlflow-artifacts/artifacts/bucket/{key}")
    return {"exists": answer.status_code != 404}


def reference(directory, uris):
    """What the reference makes of each URI: a line for each file, with its sum and its path."""
    from mlflow.artifacts import download_artifacts

    for number, uri in enumerate(uris):
        place = pathlib.Path(directory, str(number))
        place.mkdir()
        path = download_artifacts(artifact_uri=uri, dst_path=str(place))
        print(f"{number} path {os.path.relpath(path, place)}")
        for found in sorted(file for file in place.rglob("*") if file.is_file()):
            digest = hashlib.sha256(found.read_bytes()).hexdigest()
            print(f"{number} {digest} {found.relative_to(place)}")


def ftp(port, directory, lacks=()):
    """The connections over which the user "broken" puts files are cut, all but every third one, and all over
    which it gets more than 4 MiB."""
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import DTPHandler, FTPHandler
    from pyftpdlib.servers import FTPServer

    class Cutting(DTPHandler):
        begun = 0

        def handle_read(self):
            if self.tot_bytes_received == 0:
                Cutting.begun += self.cmd_channel.username == "broken"
            super().handle_read()
            if self.cmd_channel.username == "broken" and self.tot_bytes_received > 1 << 20 and Cutting.begun % 3:
                self._resp = ("426 Connection broke; transfer aborted.", self.log)
                self.close()

        handle_read_event = handle_read

        def handle_write(self):
            super().handle_write()
            is_cut = self.cmd_channel.username == "broken" and self.tot_bytes_sent > 4 << 20
            if is_cut and not self._closed:
                self._resp = ("426 Connection broke; transfer aborted.", self.log)
                self.close()

        handle_write_event = handle_write

    FTPHandler.dtp_handler = Cutting
    for command in lacks:
        del FTPHandler.proto_cmds[command]
    authorizer = DummyAuthorizer()
    authorizer.add_user("anna", "geheim", directory, perm="elradfmw")
    authorizer.add_user("broken", "geheim", directory, perm="elradfmw")
    authorizer.add_anonymous(directory)
    FTPHandler.authorizer = authorizer
    FTPServer(("127.0.0.1", port), FTPHandler).serve_forever()


class WebHdfs(http.server.BaseHTTPRequestHandler):
    """As Hadoop's page "WebHDFS REST API" describes it: a name node and a data node in one."""

    protocol_version = "HTTP/1.1"

    def status(self, path, suffix):
        about = path.stat()
        return {
            "pathSuffix": suffix,
            "type": "DIRECTORY" if path.is_dir() else "FILE",
            "length": 0 if path.is_dir() else about.st_size,
            "modificationTime": int(about.st_mtime * 1000),
            "owner": "hdfs",
            "permission": "644",
        }

    def answer(self, code, body, kind="application/json"):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        name = urllib.parse.unquote(url.path.removeprefix("/webhdfs/v1"))
        path = pathlib.Path(self.server.directory, name.lstrip("/"))
        if query.get("user.name") == "stranger":
            error = {"exception": "AccessControlException", "message": "Permission denied: user=stranger"}
            return self.answer(403, json.dumps({"RemoteException": error}).encode())
        if not path.exists():
            error = {"exception": "FileNotFoundException", "message": f"File does not exist: {name}"}
            return self.answer(404, json.dumps({"RemoteException": error}).encode())
        if query["op"] == "GETFILESTATUS":
            return self.answer(200, json.dumps({"FileStatus": self.status(path, "")}).encode())
        if query["op"] == "LISTSTATUS":
            files = [self.status(child, child.name) for child in sorted(path.iterdir())]
            return self.answer(200, json.dumps({"FileStatuses": {"FileStatus": files}}).encode())
        if "datanode" not in query:
            self.send_response(307)
            self.send_header("Location", f"http://{self.headers['Host']}{self.path}&datanode=true")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        data = path.read_bytes()[int(query.get("offset", 0)) :]
        if "length" in query:
            data = data[: int(query["length"])]
        return self.answer(200, data, "application/octet-stream")

    def place(self):
        url = urllib.parse.urlsplit(self.path)
        name = urllib.parse.unquote(url.path.removeprefix("/webhdfs/v1"))
        path = pathlib.Path(self.server.directory, name.lstrip("/"))
        return dict(urllib.parse.parse_qsl(url.query)), path

    def done(self, boolean):
        self.answer(200, json.dumps({"boolean": boolean}).encode())

    def do_PUT(self):
        query, path = self.place()
        length = int(self.headers["Content-Length"])
        if query.get("user.name") == "stranger":
            error = {"exception": "AccessControlException", "message": "Permission denied: user=stranger"}
            return self.answer(403, json.dumps({"RemoteException": error}).encode())
        if query["op"] == "RENAME":
            target = pathlib.Path(self.server.directory, query["destination"].lstrip("/"))
            if target.exists() or not path.exists():
                return self.done(False)
            path.rename(target)
            return self.done(True)
        assert query["op"] == "CREATE" and query["overwrite"] == "true"
        if "datanode" not in query:
            assert length == 0, "a name node takes no files"
            self.send_response(307)
            self.send_header("Location", f"http://{self.headers['Host']}{self.path}&datanode=true")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            while length > 0:
                block = self.rfile.read(min(length, 1 << 20))
                if not block:
                    return None
                length -= len(block)
                file.write(block)
        return self.answer(201, b"")

    def do_DELETE(self):
        query, path = self.place()
        assert query["op"] == "DELETE"
        if not path.exists():
            return self.done(False)
        path.unlink()
        return self.done(True)

    def log_message(self, *_):
        pass


def webhdfs(port, directory):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), WebHdfs)
    server.directory = directory
    server.serve_forever()


class GcsSessions(http.server.BaseHTTPRequestHandler):
    """Uploads in sessions, as Google's page "Resumable uploads" describes them: the emulator that the other
    tests use takes the question how far an upload is for its end. Whatever arrives of a part is kept, in
    multiples of 256 KiB, also where the connection breaks."""

    protocol_version = "HTTP/1.1"
    sessions = {}

    def answer(self, code, headers, body=b""):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        about = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert (query["uploadType"], query["name"]) == ("resumable", about["name"])
        number = str(len(self.sessions))
        self.sessions[number] = (about["name"], bytearray(), int(self.headers["X-Upload-Content-Length"]))
        self.answer(200, {"Location": f"http://{self.headers['Host']}/sessions?upload_id={number}"})

    def do_PUT(self):
        import google_crc32c

        number = urllib.parse.urlsplit(self.path).query.removeprefix("upload_id=")
        name, data, total = self.sessions[number]
        kind, _, rest = self.headers["Content-Range"].partition(" ")
        span, _, length = rest.partition("/")
        assert (kind, int(length)) == ("bytes", total)
        if span != "*":
            start, last = map(int, span.split("-"))
            if start != len(data) or int(self.headers["Content-Length"]) != last + 1 - start:
                return self.answer(400, {}, b"{}")
            self.take(data, last + 1)
        if len(data) < total:
            arrived = {"Range": f"bytes=0-{len(data) - 1}"} if data else {}
            return self.answer(308, arrived)
        crc32c = base64.b64encode(google_crc32c.Checksum(bytes(data)).digest()).decode()
        if self.headers.get("X-Goog-Hash", f"crc32c={crc32c}") != f"crc32c={crc32c}":
            return self.answer(400, {}, b"{}")
        path = pathlib.Path(self.server.directory, "bucket", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return self.answer(200, {}, json.dumps({"name": name, "size": str(total), "crc32c": crc32c}).encode())

    def take(self, data, end):
        try:
            while len(data) < end:
                block = self.rfile.read(min(256 << 10, end - len(data)))
                if len(block) < min(256 << 10, end - len(data)):
                    break
                data.extend(block)
        except OSError:
            pass

    def log_message(self, *_):
        pass


def gcs_sessions(port, directory):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), GcsSessions)
    server.directory = directory
    server.serve_forever()


def main():
    match sys.argv[1:]:
        case ["fill", kind, address]:
            fill(kind, address)
        case ["read", kind, address, key]:
            sys.stdout.buffer.write(read(kind, address, key))
        case ["about", kind, address, key]:
            print(json.dumps(about(kind, address, key)))
        case ["reference", directory, *uris]:
            reference(directory, uris)
        case ["ftp", port, directory]:
            ftp(int(port), directory)
        case ["old-ftp", port, directory]:
            ftp(int(port), directory, ("EPSV", "EPRT", "FEAT", "MLSD", "MLST", "SIZE"))
        case ["gcs-sessions", port, directory]:
            gcs_sessions(int(port), directory)
        case ["webhdfs", port, directory]:
            webhdfs(int(port), directory)
        case _:
            sys.exit(__doc__)


main()
