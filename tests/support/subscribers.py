"""Connections to Redis that have a subscription."""

import redis


def subscribers(client: redis.Redis) -> set[str]:
    """Return the ids of the connections with a subscription; those of earlier tests may remain."""
    return {each["id"] for each in client.client_list(_type="pubsub") if int(each["sub"])}
