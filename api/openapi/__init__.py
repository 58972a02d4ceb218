"""The OpenAPI document of the web service.

``operations.py`` has the paths, ``parameters.py`` their parameters, ``schemas.py`` their replies;
``document.py`` combines them, and ``page.py`` serves the result. Tests compare it with the code.
"""

from api.openapi.document import openapi_document

__all__ = ["openapi_document"]
