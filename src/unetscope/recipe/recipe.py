"""The recipe: everything that decides a training run, in one validated and frozen object.

Command line, widgets and scripts fill in this object and nothing else. It is written to YAML in every
run folder and inside every model file, and two recipes that compare equal train the same way.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from unetscope.recipe._shown import plain_title, shown

__all__ = [
    "Augmentation",
    "BorderWeights",
    "Loss",
    "Network",
    "Normalize",
    "Optimizer",
    "Prediction",
    "Preprocess",
    "Recipe",
    "Schedule",
    "Split",
    "Target",
    "Training",
]

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Size = Annotated[int, Field(ge=1)]
Sizes = tuple[Size, Size] | tuple[Size, Size, Size]


class _Section(BaseModel):
    """Frozen, and strict about names: an unknown key is a mistake, never ignored."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        field_title_generator=plain_title,
    )


class Normalize(_Section):
    """How pixel values become numbers that a network likes."""

    method: Literal["percentile", "minmax", "zscore", "window", "none"] = "percentile"
    """percentile: `low`-th to `high`-th percentile become 0 and 1. minmax: minimum and maximum become 0
    and 1. zscore: mean 0 and standard deviation 1. window: the DICOM window becomes 0 to 1. none: values
    as they are."""
    low: Annotated[
        float,
        Field(ge=0, lt=100),
        shown("Low percentile", unit="%", step=1, only={"method": ("percentile",)}),
    ] = 5.0
    """Percentile that becomes 0. 0 keeps the darkest details."""
    high: Annotated[
        float,
        Field(gt=0, le=100),
        shown("High percentile", unit="%", step=1, only={"method": ("percentile",)}),
    ] = 95.0
    """Percentile that becomes 1. Raise it, to 99.5 or so, where the objects are few and bright."""
    clip: Annotated[bool, shown("Clip to 0–1", only={"method": ("percentile", "window")})] = True
    """Whether percentile and window clip to [0, 1]; otherwise values beyond the limits stay so."""
    center: Annotated[
        float | None, shown("Window center", none="the file's own", only={"method": ("window",)})
    ] = None
    """Window center in pixel values; the file's own window when left out."""
    width: Annotated[
        Positive | None,
        shown("Window width", none="the file's own", example=100.0, only={"method": ("window",)}),
    ] = None
    """Window width in pixel values."""
    scope: Annotated[
        Literal["image", "channel", "dataset"],
        shown("Statistics over", only={"method": ("percentile", "minmax", "zscore")}),
    ] = "image"
    """Statistics over the whole image, each channel of it, or each channel of the training set."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if (self.center is None) != (self.width is None):
            raise ValueError("center and width belong together: give both or neither")
        return self

    @property
    def needs_dataset(self) -> bool:
        """Whether only the training set tells the statistics."""
        return self.scope == "dataset" and self.method not in ("window", "none")


class Preprocess(_Section):
    """What happens to an image before the network sees it, in this order: color, normalize, resize, crop."""

    color: Literal["keep", "gray"] = "keep"
    """keep: all channels as they are. gray: the channels of a color image become one (ITU-R BT.709)."""
    normalize: Normalize = Normalize()
    resize: Annotated[Sizes | None, shown("Resize to", unit="px", none="not resized", example=(128, 128))] = (
        None
    )
    """Size in pixels that every image is resized to (linear for images, nearest for masks)."""
    diameter: Annotated[
        Positive | None, shown("Objects' diameter", unit="px", none="as it is", example=20.0, step=1)
    ] = None
    """Diameter in pixels that objects are brought to: every image is resized until the median of its objects
    has it. Of new images it is estimated, unless it is given."""
    crop: Annotated[Sizes | None, shown("Crop to", unit="px", none="not cropped", example=(128, 128))] = None
    """Size in pixels of the central part that is kept; smaller images are padded with their edge."""


class Target(_Section):
    """What is segmented, and how a mask is read."""

    kind: Annotated[Literal["binary", "multiclass", "instances"], shown("What to segment")] = "binary"
    """binary: object or background. multiclass: one class per mask value. instances: one object per mask
    value, each told from its neighbors."""
    separate: Annotated[
        Literal["center", "gap", "boundary", "distance"],
        shown("Tell objects apart by", only={"kind": ("instances",)}),
    ] = "center"
    """instances: what tells touching objects apart. center: more maps say where the center of its object
    lies from a pixel, and where objects meet. gap: the foreground leaves a pixel between them. boundary: the
    rim of each is a class of its own. distance: a second map says how deep inside its object a pixel lies."""
    threshold: Annotated[NonNegative, shown("Mask threshold", only={"kind": ("binary",)})] = 0.0
    """binary: mask pixels above this are the object."""
    values: Annotated[
        tuple[int, ...] | None,
        shown("Mask values", none="those of the masks", example=(0, 1, 2), only={"kind": ("multiclass",)}),
    ] = None
    """multiclass: the mask values, background first; those of the training masks when left out."""
    ignore: Annotated[int | None, shown("Unlabeled value", none="none", example=0)] = None
    """Mask value of pixels that nobody labeled: no loss, no score. 0 for sparse annotation, where only a few
    strokes are painted."""
    background: Annotated[int, Field(ge=0), shown("Background value")] = 0
    """Mask value of the background. Sparse annotation paints it, usually with 1, because 0 is not labeled.
    Predictions hold 0 for background always."""

    @property
    def by_center(self) -> bool:
        """Whether the network says where the center of its object lies from a pixel."""
        return self.kind == "instances" and self.separate == "center"

    @property
    def by_gap(self) -> bool:
        """Whether the foreground leaves a pixel between objects."""
        return self.kind == "instances" and self.separate == "gap"

    @property
    def by_boundary(self) -> bool:
        """Whether the rims of objects are a class of their own."""
        return self.kind == "instances" and self.separate == "boundary"

    @property
    def by_distance(self) -> bool:
        """Whether the network says how deep inside its object a pixel lies."""
        return self.kind == "instances" and self.separate == "distance"

    @property
    def sparse(self) -> bool:
        """Whether masks hold strokes: where nothing is painted, nothing is labeled."""
        return self.ignore == 0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.ignore == self.background:
            raise ValueError(
                f"background and ignore are both {self.ignore}; sparse annotation needs a background of its "
                "own, usually background 1 with ignore 0"
            )
        if self.values is None:
            return self
        if len(self.values) < 2 or len(set(self.values)) != len(self.values):
            raise ValueError(f"values {self.values} are not two or more different mask values")
        if self.ignore in self.values:
            raise ValueError(f"ignore {self.ignore} is also one of values {self.values}")
        if self.background != 0 and self.values[0] != self.background:
            raise ValueError(f"values {self.values} do not begin with background {self.background}")
        if self.background != 0 and 0 in self.values:
            raise ValueError(f"values {self.values} hold 0 beside background {self.background}")
        return self


class Network(_Section):
    """The U-Net (Ronneberger et al. 2015) and its usual variations."""

    dimensions: Literal[2, 3] = 2
    """2: slice by slice. 3: volumes."""
    depth: Annotated[int, Field(ge=1, le=6)] = 4
    """How many times the image is halved on the way down."""
    width: Annotated[Size, shown("Channels, first level")] = 32
    """Feature channels of the first level; each level down has twice as many."""
    max_width: Annotated[Size, shown("Channels, at most")] = 1024
    """No level has more feature channels than this."""
    widths: Annotated[
        tuple[Size, ...] | None,
        shown("Channels of each level", none="doubling", example=(32, 64, 128, 256, 512)),
    ] = None
    """Feature channels of every level, first to deepest (depth + 1 numbers), instead of doubling."""
    convs: Annotated[int, Field(ge=1, le=4), shown("Convolutions per level")] = 2
    """3×3 convolutions per level."""
    padding: Literal["same", "valid"] = "same"
    """same: output as large as the input. valid: no invented border, cropped skips, smaller output."""
    norm: Annotated[Literal["batch", "instance", "group", "none"], shown("Normalization")] = "none"
    """Normalization after each convolution."""
    activation: Literal["relu", "leaky-relu"] = "relu"
    """leaky-relu lets a hundredth of negative values through."""
    dropout: Annotated[Fraction | tuple[Fraction, ...], shown(example=(0.0, 0.0, 0.1, 0.2, 0.3))] = 0.0
    """Dropout of each level: one number for all, or depth + 1 numbers, first to deepest."""
    upsampling: Literal["transposed", "interpolate"] = "transposed"
    """transposed: learned upsampling. interpolate: linear, then a convolution."""
    up_kernel: Annotated[Literal[2, 3], shown("Upsampling kernel", only={"upsampling": ("transposed",)})] = 2
    """Kernel of the transposed convolution."""
    up_activation: Annotated[bool, shown("Activate after upsampling")] = False
    """Whether an activation follows the upsampling."""
    head_kernel: Annotated[Literal[1, 3], shown("Last kernel")] = 1
    """Kernel of the last convolution."""
    init: Annotated[Literal["he-normal", "glorot-uniform"], shown("Start of the weights")] = "he-normal"
    """Random start of the weights: he-normal draws with standard deviation √(2/N) (He et al. 2015),
    glorot-uniform within ±√(6/(N_in + N_out)) (Glorot and Bengio 2010, counted as Keras does)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        levels = self.depth + 1
        if self.widths is not None and len(self.widths) != levels:
            raise ValueError(f"widths has {len(self.widths)} numbers but depth {self.depth} needs {levels}")
        if isinstance(self.dropout, tuple) and len(self.dropout) != levels:
            raise ValueError(f"dropout has {len(self.dropout)} numbers but depth {self.depth} needs {levels}")
        return self

    @property
    def level_widths(self) -> tuple[int, ...]:
        """Feature channels of every level, first to deepest."""
        if self.widths is not None:
            return self.widths
        return tuple(min(self.width * 2**level, self.max_width) for level in range(self.depth + 1))

    @property
    def level_dropout(self) -> tuple[float, ...]:
        """Dropout of every level, first to deepest."""
        return self.dropout if isinstance(self.dropout, tuple) else (self.dropout,) * (self.depth + 1)


