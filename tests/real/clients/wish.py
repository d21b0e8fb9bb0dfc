"""What the Python clients share: the command line, fixed answers, the report."""

import json
import os
import sys

MODE = sys.argv[1]
WISH = json.loads(sys.argv[2])
TRANSPORT, REVISION = WISH.get("transport", "stdio"), WISH.get("revision")
# The command is the address of the server when the transport is not stdio.
COMMAND, ARGS = sys.argv[3], sys.argv[4:]
ENV = dict(os.environ)

REPORT = {"asked": [], "progress": [], "logs": []}


def plain(model):
    """Returns a model as the JSON it stands for."""
    return None if model is None else model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def attempt(action, refusals):
    """A refusal is part of the report, not the end of it."""
    try:
        return {"result": plain(await action)}
    except refusals as error:
        return {"error": {"code": error.error.code, "message": error.error.message}}


async def every(call, member):
    """Follows the pages."""
    items, cursor = [], None
    while True:
        page = plain(await call(cursor))
        items += page[member]
        cursor = page.get("nextCursor")
        if cursor is None or len(items) >= 10000:
            return items


async def fill(session, refusals):
    """Lists everything; a server without a list has nothing in it."""
    lists = {
        "tools": (session.list_tools, "tools"),
        "resources": (session.list_resources, "resources"),
        "templates": (session.list_resource_templates, "resourceTemplates"),
        "prompts": (session.list_prompts, "prompts"),
    }
    for name, (call, member) in lists.items():
        try:
            REPORT[name] = await every(lambda cursor, call=call: call(cursor=cursor), member)
        except refusals:
            REPORT[name] = []


async def progressed(progress, total, message):
    REPORT["progress"].append({"progress": progress, "total": total, "message": message})


async def act(session, refusals, types):
    """Calls, reads, prompts and completes as wished."""
    REPORT["called"] = [
        await attempt(
            session.call_tool(call["name"], call.get("arguments"), progress_callback=progressed),
            refusals,
        )
        for call in WISH.get("calls", [])
    ]
    REPORT["read"] = [
        await attempt(session.read_resource(uri), refusals) for uri in WISH.get("reads", [])
    ]
    REPORT["prompted"] = [
        await attempt(session.get_prompt(prompt["name"], prompt.get("arguments")), refusals)
        for prompt in WISH.get("prompts", [])
    ]
    references = {
        "ref/prompt": types.PromptReference,
        "ref/resource": types.ResourceTemplateReference,
    }
    REPORT["completed"] = [
        await attempt(
            session.complete(
                references[wanted["ref"]["type"]](**wanted["ref"]), wanted["argument"]
            ),
            refusals,
        )
        for wanted in WISH.get("completions", [])
    ]


def callbacks(types):
    """Returns the handlers of both SDK versions: fixed answers."""

    async def sampling(_context, _params):
        REPORT["asked"].append("sampling/createMessage")
        content = types.TextContent(type="text", text="hello")
        return types.CreateMessageResult(role="assistant", content=content, model="none")

    async def elicitation(_context, params):
        REPORT["asked"].append("elicitation/create")
        if params.mode == "url":
            return types.ElicitResult(action="accept")
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    async def roots(_context):
        REPORT["asked"].append("roots/list")
        return types.ListRootsResult(roots=[types.Root(uri="file:///x", name="x")])

    async def logging(params):
        REPORT["logs"].append(plain(params))

    return {
        "sampling_callback": sampling,
        "elicitation_callback": elicitation,
        "list_roots_callback": roots,
        "logging_callback": logging,
    }


def done():
    json.dump(REPORT, sys.stdout)
