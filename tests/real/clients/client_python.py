"""A client on `mcp` 2.x.

Usage: client_python.py legacy|auto|modern '{"calls": []}' command args...
With {"transport": "http"} in the wish, the command is a URL.
"""

import asyncio
import contextlib
from typing import ClassVar, Literal

import anyio
import features
import mcp.client.session
import mcp_types as types
import wish
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.extension import ClientExtension, ResultClaim
from mcp.shared.subscriptions import ResourceUpdated, ToolsListChanged

MODES = {"legacy": "legacy", "auto": "auto", "modern": "2026-07-28"}
EVENTS = features.Events()
IS_MODERN = wish.MODE == "modern"

# The SDK has no setting for the legacy revision it asks for.
if wish.REVISION and not IS_MODERN:
    mcp.client.session.LATEST_HANDSHAKE_VERSION = wish.REVISION


class Task(types.Result):
    """What the extension makes of a call."""

    result_type: Literal["task"]
    task_id: str


class GetTaskParams(types.RequestParams):
    task_id: str


class GetTask(types.Request[GetTaskParams, Literal["tasks/get"]]):
    name_param: ClassVar[str] = "taskId"

    method: Literal["tasks/get"] = "tasks/get"
    params: GetTaskParams


class TaskState(types.Result):
    status: str
    result: types.CallToolResult | None = None


class Tasks(ClientExtension):
    """Waits for tasks by asking for them; knows how many there were."""

    identifier = "io.modelcontextprotocol/tasks"
    seen = 0

    def claims(self):
        return [ResultClaim(result_type="task", model=Task, resolve=self.resolve)]

    async def resolve(self, task, context):
        self.seen += 1
        request = GetTask(params=GetTaskParams(task_id=task.task_id))
        while True:
            state = await context.session.send_request(request, TaskState)
            if state.status == "completed":
                return state.result
            features.expect(state.status, "working")
            await anyio.sleep(0.02)


class Peer:
    """The client with what a walk needs beside it."""

    def __init__(self, client, tasks):
        self.client, self.tasks = client, tasks

    def __getattr__(self, name):
        return getattr(self.client, name)

    async def watch(self, uri):
        if not IS_MODERN:
            await self.client.subscribe_resource(uri)

    async def cancel_first(self, name, arguments):
        """Calls a tool and takes it back as soon as it runs."""
        runs = anyio.Event()

        async def progressed(*_progress):
            runs.set()

        async with anyio.create_task_group() as group:
            group.start_soon(
                lambda: self.client.call_tool(name, arguments, progress_callback=progressed)
            )
            await runs.wait()
            group.cancel_scope.cancel()

    async def task(self, name):
        known = self.tasks.seen
        result = await self.client.call_tool(name, {})
        features.expect(self.tasks.seen - known, 1)
        return result


async def hear(message):
    match message:
        case types.ToolListChangedNotification():
            EVENTS.tools_changed += 1
        case types.ResourceUpdatedNotification(params=params):
            EVENTS.updated.append(str(params.uri))


async def follow(subscription):
    async for event in subscription:
        match event:
            case ToolsListChanged():
                EVENTS.tools_changed += 1
            case ResourceUpdated(uri=uri):
                EVENTS.updated.append(uri)


@contextlib.asynccontextmanager
async def listening(client):
    """Hears of changes, in the way of the era."""
    if not IS_MODERN:
        await client.set_logging_level("debug")
        yield
        return
    uris = [f"matrix://{target['key']}/state" for target in wish.WISH["walk"]]
    async with client.listen(tools_list_changed=True, resource_subscriptions=uris) as subscription:
        async with anyio.create_task_group() as group:
            group.start_soon(follow, subscription)
            yield
            group.cancel_scope.cancel()


def options():
    if "walk" not in wish.WISH:
        return {}, None
    tasks = Tasks()
    extensions = [tasks] if IS_MODERN else None
    level = "debug" if IS_MODERN else None
    # Over stdio and HTTP alike, modern changes come by the subscription alone.
    handler = None if IS_MODERN else hear
    return {"extensions": extensions, "log_level": level, "message_handler": handler}, tasks


async def main():
    server = wish.COMMAND
    if wish.TRANSPORT == "stdio":
        server = StdioServerParameters(command=wish.COMMAND, args=wish.ARGS, env=wish.ENV)
    callbacks = features.askable(wish.REVISION, types)
    more, tasks = options()
    async with Client(server, mode=MODES[wish.MODE], **callbacks, **more) as client:
        wish.REPORT["protocol"] = client.protocol_version
        wish.REPORT["server"] = wish.plain(client.server_info)
        wish.REPORT["capabilities"] = wish.plain(client.server_capabilities)
        wish.REPORT["instructions"] = client.instructions
        await wish.fill(client, MCPError)
        if "walk" in wish.WISH:
            async with listening(client):
                await features.walk(Peer(client, tasks), EVENTS, MCPError, types)
        await wish.act(client, MCPError, types)


asyncio.run(main())
wish.done()
