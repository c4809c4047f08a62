"""A server of files for whoever has the signature, as a store gives them out by signed URLs."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SECRET = "SECRETSIG"


class Signed(http.server.SimpleHTTPRequestHandler):
    """Gives files to whoever has the signature, where one is asked for."""

    asked = SECRET

    def send_head(self) -> Any:
        if self.asked and self.asked not in self.path:
            self.send_error(403)
            return None
        return super().send_head()

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder; lend its address."""
    handler = functools.partial(Signed, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_address[1]}"
        found.shutdown()
