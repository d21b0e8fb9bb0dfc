"""A server on `mcp` 2.x: the modern revision, over stdio and HTTP.

Usage: server_python2.py --transport stdio|http --revision 2026-07-28 --key KEY
"""

import itertools
import time

import anyio
import common
import mcp_types as types
from mcp import MCPError
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.subscriptions import ResourceUpdated, ToolsListChanged
from pydantic import ConfigDict

TASKS = "io.modelcontextprotocol/tasks"
SHARED = common.Shared()
BUS = InMemorySubscriptionBus()
RUNNING = {}
NUMBERS = itertools.count(1)


def text(content):
    return types.CallToolResult(content=[types.TextContent(type="text", text=content)])


async def list_tools(_context, _params):
    tools = [
        types.Tool(name=name, description=description, input_schema=schema)
        for name, description, schema in SHARED.tools()
    ]
    return types.ListToolsResult(tools=tools)


async def list_resources(_context, _params):
    return types.ListResourcesResult(resources=[types.Resource(uri=common.STATE, name="state")])


async def list_resource_templates(_context, _params):
    template = types.ResourceTemplate(uri_template=common.TEMPLATE, name="any")
    return types.ListResourceTemplatesResult(resource_templates=[template])


async def read_resource(_context, _params):
    contents = [types.TextResourceContents(uri=common.STATE, text=SHARED.text)]
    return types.ReadResourceResult(contents=contents)


async def list_prompts(_context, _params):
    prompt = common.CATALOG["prompt"]
    argument = types.PromptArgument(name=prompt["argument"])
    prompts = [types.Prompt(name=prompt["name"], arguments=[argument])]
    return types.ListPromptsResult(prompts=prompts)


async def get_prompt(_context, params):
    content = types.TextContent(type="text", text=f"Hello, {params.arguments['name']}!")
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])


async def completion(_context, params):
    values = common.complete(params.argument.value)
    return types.CompleteResult(completion=types.Completion(values=values))


async def fail(_context, _params):
    result = text(common.CATALOG["failure"])
    result.is_error = True
    return result


async def refuse(_context, _params):
    raise MCPError(**common.CATALOG["refusal"])


async def progress(context, _params):
    for step in (1, 2, 3):
        await context.session.report_progress(step, 3)
        await anyio.sleep(0.01)
    return text("done")


async def wait(context, params):
    await context.session.report_progress(1, 1)
    try:
        await anyio.sleep(common.PATIENCE)
    except anyio.get_cancelled_exc_class():
        SHARED.cancelled.add(params.arguments["key"])
        raise
    return text("nobody cancelled")


async def cancelled(_context, params):
    return text("yes" if params.arguments["key"] in SHARED.cancelled else "no")


async def log(context, params):
    await context.session.send_log_message("info", params.arguments["text"])
    return text("logged")


async def add_tool(_context, params):
    SHARED.added.append(params.arguments["name"])
    await BUS.publish(ToolsListChanged())
    return text("added")


async def touch(_context, params):
    SHARED.text = params.arguments["text"]
    await BUS.publish(ResourceUpdated(uri=common.STATE))
    return text("touched")


def asks(request, read):
    """Makes a tool that asks, and returns what `read` makes of the answer."""

    async def tool(_context, params):
        if params.input_responses:
            return text(read(params.input_responses["answer"]))
        return types.InputRequiredResult(input_requests={"answer": request})

    return tool


QUESTION = types.TextContent(type="text", text=common.CATALOG["sampling"])
sample = asks(
    types.CreateMessageRequest(
        params=types.CreateMessageRequestParams(
            messages=[types.SamplingMessage(role="user", content=QUESTION)], max_tokens=10
        )
    ),
    lambda answer: answer.content.text,
)
elicit_form = asks(
    types.ElicitRequest(
        params=types.ElicitRequestFormParams(
            message=common.FORM["message"], requested_schema=common.FORM["schema"]
        )
    ),
    lambda answer: f"{answer.action} {(answer.content or {}).get('name')}",
)
elicit_url = asks(
    types.ElicitRequest(
        params=types.ElicitRequestURLParams(
            message=common.URL["message"], url=common.URL["url"]
        )
    ),
    lambda answer: answer.action,
)
roots = asks(types.ListRootsRequest(), lambda answer: str(answer.roots[0].uri))


def task_state(task_id):
    """Describes a task as the extension does; it takes 50 ms."""
    done = time.monotonic() - RUNNING[task_id] > 0.05
    state = {
        "taskId": task_id,
        "status": "completed" if done else "working",
        "createdAt": "2026-01-02T03:04:05Z",
        "lastUpdatedAt": "2026-01-02T03:04:05Z",
        "ttlMs": 60000,
        "pollIntervalMs": 20,
    }
    if done:
        result = text("worked").model_dump(mode="json", by_alias=True, exclude_none=True)
        state["result"] = {"resultType": "complete", **result}
    return state


async def task(context, _params):
    capabilities = context.session.client_capabilities
    if TASKS not in ((capabilities and capabilities.extensions) or {}):
        await anyio.sleep(0.05)
        return text("worked")
    task_id = f"task-{next(NUMBERS)}"
    RUNNING[task_id] = time.monotonic()
    return {**task_state(task_id), "resultType": "task"}


class TaskParams(types.RequestParams):
    model_config = ConfigDict(extra="allow")

    taskId: str


async def get_task(_context, params):
    if params.taskId not in RUNNING:
        raise MCPError(code=-32602, message="no such task")
    return task_state(params.taskId)


async def cancel_task(_context, params):
    RUNNING.pop(params.taskId, None)
    return {}


TOOLS = {
    "fail": fail, "refuse": refuse, "progress": progress, "wait": wait, "cancelled": cancelled,
    "log": log, "add_tool": add_tool, "touch": touch, "sample": sample,
    "elicit_form": elicit_form, "elicit_url": elicit_url, "roots": roots, "task": task,
}


async def call_tool(context, params):
    if params.name not in {known for known, *_ in SHARED.tools()}:
        raise MCPError(code=-32602, message=f"unknown tool `{params.name}`")
    if params.name not in TOOLS:
        return text((params.arguments or {})["text"])
    return await TOOLS[params.name](context, params)


async def set_logging_level(_context, _params):
    return types.EmptyResult()


server = Server(
    "matrix-python2",
    version="1",
    on_list_tools=list_tools,
    on_call_tool=call_tool,
    on_list_resources=list_resources,
    on_list_resource_templates=list_resource_templates,
    on_read_resource=read_resource,
    on_list_prompts=list_prompts,
    on_get_prompt=get_prompt,
    on_completion=completion,
    on_subscriptions_listen=ListenHandler(BUS),
    # No modern request, but without it the server would not say that it logs.
    on_set_logging_level=set_logging_level,
)
server.extensions[TASKS] = {}
server.add_request_handler("tasks/get", TaskParams, get_task)
server.add_request_handler("tasks/cancel", TaskParams, cancel_task)


async def serve_stdio():
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())


if common.FLAGS.transport == "stdio":
    anyio.run(serve_stdio)
else:
    common.listen(server.streamable_http_app(), "/mcp")
