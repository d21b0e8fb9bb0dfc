"""A client on `mcp` 1.x.

Usage: client_python1.py legacy '{"calls": []}' command args...
"""

import asyncio

import anyio
import wish
from mcp import ClientSession, McpError, StdioServerParameters, stdio_client, types


class Session(ClientSession):
    """Reads a resource by the text of its URI, as the newer SDK does."""

    async def read_resource(self, uri):
        return await super().read_resource(types.AnyUrl(uri))


async def main():
    server = StdioServerParameters(command=wish.COMMAND, args=wish.ARGS, env=wish.ENV)
    async with stdio_client(server) as (reader, writer):
        async with Session(reader, writer, **wish.callbacks(types)) as session:
            initialized = await session.initialize()
            wish.REPORT["protocol"] = str(initialized.protocolVersion)
            wish.REPORT["server"] = wish.plain(initialized.serverInfo)
            wish.REPORT["capabilities"] = wish.plain(initialized.capabilities)
            wish.REPORT["instructions"] = initialized.instructions
            await wish.fill(session, McpError)
            await wish.act(session, McpError, types)


try:
    asyncio.run(main())
except* anyio.BrokenResourceError:
    # The SDK raises this when the server still speaks while the session closes.
    pass
wish.done()
