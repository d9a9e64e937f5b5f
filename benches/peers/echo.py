"""The echo servers of Python: `python3 -c THIS FD LOOP STYLE`, FD being a listener.

LOOP is `asyncio` or `uvloop`, STYLE is `protocol` or `streams`: the counterparts of selio's bare
sockets, and of its streams, which read by lines. The transports of both loops set TCP_NODELAY.
"""

import asyncio
import socket
import sys


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def handle_client(reader, writer):
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def serve(listener, style):
    if style == "streams":
        server = await asyncio.start_server(handle_client, sock=listener)
    else:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Echo, sock=listener)
    await server.serve_forever()


fd, loop, style = sys.argv[1:]
if loop == "uvloop":
    import uvloop

    loop = uvloop.new_event_loop()
else:
    loop = asyncio.new_event_loop()
loop.run_until_complete(serve(socket.socket(fileno=int(fd)), style))
