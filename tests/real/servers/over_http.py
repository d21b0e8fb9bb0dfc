"""A small server over HTTP, made with whichever Python SDK is installed.

Usage: over_http.py streamable-http|sse|stateless. The first line on stdout is its address.
"""

import asyncio
import socket
import sys

import uvicorn
from pydantic import BaseModel

try:
    from mcp.server.mcpserver import Context, MCPServer
except ImportError:
    from mcp.server.fastmcp import Context, FastMCP as MCPServer


class Name(BaseModel):
    name: str


def build(kind: str):
    first = MCPServer.__name__ == "FastMCP"
    options = {"stateless_http": True, "json_response": True} if kind == "stateless" else {}
    server = MCPServer("over-http", **(options if first else {}))

    @server.tool()
    def add(a: int, b: int) -> int:
        return a + b

    @server.tool()
    async def steps(count: int, ctx: Context) -> str:
        for step in range(1, count + 1):
            await ctx.report_progress(step, count)
        return f"{count} steps"

    @server.tool()
    async def who(ctx: Context) -> str:
        answer = await ctx.elicit("Who are you?", Name)
        return answer.data.name if answer.action == "accept" else answer.action

    if kind == "sse":
        return server.sse_app()
    return server.streamable_http_app(**({} if first else options))


async def main(kind: str) -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    path = "/sse" if kind == "sse" else "/mcp"
    print(f"http://127.0.0.1:{listener.getsockname()[1]}{path}", flush=True)
    config = uvicorn.Config(build(kind), log_level="warning", timeout_graceful_shutdown=1)
    await uvicorn.Server(config).serve(sockets=[listener])


asyncio.run(main(sys.argv[1]))
