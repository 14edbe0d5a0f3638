"""HTTP: GraphQL over POST, GET and WebSocket, the IDE, probes and metrics."""

from api.http.app import create_app

__all__ = ["create_app"]
