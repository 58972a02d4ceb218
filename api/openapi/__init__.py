"""The OpenAPI document of the web service.

``operations.py`` has the paths, ``parameters.py`` the parameters, and ``schemas.py`` the replies.
``document.py`` combines them, and ``page.py`` serves the document. Tests compare the document with
the code.
"""

from api.openapi.document import openapi_document

__all__ = ["openapi_document"]
