"""Learning curves."""

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from hdd.visualization.style import CYCLE


def plot_history(histories: dict[str, dict[str, list[float]]], title: str = "") -> Figure:
    """Draw loss and accuracy by epoch: dashed for training, solid for validation.

    Args:
        histories: name of a run -> what `naive_train_classification_model` returned.
        title: the finding, above both panels.
    """
    figure, (loss, accuracy) = plt.subplots(1, 2, figsize=(10, 3.8))
    for (name, history), color in zip(histories.items(), CYCLE, strict=False):
        epochs = range(1, len(history["val_loss"]) + 1)
        for axes, figure_name in ((loss, "loss"), (accuracy, "accuracy")):
            axes.plot(epochs, history[f"train_{figure_name}"], "--", color=color, alpha=0.7)
            axes.plot(epochs, history[f"val_{figure_name}"], "-o", color=color, ms=4, label=name)
    loss.set(xlabel="epoch", ylabel="loss", title="dashed: training, solid: validation")
    accuracy.set(xlabel="epoch", ylabel="accuracy", title="share of images right")
    for axes in (loss, accuracy):
        axes.xaxis.get_major_locator().set_params(integer=True)
    accuracy.legend(loc="lower right")
    figure.suptitle(title)
    return figure
