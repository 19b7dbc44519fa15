"""What an answer does not tell: paths of the machine and addresses of stores. Logs have them whole."""

import sys

from dbt_project.workspace import workspace
from serving.config import REDIS, addresses, settings, text_of

STORE = "its address"


def without_places(text: str) -> str:
    """The text with every such place by its name alone."""
    named = {str(workspace().root): "workspace", sys.prefix: "the environment"}
    named |= {str(path): path.name for path in (settings().rules, settings().keys_file) if path}
    named |= {address: STORE for address in addresses(text_of(REDIS)).split(",") if address}
    for place in sorted(named, key=len, reverse=True):
        text = text.replace(place, named[place])
    return text
