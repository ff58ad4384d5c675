#!/usr/bin/python3
"""Runs a program under a filter of system calls, as a container or a systemd unit would.

    sandbox.py deny io_uring_setup,... PROGRAM [ARGUMENT...]
    sandbox.py allow @system-service,~@privileged,... PROGRAM [ARGUMENT...]

What is not allowed fails with EPERM. The groups are systemd's, and what comes later wins."""
import errno
import os
import subprocess
import sys

import seccomp


def group(name):
    text = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], check=True, capture_output=True, text=True
    ).stdout
    for line in text.splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            yield from group(word)
        elif word and not word.startswith("#"):
            yield word


def calls(words):
    found = set()
    for word in words.split(","):
        name = word.removeprefix("~")
        named = set(group(name)) if name.startswith("@") else {name}
        found = found - named if word.startswith("~") else found | named
    return found


def add(rules, action, name):
    try:
        rules.add_rule(action, name)
    except (RuntimeError, ValueError):
        pass  # a system call of other machines


mode, words, *command = sys.argv[1:]
refuse = seccomp.ERRNO(errno.EPERM)
rules = seccomp.SyscallFilter(seccomp.ALLOW if mode == "deny" else refuse)
for name in sorted(calls(words)):
    add(rules, refuse if mode == "deny" else seccomp.ALLOW, name)
if mode == "allow":
    # systemd has loaded its filter before it starts the program.
    add(rules, seccomp.ALLOW, "execve")
rules.load()
os.execvp(command[0], command)
