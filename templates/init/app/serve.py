"""Serves the model over HTTP: POST /invocations {"observations": [[x, y], ...]}; replace it with your own."""

import json
import os
import signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from features import of_request
from model import load, predict

# mlimage sets these in the image; the defaults let the program run outside as well.
HOST = os.environ.get("MLIMAGE_HOST", "127.0.0.1")
PORT = int(os.environ.get("MLIMAGE_PORT", "8080"))
HEALTH = os.environ.get("MLIMAGE_HEALTH_ROUTE", "/ping")
PREDICT = os.environ.get("MLIMAGE_PREDICT_ROUTE", "/invocations")
LONGEST = 1_000_000


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    def do_GET(self) -> None:
        """Say that the server is ready."""
        if self.path == HEALTH:
            self.answer(200, {"status": "ready"})
        else:
            self.answer(404, {"error": "no such path"})

    def do_POST(self) -> None:
        """Predict."""
        if self.path != PREDICT:
            self.answer(404, {"error": "no such path"})
            return
        try:
            predictions = predict(of_request(json.loads(self.body())))
        except (ValueError, TypeError, KeyError) as error:
            self.answer(400, {"error": f"{type(error).__name__}: {error}"})
            return
        self.answer(200, {"predictions": predictions.tolist()})

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log what was not answered well; a line for every request would hide it."""
        if code != 200:
            super().log_request(code, size)

    def body(self) -> bytes:
        """Read the request's body."""
        length = int(self.headers.get("Content-Length", "0"))
        if not 0 < length <= LONGEST:
            raise ValueError(f"expected a body of 1 to {LONGEST} bytes")
        return self.rfile.read(length)

    def answer(self, status: int, body: dict) -> None:
        """Send JSON."""
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def stop(_number: int, _frame: object) -> None:
    """End the process in order when it is asked to stop."""
    raise SystemExit(0)


def main() -> None:
    """Load the model, then answer until stopped."""
    load()
    signal.signal(signal.SIGTERM, stop)
    with ThreadingHTTPServer((HOST, PORT), Handler) as server:
        print(f"serving on port {PORT}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
