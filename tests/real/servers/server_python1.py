"""A server on `mcp` 1.x: the legacy revisions, over every transport.

Usage: server_python1.py --transport stdio|sse|http --revision 2025-11-25 --key KEY
"""

import contextlib
import weakref

import anyio
import common
import mcp.server.session
from mcp import McpError, types
from mcp.server.lowlevel import NotificationOptions, Server

# The SDK has no setting for the revisions it agrees to. Headers may name others: where there is
# none, the SDK takes it for 2025-03-26.
types.LATEST_PROTOCOL_VERSION = common.FLAGS.revision
mcp.server.session.SUPPORTED_PROTOCOL_VERSIONS = [common.FLAGS.revision]

SHARED = common.Shared()
SESSIONS = weakref.WeakSet()
SUBSCRIBED = weakref.WeakSet()
HAS_TASKS = common.FLAGS.revision >= "2025-11-25"

server = Server("matrix-python1", version="1")
if HAS_TASKS:
    server.experimental.enable_tasks()


def text(content):
    return types.CallToolResult(content=[types.TextContent(type="text", text=content)])


@server.list_tools()
async def list_tools():
    SESSIONS.add(server.request_context.session)
    optional = types.ToolExecution(taskSupport="optional")
    return [
        types.Tool(
            name=name,
            description=description,
            inputSchema=schema,
            execution=optional if name == "task" else None,
        )
        for name, description, schema in SHARED.tools()
    ]


@server.list_resources()
async def list_resources():
    return [types.Resource(uri=common.STATE, name="state")]


@server.list_resource_templates()
async def list_resource_templates():
    return [types.ResourceTemplate(uriTemplate=common.TEMPLATE, name="any")]


async def read_resource(_request):
    contents = [types.TextResourceContents(uri=common.STATE, text=SHARED.text)]
    return types.ServerResult(types.ReadResourceResult(contents=contents))


@server.subscribe_resource()
async def subscribe_resource(_uri):
    SUBSCRIBED.add(server.request_context.session)


@server.unsubscribe_resource()
async def unsubscribe_resource(_uri):
    SUBSCRIBED.discard(server.request_context.session)


@server.list_prompts()
async def list_prompts():
    prompt = common.CATALOG["prompt"]
    argument = types.PromptArgument(name=prompt["argument"])
    return [types.Prompt(name=prompt["name"], arguments=[argument])]


@server.get_prompt()
async def get_prompt(_name, arguments):
    content = types.TextContent(type="text", text=f"Hello, {arguments['name']}!")
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])


@server.completion()
async def completion(_ref, argument, _context):
    return types.Completion(values=common.complete(argument.value))


@server.set_logging_level()
async def set_logging_level(_level):
    pass


async def tell(sessions, message):
    """Sends to every session that is still there."""
    for session in list(sessions):
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            await message(session)


async def report(step, total):
    context = server.request_context
    if context.meta and context.meta.progressToken is not None:
        await context.session.send_progress_notification(
            context.meta.progressToken, step, total, related_request_id=str(context.request_id)
        )


async def fail(_arguments):
    result = text(common.CATALOG["failure"])
    result.isError = True
    return result


async def refuse(_arguments):
    raise McpError(types.ErrorData(**common.CATALOG["refusal"]))


async def progress(_arguments):
    for step in (1, 2, 3):
        await report(step, 3)
        await anyio.sleep(0.01)
    return text("done")


async def wait(arguments):
    await report(1, 1)
    try:
        await anyio.sleep(common.PATIENCE)
    except anyio.get_cancelled_exc_class():
        SHARED.cancelled.add(arguments["key"])
        raise
    return text("nobody cancelled")


async def cancelled(arguments):
    return text("yes" if arguments["key"] in SHARED.cancelled else "no")


async def log(arguments):
    context = server.request_context
    await context.session.send_log_message(
        "info", arguments["text"], related_request_id=str(context.request_id)
    )
    return text("logged")


