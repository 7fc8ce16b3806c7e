"""The layer of the steps: the key by which it is found again."""

import posixpath
from collections.abc import Mapping
from pathlib import Path

from mlimage.content.app import app_entries
from mlimage.digest import Digest, canonical_json
from mlimage.engines.own import key_of_own
from mlimage.plan.layers import SEAL_VERSION
from mlimage.plan.model import AppLayer, BuildPlan, GoldenLayer, Moment, RecipeLayer, RuntimeLayer, StepsLayer


def key_of_steps(plan: BuildPlan, keys: Mapping[str, Digest], folder: Path) -> Digest:
    """The key of what the steps leave: the Dockerfile, and all that an instruction of it can read.

    What a step fetches is not in it, as it is in no cache of Docker's.

    Args:
        plan: the build.
        keys: of the other layers, by name.
        folder: the image's folder in the project, whose files a template may copy.
    """
    # Most images have no steps, and jinja2 takes its time.
    from mlimage.render.dockerfile import render
    from mlimage.render.ignore import unseen_below_image

    dockerfile = plan.dockerfile
    sees_app = dockerfile.template or any(step.at is Moment.AFTER_APP for step in dockerfile.steps)
    never = StepsLayer | RecipeLayer | GoldenLayer
    unseen = never if sees_app else never | RuntimeLayer | AppLayer
    below = [keys[layer.name] for layer in plan.layers if not isinstance(layer, unseen)]
    [app] = [layer for layer in plan.layers if isinstance(layer, AppLayer)]
    seen = (
        app_entries(
            folder,
            ignore=unseen_below_image(plan),
            data=app.data,
            links={posixpath.normpath(f"{app.source}/{place}"): target for place, target in app.links},
        )
        if dockerfile.template
        else ()
    )
    files = key_of_own(seen, plan.compression) if dockerfile.template else None
    return Digest.of(
        canonical_json(
            {
                "seal": SEAL_VERSION,
                "kind": "steps",
                "dockerfile": render(plan).dockerfile,
                "below": below,
                "files": files,
                "compression": plan.compression,
            }
        )
    )
