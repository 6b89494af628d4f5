"""Requests made from ``/openapi.json``: `make schemathesis`."""
