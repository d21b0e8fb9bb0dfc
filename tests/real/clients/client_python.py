"""A client on `mcp` 2.x.

Usage: client_python.py legacy|auto|modern '{"calls": []}' command args...
"""

import asyncio

import mcp_types as types
from mcp import Client, MCPError, StdioServerParameters

import wish

MODES = {"legacy": "legacy", "auto": "auto", "modern": "2026-07-28"}


async def main():
    server = StdioServerParameters(command=wish.COMMAND, args=wish.ARGS, env=wish.ENV)
    async with Client(server, mode=MODES[wish.MODE], **wish.callbacks(types)) as client:
        wish.REPORT["protocol"] = client.protocol_version
        wish.REPORT["server"] = wish.plain(client.server_info)
        wish.REPORT["capabilities"] = wish.plain(client.server_capabilities)
        wish.REPORT["instructions"] = client.instructions
        await wish.fill(client, MCPError)
        await wish.act(client, MCPError, types)


asyncio.run(main())
wish.done()
