"""A client on `mcp` 1.x.

Usage: client_python1.py legacy '{"calls": []}' command args...
With {"transport": "sse" or "http"} in the wish, the command is a URL.
"""

import asyncio
import contextlib

import anyio
import features
import wish
from mcp import ClientSession, McpError, StdioServerParameters, stdio_client, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamablehttp_client

EVENTS = features.Events()

# The SDK has no setting for the revision it asks for.
if wish.REVISION:
    types.LATEST_PROTOCOL_VERSION = wish.REVISION


class Session(ClientSession):
    """Says some things the way the newer SDK does."""

    async def read_resource(self, uri):
        return await super().read_resource(types.AnyUrl(uri))

    async def watch(self, uri):
        await self.subscribe_resource(types.AnyUrl(uri))

    async def cancel_first(self, name, arguments):
        """Calls a tool and takes it back as soon as it runs."""
        runs = anyio.Event()

        async def progressed(*_progress):
            runs.set()

        async with anyio.create_task_group() as group:
            number = self._request_id
            group.start_soon(
                lambda: self.call_tool(name, arguments, progress_callback=progressed)
            )
            await runs.wait()
            params = types.CancelledNotificationParams(requestId=number)
            cancelled = types.CancelledNotification(params=params)
            await self.send_notification(types.ClientNotification(cancelled))
            group.cancel_scope.cancel()

    async def task(self, name):
        created = await self.experimental.call_tool_as_task(name, {}, ttl=60000)
        task_id = created.task.taskId
        async for status in self.experimental.poll_task(task_id):
            last = status.status
        features.expect(last, "completed")
        return await self.experimental.get_task_result(task_id, types.CallToolResult)


async def hear(message):
    match message:
        case types.ServerNotification(root=types.ToolListChangedNotification()):
            EVENTS.tools_changed += 1
        case types.ServerNotification(root=types.ResourceUpdatedNotification(params=params)):
            EVENTS.updated.append(str(params.uri))


@contextlib.asynccontextmanager
async def connect():
    match wish.TRANSPORT:
        case "sse":
            transport = sse_client(wish.COMMAND)
        case "http":
            transport = streamablehttp_client(wish.COMMAND)
        case _:
            server = StdioServerParameters(command=wish.COMMAND, args=wish.ARGS, env=wish.ENV)
            transport = stdio_client(server)
    callbacks = features.askable(wish.REVISION, types)
    async with transport as (reader, writer, *_session_id):
        async with Session(reader, writer, message_handler=hear, **callbacks) as session:
            yield session


async def main():
    async with connect() as session:
        initialized = await session.initialize()
        wish.REPORT["protocol"] = str(initialized.protocolVersion)
        wish.REPORT["server"] = wish.plain(initialized.serverInfo)
        wish.REPORT["capabilities"] = wish.plain(initialized.capabilities)
        wish.REPORT["instructions"] = initialized.instructions
        await wish.fill(session, McpError)
        if "walk" in wish.WISH:
            await session.set_logging_level("debug")
            await features.walk(session, EVENTS, McpError, types)
        await wish.act(session, McpError, types)


try:
    asyncio.run(main())
except* anyio.BrokenResourceError:
    # The SDK raises this when the server still speaks while the session closes.
    pass
wish.done()
