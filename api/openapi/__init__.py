"""The OpenAPI document of the web service; tests hold it against the code."""

from api.openapi.document import openapi_document

__all__ = ["openapi_document"]
