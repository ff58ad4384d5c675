#!/usr/bin/env python3
"""Runs a program again and again: restarter.py PORT PROGRAM ARGUMENT...

Beside what the program prints, it says `pid N` at each start, and `ended STATUS free TIME` or `ended
STATUS taken TIME` at each end: whether the port could be bound at that moment, and which it was in
nanoseconds of the monotonic clock. The next start follows at once; so nothing that is late in Node's
own loop hides what the kernel does late.
"""

import os
import socket
import subprocess
import sys
import time


def is_free(port):
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def tell_pid():
    os.write(1, f"pid {os.getpid()}\n".encode())


def main():
    port = int(sys.argv[1])
    while True:
        status = subprocess.call(sys.argv[2:], preexec_fn=tell_pid)
        now = time.monotonic_ns()
        print(f"ended {status} {'free' if is_free(port) else 'taken'} {now}", flush=True)


main()
