"""What `floor.c` does, by pyroute2: what somebody would write in Python instead.

The words mean what they mean to `floor.c`. pyroute2 has no way to change flags in place, so `flags` removes the row and
adds it. Like the floor it compares, locks, verifies, undoes and reports nothing.
"""

import sys

from pyroute2 import MPTCP


def row(word):
    address, number, flags, index = word.split(",")
    attributes = {"id": int(number), "flags": int(flags)}
    attributes["addr6" if ":" in address else "addr4"] = address
    if index != "0":
        # It takes the number as the bytes that the kernel is sent.
        attributes["if_idx"] = int(index).to_bytes(4, sys.byteorder)
    return attributes


def main(what, *words):
    with MPTCP() as path_manager:
        if what == "read":
            rows = [*path_manager.limits("show"), *path_manager.endpoint("show")]
            print(len(rows))
            return
        if what == "add":
            subflows, add_addr_accepted, *words = words
            path_manager.limits("set", subflows=int(subflows), add_addr_accepted=int(add_addr_accepted))
        rows = [row(word) for word in words]
        if what in ("flags", "replace"):
            for each in rows:
                path_manager.endpoint("del", id=each["id"], addr4="0.0.0.0")
        for each in rows:
            path_manager.endpoint("add", **each)


main(*sys.argv[1:])