async def add_tool(arguments):
    SHARED.added.append(arguments["name"])
    await tell(SESSIONS, lambda session: session.send_tool_list_changed())
    return text("added")


async def touch(arguments):
    SHARED.text = arguments["text"]
    uri = types.AnyUrl(common.STATE)
    await tell(SUBSCRIBED, lambda session: session.send_resource_updated(uri))
    return text("touched")


async def sample(_arguments):
    context = server.request_context
    question = types.TextContent(type="text", text=common.CATALOG["sampling"])
    answer = await context.session.create_message(
        [types.SamplingMessage(role="user", content=question)],
        max_tokens=10,
        related_request_id=context.request_id,
    )
    return text(answer.content.text)


async def elicit_form(_arguments):
    context = server.request_context
    answer = await context.session.elicit_form(
        common.FORM["message"], common.FORM["schema"], related_request_id=context.request_id
    )
    return text(f"{answer.action} {(answer.content or {}).get('name')}")


async def elicit_url(_arguments):
    context = server.request_context
    answer = await context.session.elicit_url(
        common.URL["message"],
        common.URL["url"],
        common.URL["id"],
        related_request_id=context.request_id,
    )
    return text(answer.action)


async def roots(_arguments):
    answer = await server.request_context.session.list_roots()
    return text(str(answer.roots[0].uri))


async def work(_task):
    await anyio.sleep(0.05)
    return text("worked")


async def task(_arguments):
    experimental = server.request_context.experimental
    if experimental.is_task:
        return await experimental.run_task(work)
    return await work(None)


TOOLS = {
    tool.__name__: tool
    for tool in (
        fail, refuse, progress, wait, cancelled, log, add_tool, touch, sample, elicit_form,
        elicit_url, roots, task,
    )
}


async def call_tool(request):
    SESSIONS.add(server.request_context.session)
    name, arguments = request.params.name, request.params.arguments or {}
    if name not in {known for known, *_ in SHARED.tools()}:
        raise McpError(types.ErrorData(code=-32602, message=f"unknown tool `{name}`"))
    if name not in TOOLS:
        return types.ServerResult(text(arguments["text"]))
    try:
        return types.ServerResult(await TOOLS[name](arguments))
    except McpError:
        if name == "refuse":
            raise
        # The client refused what it was asked.
        return types.ServerResult(types.CallToolResult(content=[], isError=True))


# Not by the decorators: these turn errors into results and look at the contents.
server.request_handlers[types.CallToolRequest] = call_tool
server.request_handlers[types.ReadResourceRequest] = read_resource

OPTIONS = server.create_initialization_options(NotificationOptions(tools_changed=True))
# The SDK never says so on its own.
OPTIONS.capabilities.resources.subscribe = True
server.create_initialization_options = lambda *_arguments, **_named: OPTIONS


async def serve_stdio():
    from mcp.server.stdio import stdio_server

    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, OPTIONS)


def sse():
    from mcp.server.sse import SseServerTransport
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Mount, Route

    transport = SseServerTransport("/messages/")

    async def connect(request):
        streams = transport.connect_sse(request.scope, request.receive, request._send)
        async with streams as (reader, writer):
            await server.run(reader, writer, OPTIONS)
        return Response()

    messages = Mount("/messages/", app=transport.handle_post_message)
    return Starlette(routes=[Route("/sse", endpoint=connect), messages])


def http():
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from starlette.applications import Starlette
    from starlette.routing import Mount

    manager = StreamableHTTPSessionManager(app=server)

    @contextlib.asynccontextmanager
    async def lifespan(_app):
        async with manager.run():
            yield

    return Starlette(routes=[Mount("/mcp", app=manager.handle_request)], lifespan=lifespan)


match common.FLAGS.transport:
    case "stdio":
        anyio.run(serve_stdio)
    case "sse":
        common.listen(sse(), "/sse")
    case "http":
        common.listen(http(), "/mcp/")
