"""`cinefeast refresh`: what is served, with the films and counts of now. Nothing is trained, so it takes minutes.

A film that was first rated after the models were fitted is in no chart, no list of neighbours and no index, whatever is
known of it. Channels that count do so anew, up to the newest rating; towers make every film's vector of its features of
now. Weights, and the ranker, stay what they are.
"""

import shutil
from typing import Any

from dbt_project.errors import CineFeastError
from dbt_project.workspace import publish_directory, workspace
from models.dataset import SPLITS, Dataset
from models.progress import Steps
from models.registry import model_class
from models.served import CHANNELS, FINAL, served_models
from models.staging import staged
from models.train import artifacts_of

COMMAND = "cinefeast refresh"


def refresh() -> None:
    """Put a refreshed set in the place of the final models, at once.

    CineFeastError where no final models are served: those of the evaluation must not see what they are judged by.
    """
    from feature_repo.store import load_store

    space = workspace()
    folder, data = artifacts_of(space, "time"), Dataset(load_store())
    served = served_models(folder)
    if served.fit != FINAL:
        raise CineFeastError("no final models are served, so nothing can be refreshed", f"cinefeast train --{FINAL}")
    steps = Steps(len(CHANNELS))
    with staged(folder, COMMAND) as place:
        for name in CHANNELS:
            channel: Any = model_class(name).load(served.folder / name, data.store)
            fresh = channel.refreshed(data)
            if fresh is channel:
                shutil.copytree(served.folder / name, place / name)
                steps.ended(f"{name} stays as it is: its films are in its weights")
                continue
            kept = {key: channel.provenance[key] for key in ("choices", "dataset")}
            fresh.provenance |= kept | {"refreshed_until": data.learned_until(SPLITS[-1]).isoformat()}
            fresh.save(place / name)
            steps.ended(f"refreshed {name}", {"films": len(fresh.films), "before": len(channel.films)})
        for besides in served.folder.glob("[!.]*"):
            if besides.name not in CHANNELS:  # the ranker, and what it was trained on
                (shutil.copytree if besides.is_dir() else shutil.copy2)(besides, place / besides.name)
        publish_directory(place, folder / FINAL)
