"""The HTTP face of every long-running process, and whom it is shown to. Only door to starlette, uvicorn, and the h11 below."""

from pcapline.http.face import HttpFace
from pcapline.http.serving import serve

__all__ = ["HttpFace", "serve"]
