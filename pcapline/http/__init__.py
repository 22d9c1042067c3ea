"""The HTTP face of every long-running process. The only door to starlette and uvicorn (and h11, which it speaks by)."""

from pcapline.http.face import HttpFace
from pcapline.http.serving import serve

__all__ = ["HttpFace", "serve"]
