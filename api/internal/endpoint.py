"""The base of ``/v2/internal/*``: what the cluster's own servers tell and ask each other."""

from api.http.endpoint import Endpoint
from api.http.errors import NotAllowedError
from api.http.exchange import Exchange
from api.http.parameters import Parameters


class InternalEndpoint(Endpoint):
    """A path for whoever knows the cluster's secret; shut while none is configured.

    A wrong secret costs as much of the rate limit as any request, so that nobody can try many.
    """

    def prepare(self, parameters: Parameters, exchange: Exchange) -> None:
        """Let nobody in without the secret, whatever else was sent.

        Raises:
            NotAllowedError: it is missing or wrong, or none is configured.
            UnknownFormatError: there is no such format.
        """
        if not self.is_cluster(parameters):
            raise NotAllowedError(
                '"secret" must be the cluster\'s secret, which this server must have been given too'
            )
        super().prepare(parameters, exchange)


class MasterEndpoint(InternalEndpoint):
    """A path that only the master of the cluster serves."""

    def prepare(self, parameters: Parameters, exchange: Exchange) -> None:
        """Refuse where this server is not the master, too.

        Raises:
            NotAllowedError: it is a replica, or the secret is not right.
            UnknownFormatError: there is no such format.
        """
        super().prepare(parameters, exchange)
        if self.services.settings.cluster.role != "master":
            raise NotAllowedError("this server is a replica: ask the cluster's master")
