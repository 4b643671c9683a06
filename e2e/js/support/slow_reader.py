"""A WebSocket client in the namespace `sessions` that stops reading: `slow_reader.py PORT TOKEN`.

Python, since Node cannot make a receive buffer small: with a large one the kernel would do the reading.
Prints `joined` once the gateway has accepted it, then reads nothing until its standard input ends.
"""
import base64
import json
import os
import socket
import struct
import sys

port, token = int(sys.argv[1]), sys.argv[2]
connection = socket.socket()
connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
connection.connect(("127.0.0.1", port))
key = base64.b64encode(os.urandom(16)).decode()
connection.sendall(
    (
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ).encode()
)
# The open packet first: Engine.IO lets a client speak only after it.
seen = b""
while b'"maxPayload"' not in seen:
    seen += connection.recv(256)
text = ("40/sessions," + json.dumps({"token": token, "context": "slow"})).encode()
mask = os.urandom(4)
masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))
connection.sendall(bytes([0x81, 0xFE]) + struct.pack("!H", len(text)) + mask + masked)

while b'"sessions:ready"' not in seen:
    chunk = connection.recv(256)
    if not chunk:
        sys.exit(f"closed before ready: {seen!r}")
    seen += chunk
print("joined", flush=True)
sys.stdin.read()
