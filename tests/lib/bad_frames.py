#!/usr/bin/env python3
"""Bytes that no honest client sends: bad_frames.py rpc|ipc|data HOST PORT.

Each case must end with the server's close (or an answer and then its close) or leave the connection
waiting for the rest; none may hang the server, which the caller asks afterwards. Prints one line a case.
"""
import os
import random
import socket
import struct
import sys
import threading

kind, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
rng = random.Random(7)
HEADER = b"hrpc\x09\x00\x00"


def random_bytes(size):
    return bytes(rng.randrange(256) for _ in range(size))


def cases():
    yield "nothing", b""
    yield "random", random_bytes(2000)
    yield "zeros", bytes(5000)
    yield "ones", b"\xff" * 5000
    if kind == "data":
        for op in (80, 81, 82, 83, 85, 86, 87, 88, 127, 0):
            head = struct.pack(">HB", 28, op)
            yield f"op {op}, no message", head
            yield f"op {op}, empty message", head + b"\x00"
            yield f"op {op}, random message", head + b"\x40" + random_bytes(64)
            yield f"op {op}, message of 2 GiB", head + b"\xff\xff\xff\xff\x07" + bytes(1000)
            yield f"op {op}, varint without end", head + b"\xff" * 20
        yield "wrong version", struct.pack(">HB", 17, 81) + b"\x00"
    else:
        yield "half a header", HEADER[:3]
        yield "old version", b"hrpc\x04\x00\x00" + bytes(20)
        yield "unknown authentication", b"hrpc\x09\x00\x77" + bytes(20)
        yield "SASL", b"hrpc\x09\x00\xdf" + bytes(20)
        for size in (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 64 << 20, (64 << 20) + 1):
            yield f"frame of {size}", HEADER + struct.pack(">I", size) + random_bytes(100)
        for size in (1, 10, 100, 1000):
            yield f"random frame of {size}", HEADER + struct.pack(">I", size) + random_bytes(size)
        yield "header longer than its frame", HEADER + struct.pack(">I", 4) + b"\xff\xff\xff\x07"
        yield "random frames", HEADER + b"".join(
            struct.pack(">I", n) + random_bytes(n) for n in range(1, 60))
        yield "half a frame", HEADER + struct.pack(">I", 1000) + bytes(500)


def run(name, data):
    with socket.create_connection((host, port), 5) as sock:
        sock.settimeout(5)
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            got = b""
            while len(got) < 100000:
                more = sock.recv(4096)
                if not more:
                    break
                got += more
            print(f"{name}: {len(got)} bytes")
        except TimeoutError:
            raise
        except OSError:
            print(f"{name}: reset")


def half_sent(count):
    """Connections that stay, each in the middle of something."""
    kept = []
    for name, data in cases():
        if "half" in name or "no message" in name or name == "nothing":
            for _ in range(count):
                sock = socket.create_connection((host, port), 5)
                sock.sendall(data)
                kept.append(sock)
    return kept


kept = half_sent(5)
for case in cases():
    run(*case)
threads = [threading.Thread(target=run, args=("at once", random_bytes(300))) for _ in range(50)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for sock in kept:
    sock.close()
os._exit(0)
