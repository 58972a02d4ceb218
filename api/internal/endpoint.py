"""Base classes of ``/v2/internal/*``, the paths for the other servers of the cluster."""

from api.access.access_control import AccessControl, CountedEndpoint
from api.http.endpoint import ApiRequest
from api.http.errors import NotAllowedError
from pipeline.runtime.databases import Databases


class InternalEndpoint(CountedEndpoint):
    """A path that needs the cluster's secret; closed if none is configured.

    A request with a wrong secret counts for the rate limits, which limits guessing.

    Args:
        access: checks and counts the requests.
        databases: of which the app database is read and written.
    """

    def __init__(self, access: AccessControl, databases: Databases) -> None:
        super().__init__(access)
        self._databases = databases

    def prepare(self, request: ApiRequest) -> None:
        """Check the secret before any other parameter.

        Raises:
            NotAllowedError: it is missing or wrong, or none is configured.
            UnknownFormatError: the format is unknown.
        """
        if not self.access.has_cluster_secret(request.parameters):
            raise NotAllowedError(
                '"secret" must be the cluster\'s secret, which this server must have been given too'
            )
        super().prepare(request)


class MasterEndpoint(InternalEndpoint):
    """A path that only the master of the cluster serves."""

    def prepare(self, request: ApiRequest) -> None:
        """Check the secret, then this server's role.

        Raises:
            NotAllowedError: this server is a replica, or the secret is not right.
            UnknownFormatError: the format is unknown.
        """
        super().prepare(request)
        if self.access.cluster.role != "master":
            raise NotAllowedError("this server is a replica: ask the cluster's master")
