"""`make load`: full recommendations of a running `cinefeast serve`, as Locust sees them."""

import itertools
import os

from locust import FastHttpUser, task

KEY = os.environ.get("KEY") or os.environ.get("CINEFEAST_READ_KEYS", "").split(",")[0].strip()
"""Of a server that has read keys."""
HEADERS = {"X-API-Key": KEY} if KEY else {}
USERS = itertools.cycle(range(1, 1 + int(os.environ.get("USERS", "900"))))


class Client(FastHttpUser):
    """Asks for the next user as soon as it is answered. A degraded answer is a failure."""

    @task
    def recommendations(self) -> None:
        """500 candidates are ranked."""
        path = f"/v1/users/{next(USERS)}/recommendations?candidates=500"
        with self.client.get(path, name="recommendations", headers=HEADERS, catch_response=True) as answer:
            if answer.status_code == 200 and answer.json()["degraded"]:
                answer.failure(f"degraded: {answer.json()['degraded']}")
