"""Runs a program on a terminal of its own and plays a person.

usage: terminal.py STEPS PROGRAM [ARGUMENT...]

STEPS is a JSON list of ["see", TEXT], ["type", TEXT], ["file", PATH], ["make", PATH] and
["press", KEYS, TEXT]: wait until TEXT has been shown, type TEXT, wait until PATH exists, create PATH, type
KEYS again and again until TEXT is shown, for when nothing tells that the keys will be heeded. All that was shown goes to standard
output; the exit code is the program's, 128+N for signal N, or 99 when a step took too long.
"""

import json
import os
import pty
import select
import signal
import sys
import time

PATIENCE = 60.0


def main():
    steps = json.loads(sys.argv[1])
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(sys.argv[2], sys.argv[2:])
    shown = b""
    seen = 0

    def show(seconds):
        """Takes what is shown within the time; tells whether more may come."""
        nonlocal shown
        if select.select([terminal], [], [], seconds)[0]:
            try:
                chunk = os.read(terminal, 4096)
            except OSError:
                chunk = b""
            shown += chunk
            return bool(chunk)
        return True

    def finish(code):
        sys.stdout.buffer.write(shown)
        sys.stdout.flush()
        sys.exit(code)

    for kind, *keys, text in steps:
        deadline = time.monotonic() + PATIENCE
        next_press = 0.0
        while True:
            if kind == "press" and time.monotonic() > next_press:
                os.write(terminal, keys[0].encode())
                next_press = time.monotonic() + 0.2
            if kind == "make":
                open(text, "w").close()
                break
            if kind == "type":
                os.write(terminal, text.encode())
                break
            if kind in ("see", "press") and text.encode() in shown[seen:]:
                seen = shown.index(text.encode(), seen) + len(text.encode())
                break
            if kind == "file" and os.path.exists(text):
                break
            if not show(0.01) or time.monotonic() > deadline:
                print(f"no such thing: {kind} {text!r}; shown:")
                os.kill(pid, signal.SIGKILL)
                finish(99)
    deadline = time.monotonic() + PATIENCE
    while show(0.01):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            show(0)
            code = os.waitstatus_to_exitcode(status)
            finish(code if code >= 0 else 128 - code)
        if time.monotonic() > deadline:
            print("the program does not end; shown:")
            os.kill(pid, signal.SIGKILL)
            finish(99)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finish(code if code >= 0 else 128 - code)


main()
