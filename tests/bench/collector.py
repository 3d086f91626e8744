"""A real OTLP/HTTP endpoint that decodes and counts spans, as a process: its one argument is the port."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Collector(BaseHTTPRequestHandler):
    """Takes what is exported, and answers how many spans it has had so far."""

    protocol_version = "HTTP/1.1"
    spans = 0

    def do_POST(self) -> None:
        """Decode one export."""
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
        for resource in request.resource_spans:
            Collector.spans += sum(len(scope.spans) for scope in resource.scope_spans)
        self._answer(ExportTraceServiceResponse().SerializeToString(), "application/x-protobuf")

    def do_GET(self) -> None:
        """Return the count."""
        self._answer(str(Collector.spans).encode(), "text/plain")

    def log_message(self, *_: object) -> None:
        """Say nothing a request."""

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until the process is ended."""
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Collector)
    sys.stdout.write("collecting\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
