"""Base classes of ``/v2/internal/*``, the paths for the other servers of the cluster."""

from api.access.access_control import AccessControl, CountedEndpoint
from api.http.endpoint import ApiRequest
from api.http.errors import NotAllowedError
from pipeline.runtime.databases import Databases


class InternalEndpoint(CountedEndpoint):
    """A path that needs the cluster's secret. If none is configured, all requests are refused.

    Requests with a wrong secret count for the rate limits, so a client has few attempts.

    Args:
        access: checks and counts the requests.
        databases: the app database is read and written.
    """

    def __init__(self, access: AccessControl, databases: Databases) -> None:
        super().__init__(access)
        self._databases = databases

    def prepare(self, request: ApiRequest) -> None:
        """Check the secret before any other parameter.

        Raises:
            NotAllowedError: the secret is missing or wrong, or none is configured.
            UnknownFormatError: the format is unknown.
        """
        if not self.access.has_cluster_secret(request.parameters):
            raise NotAllowedError(
                '"secret" must be the cluster\'s secret, which this server must be configured with'
            )
        super().prepare(request)


class MasterEndpoint(InternalEndpoint):
    """A path that only the master of the cluster serves."""

    def prepare(self, request: ApiRequest) -> None:
        """Check the secret, then this server's role.

        Raises:
            NotAllowedError: the secret is missing or wrong, or this server is a replica.
            UnknownFormatError: the format is unknown.
        """
        super().prepare(request)
        if self.access.cluster.role != "master":
            raise NotAllowedError(
                "this server is a replica: send the request to the cluster's master"
            )
