"""A thin typed client of a FlexDSE service.

import flexdse
service = flexdse.connect("http://127.0.0.1:8000")
found = service.explore(model="llama-3.2-1b", device="u280", prompt_tokens=1024, output_tokens=1024)
found.wait()
found.front()                # pandas data frame, columns as in front.parquet
"""

from flexdse.client.connection import Connection
from flexdse.client.resources import RemoteExploration, RemoteJob, RemoteProject, RemoteRun, RemoteSweep
from flexdse.client.service import Service, connect

__all__ = [
    "Connection",
    "RemoteExploration",
    "RemoteJob",
    "RemoteProject",
    "RemoteRun",
    "RemoteSweep",
    "Service",
    "connect",
]