class BorderWeights(_Section):
    """Pixel weights that press on the gap between objects (Ronneberger et al. 2015, equation 2)."""

    w0: Annotated[NonNegative, shown("Border weight", step=1)] = 10.0
    """Weight of the border term."""
    sigma: Annotated[Positive, shown("Border reach", unit="px", step=1)] = 5.0
    """Reach of the border term in pixels."""
    balance: Annotated[bool, shown("Balance classes")] = True
    """Whether the class term w_c weighs classes by the inverse of their frequency."""


class Loss(_Section):
    """What training makes small: a weighted sum of a cross entropy and a Dice loss."""

    kind: Annotated[Literal["bce", "ce", "dice", "bce+dice", "ce+dice"], shown("Loss")] = "bce+dice"
    """bce: binary cross entropy, one sigmoid per class. ce: softmax cross entropy. dice: 1 − Dice."""
    dice_smooth: Annotated[
        NonNegative, shown("Dice ε", step="log", only={"kind": ("dice", "bce+dice", "ce+dice")})
    ] = 1e-5
    """ε in the numerator and the denominator of Dice."""
    dice_over: Annotated[
        Literal["batch", "image"], shown("Dice over", only={"kind": ("dice", "bce+dice", "ce+dice")})
    ] = "batch"
    """Whether Dice sums over the whole batch or over each image before averaging."""
    dice_form: Annotated[
        Literal["one-term", "two-term"], shown("Dice form", only={"kind": ("dice", "bce+dice", "ce+dice")})
    ] = "one-term"
    """one-term: 1 − 2Σpr/Σ(p+r). two-term: objects and background (Sudre et al. 2017, DL2)."""
    dice_background: Annotated[bool, shown("Background in Dice", only={"target.kind": ("multiclass",)})] = (
        False
    )
    """Whether the background counts as a class in a multi-class Dice loss."""
    border: Annotated[
        BorderWeights | None, shown("Border weights", only={"kind": ("bce", "ce", "bce+dice", "ce+dice")})
    ] = None
    """Weights of the cross entropy's pixels; none when left out."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.border is not None and self.kind == "dice":
            raise ValueError("border weights belong to a cross entropy; choose kind bce or ce")
        return self

    @property
    def cross_entropy(self) -> Literal["bce", "ce"] | None:
        """The cross entropy in the sum, if any."""
        head = self.kind.split("+")[0]
        return "bce" if head == "bce" else "ce" if head == "ce" else None

    @property
    def has_dice(self) -> bool:
        """Whether the sum has a Dice loss."""
        return self.kind.endswith("dice")


class Optimizer(_Section):
    """How a gradient becomes a step."""

    kind: Annotated[Literal["adam", "adamw", "sgd", "rmsprop"], shown("Optimizer")] = "adamw"
    """adam and adamw adapt the step to each weight, rmsprop too; sgd takes the gradient as it is."""
    learning_rate: Annotated[Positive, shown(step="log")] = 1e-3
    """Size of the steps; where there is a schedule, the largest."""
    momentum: Annotated[float, Field(ge=0, lt=1), shown(only={"kind": ("sgd", "rmsprop")})] = 0.9
    """sgd and rmsprop only: how much of the last steps goes on into the next."""
    nesterov: Annotated[bool, shown("Nesterov momentum", only={"kind": ("sgd",)})] = True
    """sgd only: looks ahead along the momentum before each step."""
    epsilon: Annotated[Positive, shown("ε", step="log", only={"kind": ("adam", "adamw", "rmsprop")})] = 1e-8
    """adam, adamw and rmsprop only: added where the step is divided by the size of recent gradients. Larger
    is calmer where gradients are tiny, as with a Dice loss alone; Keras takes 1e-7."""
    weight_decay: Annotated[NonNegative, shown(step="log")] = 0.0
    """Pulls weights toward zero: as part of the gradient, for adamw directly."""
    clip_norm: Annotated[Positive | None, shown("Largest gradient", none="no limit", example=1.0)] = None
    """Largest norm of the gradient; larger ones are scaled down to it."""


class Schedule(_Section):
    """How the learning rate changes."""

    kind: Annotated[Literal["constant", "plateau", "cosine", "one-cycle"], shown("Schedule")] = "constant"
    """plateau: multiplied by `factor` when validation stands still for `patience` epochs. cosine: falls
    to `final` of itself over the whole budget. one-cycle: rises during `warmup`, then cosine."""
    factor: Annotated[float, Field(gt=0, lt=1), shown(only={"kind": ("plateau",)})] = 0.1
    """plateau only: what the learning rate is multiplied by."""
    patience: Annotated[int, Field(ge=0), shown(unit="epochs", only={"kind": ("plateau",)})] = 10
    """plateau only: epochs without improvement before it is."""
    warmup: Annotated[float, Field(gt=0, lt=1), shown("Warm-up", only={"kind": ("one-cycle",)})] = 0.25
    """one-cycle only: part of the budget."""
    final: Annotated[Fraction, shown("Final part", only={"kind": ("cosine", "one-cycle")})] = 0.001
    """cosine and one-cycle: part of the learning rate that is left at the end."""


class Augmentation(_Section):
    """Random changes of training images; the geometric ones act together in a single resampling."""

    probability: Fraction = 1.0
    """Part of the samples that rotation, zoom, shift, shear and elastic deformation touch."""
    flip: Annotated[tuple[Literal["Z", "Y", "X"], ...], shown("Flip along")] = ()
    """Axes that are flipped in half of the samples: X is left–right, Y is up–down."""
    rotation: Annotated[float, Field(ge=0, le=180), shown(unit="°", step=5)] = 0.0
    """Largest angle, degrees, in the plane."""
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest relative change of size: 0.2 zooms from 0.8 to 1.2."""
    stretch: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The same for each axis on its own."""
    shift: Fraction = 0.0
    """Largest shift as a part of the sample's size."""
    shear: Annotated[float, Field(ge=0, lt=90), shown(unit="°", step=1)] = 0.0
    """Largest angle, degrees."""
    elastic: Annotated[NonNegative, shown("Elastic deformation", unit="px", step=1)] = 0.0
    """Standard deviation of the displacements, pixels."""
    elastic_spacing: Annotated[Positive, shown(unit="px", step=1)] = 32.0
    """Distance between displaced points, pixels; in between, displacements are smooth."""
    noise: Annotated[NonNegative, shown(step=0.01)] = 0.0
    """Largest standard deviation of Gaussian noise, in normalized values; each sample draws its own, and half
    of them get none."""
    brightness: Annotated[NonNegative, shown(step=0.01)] = 0.0
    """Largest shift of the values, in normalized values."""
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest relative change of contrast."""
    gamma: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest relative change of the exponent."""

    @property
    def is_geometric(self) -> bool:
        """Whether anything moves pixels, other than flips."""
        amounts = (self.rotation, self.zoom, self.stretch, self.shift, self.shear, self.elastic)
        return self.probability > 0 and any(amount > 0 for amount in amounts)


