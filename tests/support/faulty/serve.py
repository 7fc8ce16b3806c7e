"""Serve it, with nothing but Python's own server."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from digits.faults import step
from digits.model import load
from digits.preprocessing import pixels

MODEL = load()


class Handler(BaseHTTPRequestHandler):
    """Answers `/ping` and `/invocations`."""

    def do_GET(self) -> None:
        self.answer(b"ready")

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chances = MODEL.predict_proba(step("served", pixels(query)))
        answers = [{"digit": int(row.argmax()), "probability": float(row.max())} for row in chances]
        self.answer(json.dumps({"predictions": [step("answer", each) for each in answers]}).encode())

    def answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


ThreadingHTTPServer((os.environ["MLIMAGE_HOST"], int(os.environ["MLIMAGE_PORT"])), Handler).serve_forever()
