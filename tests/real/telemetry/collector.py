"""A collector of traces (OTLP over HTTP) that writes each span it gets as a line of JSON.

The messages are those of the official package; whatever it cannot read is answered with 400."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service
from opentelemetry.proto.trace.v1 import trace_pb2 as trace


def plain(attributes):
    return {it.key: getattr(it.value, it.value.WhichOneof("value")) for it in attributes}


def spans(request):
    for of_resource in request.resource_spans:
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield {
                    "resource": plain(of_resource.resource.attributes),
                    "scope": of_scope.scope.name,
                    "trace": span.trace_id.hex(),
                    "id": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "state": span.trace_state,
                    "name": span.name,
                    "kind": trace.Span.SpanKind.Name(span.kind),
                    "begun": span.start_time_unix_nano,
                    "ended": span.end_time_unix_nano,
                    "flags": span.flags,
                    "attributes": plain(span.attributes),
                    "status": trace.Status.StatusCode.Name(span.status.code),
                    "message": span.status.message,
                }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_right = self.path == "/v1/traces"
        is_right = is_right and self.headers["Content-Type"] == "application/x-protobuf"
        request = service.ExportTraceServiceRequest()
        if is_right:
            request.ParseFromString(body)
        for span in spans(request):
            span["key"] = self.headers["X-Key"]
            print(json.dumps(span), flush=True)
        answer = service.ExportTraceServiceResponse().SerializeToString()
        self.send_response(200 if is_right else 400)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), Handler)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
