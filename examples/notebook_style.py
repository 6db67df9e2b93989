# %% [markdown]
"""Read, plan, train, predict, evaluate and look, cell by cell.

Open this file in VS Code or Spyder, in Jupyter with jupytext, or run it at once with
`python examples/notebook_style.py`. With a viewer open (`%gui qt`, `viewer = napari.Viewer()`), the last cell
shows the prediction there.
"""

# %%
from pathlib import Path

import napari
from IPython.display import Image, display

import unetscope
from unetscope.evaluation.plots import Case, case_panels, save
from unetscope.samples import sample_folder
from unetscope.viewer import add_layer

MINUTES = 1.0
OUT = Path("results")
heart = sample_folder("heart")

# %% Read
image = unetscope.read(heart / "test" / "SAMPLE-B_0008.dcm")
truth = unetscope.read_mask(heart / "test" / "GT" / "SAMPLE-B_0008.png", on=image)
print(f"{image.name}: {image.axes} {image.data.shape}, pixels of {image.spacing} {image.units}")

# %% Plan
plan = unetscope.plan(heart / "training", minutes=MINUTES)
print(*plan.reasons, sep="\n")


# %% Train; stop the cell to end early, and go on with unetscope.resume(OUT)
def tell(epoch):
    print(f"epoch {epoch.epoch}: loss {epoch.train_loss:.3f}, validation Dice {epoch.val_dice:.3f}")


run = unetscope.train(heart / "training", OUT, recipe=plan.recipe, on_epoch=tell)
display(Image(filename=OUT / "curves.png"))

# %% Predict and evaluate
prediction = unetscope.predict(run.path, image)
report = unetscope.evaluate([prediction.labels], [truth], target=run.recipe.target)
print(report.table())

# %% Look
case = Case(f"{image.name}, Dice {report.mean['dice']:.2f}", image.data, truth.data, prediction.labels.data)
display(Image(filename=save(case_panels([case]), OUT / "case.png")))

# %% Look in the viewer, if one is open
viewer = napari.current_viewer()
if viewer is not None:
    layer = add_layer(viewer, image, name=image.name)
    add_layer(viewer, prediction.labels, kind="labels", name="prediction", like=layer)
