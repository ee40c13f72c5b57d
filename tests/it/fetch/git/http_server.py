"""Git's own `git http-backend` behind HTTP, for tests and benchmarks.

Usage: http_server.py ROOT [--tls CERTIFICATE KEY [--clients AUTHORITY]] [--log FILE]

Serves the repositories below ROOT, writes its port as the first line of standard output and ends
when its standard input ends. The first part of a path says how:

  /open/REPOSITORY       to anyone
  /private/REPOSITORY    to `user` with the password `t0ken`, by Basic authentication
  /moved/REPOSITORY      by a redirect to /open
  /dumb/REPOSITORY       to anyone, as files
  /old/REPOSITORY        to anyone, by the protocol's first version alone
  /page/REPOSITORY       a page instead of a repository
  /negotiate/REPOSITORY  to nobody: authentication of another kind

It is also a proxy, for `http://` addresses and for tunnels (`CONNECT`). Every request is a line in
the log: method, path, `with credentials` where it had some, and the version of the protocol. With
`--clients` only those connect who have a certificate of that authority.
"""

import argparse
import base64
import os
import select
import socket
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

AUTHORIZATION = "Basic " + base64.b64encode(b"user:t0ken").decode()
CHUNK = 1 << 16


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def answer(self):
        url = urlsplit(self.path)
        self.note(self.path, self.headers.get("Authorization"))
        body = self.body()
        kind, _, path = url.path.lstrip("/").partition("/")
        if url.netloc:
            self.note("(proxied)", None)
        if kind == "private" and self.headers.get("Authorization") != AUTHORIZATION:
            return self.short(401, {"WWW-Authenticate": 'Basic realm="test"'})
        if kind == "negotiate":
            return self.short(401, {"WWW-Authenticate": "Negotiate"})
        if kind == "moved":
            query = "?" + url.query if url.query else ""
            return self.short(302, {"Location": f"/open/{path}{query}"})
        if kind == "page":
            return self.short(200, {"Content-Type": "text/html"}, b"<html>a page</html>")
        if kind == "dumb":
            return self.file(unquote(path))
        if kind == "old":
            del self.headers["Git-Protocol"]
        if kind not in ("open", "old", "private"):
            return self.short(404, {})
        self.backend("/" + path, url.query, body)

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def short(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def file(self, path):
        try:
            with open(os.path.join(self.server.root, path), "rb") as file:
                contents = file.read()
        except OSError:
            return self.short(404, {})
        self.short(200, {"Content-Type": "text/plain"}, contents)

    def backend(self, path, query, body):
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_PROJECT_ROOT": self.server.root,
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": unquote(path),
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_ADDR": "127.0.0.1",
        }
        for name in ("Git-Protocol", "Content-Encoding", "Accept-Encoding"):
            if name in self.headers:
                variables["HTTP_" + name.upper().replace("-", "_")] = self.headers[name]
        program = subprocess.Popen(
            ["git", "http-backend"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables
        )
        threading.Thread(target=feed, args=(program.stdin, body), daemon=True).start()
        status, headers = 200, []
        while line := program.stdout.readline().decode().strip():
            name, _, value = line.partition(":")
            if name == "Status":
                status = int(value.split()[0])
            else:
                headers.append((name, value.strip()))
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while piece := program.stdout.read1(CHUNK):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        finally:
            program.stdout.close()
            program.wait()

    def do_CONNECT(self):
        self.note(self.path, None)
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as other:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: other, other: self.connection}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    piece = end.recv(CHUNK)
                    if not piece:
                        self.close_connection = True
                        return
                    ends[end].sendall(piece)

    def note(self, path, authorization):
        if self.server.log:
            credentials = " with credentials" if authorization else ""
            with open(self.server.log, "a", encoding="utf-8") as log:
                log.write(f"{self.command} {path}{credentials} {self.headers.get('Git-Protocol', '')}\n")

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that goes away is a part of some tests."""


def feed(pipe, body):
    try:
        pipe.write(body)
        pipe.close()
    except BrokenPipeError:
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--clients")
    parser.add_argument("--log")
    arguments = parser.parse_args()
    server = Server(("127.0.0.1", 0), Handler)
    server.root, server.log = arguments.root, arguments.log
    if arguments.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*arguments.tls)
        if arguments.clients:
            context.load_verify_locations(arguments.clients)
            context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


main()
