"""`make load`: full recommendations of a running `cinefeast serve`, as Locust sees them."""

import itertools
import os

from locust import FastHttpUser, task

USERS = itertools.cycle(range(1, 1 + int(os.environ.get("USERS", "900"))))


class Client(FastHttpUser):
    """Asks for the next user as soon as it is answered. A degraded answer is a failure."""

    @task
    def recommendations(self) -> None:
        """500 candidates are ranked."""
        path = f"/v1/users/{next(USERS)}/recommendations?candidates=500"
        with self.client.get(path, name="recommendations", catch_response=True) as answer:
            if answer.status_code == 200 and answer.json()["degraded"]:
                answer.failure(f"degraded: {answer.json()['degraded']}")