class Training(_Section):
    """How long, with how much at a time, and what counts as better."""

    epochs: Annotated[Size | None, shown(none="no limit", example=100)] = 100
    """Passes over the training images; without it `minutes` decides."""
    minutes: Annotated[
        Positive | None, shown("Time budget", unit="min", none="no limit", example=5.0, step=1)
    ] = None
    """Time budget; the learning rate's schedule follows the clock then."""
    batch_size: Size = 4
    """Samples per step."""
    patch: Annotated[
        Sizes | None, shown("Patch size", unit="px", none="whole images", example=(128, 128))
    ] = None
    """Size of the training samples cut from the images, pixels; whole images when left out."""
    samples: Annotated[Size | None, shown("Samples per epoch", none="one per image", example=100)] = None
    """Samples per epoch; one per training image when left out."""
    draw: Annotated[
        Literal["equally", "objects"], shown("Draw images", only={"target.kind": ("instances",)})
    ] = "equally"
    """equally: every image as often as any other. objects: one with four times as many objects twice as
    often."""
    foreground: Annotated[Fraction, shown("Patches on objects")] = 0.5
    """Part of the patches that are centered on an object, so that rare objects are seen. The others lie
    anywhere; in sparse annotation, around a labeled pixel."""
    monitor: Annotated[Literal["loss", "dice"], shown("Best epoch by")] = "dice"
    """What decides, on the validation images, which epoch is the best."""
    patience: Annotated[Size | None, shown("Early stopping", unit="epochs", none="never", example=20)] = None
    """Stop after this many epochs without improvement; never when left out."""
    averaging: Annotated[float, Field(ge=0, lt=1), shown("Weight averaging")] = 0.0
    """Decay per step of a running average of the weights, which is then validated and kept; 0 for none."""
    mixed_precision: bool = True
    """Half precision (bfloat16) where the device gains from it: CUDA, and processors with AMX."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.epochs is None and self.minutes is None:
            raise ValueError("neither epochs nor minutes is given: give a budget")
        return self


class Split(_Section):
    """Which images are kept out of training to judge it. A group is never divided."""

    validation: Annotated[float, Field(ge=0, lt=1), shown("Validation part")] = 0.2
    """Part of the images; 0 trains on all of them, and then the last epoch is kept, not a best one."""
    group: Annotated[str, shown("Group by")] = "auto"
    """auto: the table's group column, else the DICOM patient, else the file. Or: file, patient, or
    regex:PATTERN on the file name."""
    choose: Annotated[Literal["random", "last"], shown("Choose groups")] = "random"
    """Which groups: drawn with the seed, or the last in the order of the files or the table."""


class Prediction(_Section):
    """How probabilities become labels."""

    threshold: Annotated[
        Annotated[float, Field(gt=0, lt=1)] | Literal["auto"],
        shown(none="tuned", example=0.5, step=0.05, only={"target.kind": ("binary", "instances")}),
    ] = "auto"
    """binary and instances: pixels at or above this are the object. auto: tuned on validation."""
    minimum_size: Annotated[int, Field(ge=0), shown("Smallest part", unit="px")] = 0
    """Connected parts with fewer pixels are removed."""
    link: Annotated[bool, shown("Same number over time", only={"target.kind": ("instances",)})] = False
    """instances: whether an object of a time series keeps its number while it overlaps with itself."""
    mirror: Annotated[bool, shown("Average mirrored copies")] = False
    """Average over mirrored copies of the image; slower, often a little better."""


class Recipe(_Section):
    """Everything that decides a training run."""

    name: str = "custom"
    """Name of the preset it came from, or your own."""
    preprocess: Preprocess = Preprocess()
    target: Target = Target()
    network: Network = Network()
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    augmentation: Augmentation = Augmentation()
    training: Training = Training()
    split: Split = Split()
    prediction: Prediction = Prediction()
    seed: Annotated[int, Field(ge=0, lt=2**32), shown("Random seed")] = 0
    """Decides everything that is drawn at random."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        several = self.target.kind == "multiclass" or self.target.by_boundary
        kind = "target.separate boundary" if self.target.by_boundary else f"target.kind {self.target.kind}"
        if several and self.loss.cross_entropy == "bce":
            raise ValueError(f"loss.kind bce is for one class; choose ce or ce+dice for {kind}")
        if not several and self.loss.cross_entropy == "ce":
            raise ValueError(f"loss.kind ce needs target.kind multiclass, not {self.target.kind}; choose bce")
        if self.training.draw == "objects" and self.target.kind != "instances":
            raise ValueError("training.draw objects needs target.kind instances, whose objects have numbers")
        if self.preprocess.diameter is not None:
            if self.target.kind != "instances":
                raise ValueError("preprocess.diameter needs target.kind instances, whose objects have one")
            if self.preprocess.resize is not None or self.preprocess.crop is not None:
                raise ValueError("preprocess.diameter resizes each image: leave out resize and crop")
        for name, sizes in (
            ("preprocess.resize", self.preprocess.resize),
            ("preprocess.crop", self.preprocess.crop),
            ("training.patch", self.training.patch),
        ):
            if sizes is not None and len(sizes) != self.network.dimensions:
                raise ValueError(
                    f"{name} has {len(sizes)} numbers but network.dimensions is {self.network.dimensions}"
                )
        return self

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts, ready for YAML or JSON."""
        return self.model_dump(mode="json")
