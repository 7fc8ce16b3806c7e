"""What `mlimage.yaml` may say, as values: every key with its type, default and meaning."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, GetJsonSchemaHandler, Tag
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from mlimage.runtime.roles import PREDICT
from mlimage.spec.commands import Command, ShellCommand
from mlimage.spec.fields import (
    AcceleratorName,
    CachePath,
    DebName,
    Environment,
    HealthPath,
    ImageName,
    ImageReference,
    IndexName,
    IndexUrl,
    LabelName,
    PackageName,
    Pattern,
    PlatformName,
    Port,
    PredictPath,
    Python,
    RelativePath,
    RequirementText,
    SecretName,
    Size,
    User,
    VariantName,
)
from mlimage.spec.golden import Golden
from mlimage.spec.part import Part
from mlimage.spec.places import Data, Models
from mlimage.spec.policy import AllowedConflict, Audit, Check, Determinism, Push


class DebianBase(Part):
    """A base that mlimage puts together from locked Debian packages."""

    debian: Literal["bookworm", "trixie"] = Field(
        description="Debian suite; its own python is the python of the image.", examples=["bookworm"]
    )
    packages: tuple[DebName, ...] = Field(
        default=(),
        description="Debian packages that the image needs besides python, with what they depend on.",
        examples=[["libgomp1"]],
    )


class RegistryBase(Part):
    """A base that is an image of a registry."""

    image: ImageReference = Field(
        description="Image of a registry; `mlimage lock` locks its digest.",
        examples=["python:3.11-slim-bookworm"],
    )
    packages: tuple[DebName, ...] = Field(
        default=(),
        description="Debian packages that the image needs besides what the base has, installed by the base's "
        "own dpkg: a Debian base, and the Docker engine.",
        examples=[["libgomp1"]],
    )


def _kind_of_base(value: object) -> str:
    if isinstance(value, RegistryBase) or (
        isinstance(value, dict) and "image" in value and "debian" not in value
    ):
        return "<image>"
    return "<debian>"


Base = Annotated[
    Annotated[DebianBase, Tag("<debian>")] | Annotated[RegistryBase, Tag("<image>")],
    Discriminator(_kind_of_base),
]


class App(Part):
    """The application's own files."""

    source: RelativePath = Field(
        default="app",
        description="Folder of the files that become `/app` in the image, relative to mlimage.yaml.",
        examples=["src"],
    )
    ignore: tuple[Pattern, ...] = Field(
        default=(),
        description="Patterns of files that stay out, as in a `.dockerignore`, relative to the source "
        "folder. Without this key the `.dockerignore` in the source folder counts. What no person wrote, as "
        "`__pycache__` and `.git`, stays out anyway. `mlimage build` names what the patterns leave out.",
        examples=[["notebooks", "**/*.csv"]],
    )


class Role(Part):
    """What the image does when it trains."""

    command: Command = Field(
        description="Program and arguments, run in `/app`. A string is split into words as a shell does; "
        "no shell runs it.",
        examples=["python train.py", ["python", "train.py", "--epochs", "10"]],
    )
    env: Environment = Field(
        default_factory=dict,
        description="Environment variables of this role; they win over those of variant and image.",
        examples=[{"OMP_NUM_THREADS": "4"}],
    )
    dependencies: tuple[RequirementText, ...] = Field(
        default=(),
        description="Python packages that this role asks for (PEP 508). They are resolved together with all "
        "others, so both roles see the same versions, and are in the one image (but see `split`).",
        examples=[["tqdm>=4.66"]],
    )


class Serve(Role):
    """What the image does when it serves."""

    port: Port = Field(
        default=8080,
        description="TCP port that the server listens on. The program finds it in `MLIMAGE_PORT` and in "
        "`PORT`.",
        examples=[8000],
    )
    health: HealthPath = Field(
        default="/ping",
        description="Path that answers 200 when the server is ready.",
        examples=["/healthz"],
    )
    predict: PredictPath = Field(
        default=PREDICT,
        description="Path that predictions are asked at, with POST: by `mlimage freeze` and `mlimage verify "
        "--serve`. The program finds it in `MLIMAGE_PREDICT_ROUTE`.",
        examples=["/predict"],
    )


class Index(Part):
    """A package index besides the default one."""

    url: IndexUrl = Field(
        description="Address of the index (PEP 503 or PEP 691), without user name and password.",
        examples=["https://packages.example.com/simple"],
    )
    packages: Annotated[tuple[PackageName, ...], Field(min_length=1)] = Field(
        description="Packages that come from this index and no other; the rest comes from the default index.",
        examples=[["torch", "torchvision"]],
    )


class Variant(Part):
    """One accelerator's image."""

    accelerator: AcceleratorName | None = Field(
        default=None,
        description="Hardware that it is for: `cpu`, `cuda`, `rocm`, `tpu`, …; without this key what the "
        "variant's name begins with, up to the first digit or sign.",
        examples=["cuda"],
    )

    dependencies: tuple[RequirementText, ...] = Field(
        default=(),
        description="Python packages of this variant only (PEP 508).",
        examples=[["torch==2.13.0"]],
    )
    env: Environment = Field(
        default_factory=dict,
        description="Environment variables of this variant; they win over those of the image.",
        examples=[{"CUDA_MODULE_LOADING": "LAZY"}],
    )
    indexes: dict[IndexName, Index] = Field(
        default_factory=dict,
        description="Package indexes of this variant only; what they have comes from no index of the image.",
        examples=[{"pytorch-cpu": {"url": "https://packages.example.com/cpu", "packages": ["torch"]}}],
    )


class Layers(Part):
    """How packages are spread over layers."""

    single: Size = Field(
        default=4_000_000,
        description="Size of a wheel from which it keeps a layer of its own where packages share layers, as "
        "bytes or with a unit. They do in images of more than 72 packages; in others each has its own.",
        examples=["4 MB"],
    )
    bins: int = Field(
        default=16,
        ge=1,
        le=64,
        description="Number of layers that the smaller wheels share then.",
        examples=[16],
    )


class RunStep(Part):
    """A shell command that the build runs as root, for what has no other way. The docker engine runs it."""

    command: ShellCommand = Field(
        description="What `/bin/sh` runs; of several lines each must succeed.",
        examples=["git config --system --add safe.directory /app"],
    )
    at: Literal["before-packages", "after-packages", "before-app", "after-app"] = Field(
        default="after-packages",
        description="When: before or after the Python packages, before or after the application's files.",
        examples=["before-packages"],
    )
    secrets: tuple[SecretName, ...] = Field(
        default=(),
        description="Names of secrets that the command may read, as files `/run/secrets/NAME`. They are in "
        "no layer; `mlimage build --secret NAME=FILE` hands them over.",
        examples=[["hub-token"]],
    )
    cache: tuple[CachePath, ...] = Field(
        default=(),
        description="Folders that stay from build to build where it is built, and are not in the image.",
        examples=[["/root/.cache/huggingface"]],
    )
    network: Literal["default", "none"] = Field(
        default="default",
        description="Whether the command may reach the network; what it fetches no lock knows.",
        examples=["none"],
    )


class _OrText:
    """A step may be its command alone; the JSON Schema says so too."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string", "minLength": 1}, handler(core)]}


def _step(value: object) -> object:
    return {"command": value} if isinstance(value, str) else value


class Dockerfile(Part):
    """What the rendered Dockerfiles have of the user's own."""

    template: RelativePath | None = Field(
        default=None,
        description="Jinja2 template beside mlimage.yaml that extends mlimage's own, `Dockerfile.j2`, by the "
        "blocks `before_packages`, `after_packages`, `before_app` and `after_app`.",
        examples=["my.Dockerfile.j2"],
    )


class ImageSpec(Part):
    """One image for training and serving a model."""

    name: ImageName = Field(
        description="Name of the image: the name of its folder under `images/`.", examples=["digits-sklearn"]
    )
    description: str = Field(
        default="",
        description="What it is, for people; a label of the image.",
        examples=["Handwritten digits"],
    )
    python: Python = Field(
        description='Version of python, in quotes: "3.11" for Debian bookworm, "3.13" for trixie.',
        examples=["3.11"],
    )
    base: Base = Field(
        description="What is below python: `debian:` with a suite, or `image:` with an image of a registry.",
        examples=[{"debian": "bookworm", "packages": ["libgomp1"]}],
    )
    dependencies: tuple[RequirementText, ...] = Field(
        default=(),
        description="Python packages (PEP 508): what you need. `mlimage lock` writes down what you get.",
        examples=[["numpy>=2", "uvicorn[standard]"]],
    )
    requirements: RelativePath | None = Field(
        default=None,
        description="File with more of them, one in a line, relative to mlimage.yaml.",
        examples=["requirements.txt"],
    )
    app: App = Field(
        default_factory=App, description="The application's own files.", examples=[{"source": "src"}]
    )
    train: Role | None = Field(
        default=None,
        description="How the image trains. One of `train` and `serve` must be there.",
        examples=[{"command": "python train.py"}],
    )
    serve: Serve | None = Field(
        default=None,
        description="How the image serves. One of `train` and `serve` must be there.",
        examples=[{"command": "python serve.py", "port": 8080}],
    )
    run: tuple[Annotated[RunStep, BeforeValidator(_step), _OrText], ...] = Field(
        default=(),
        description="Shell commands of the build, for what has no other way: each as text, or with keys. "
        "They make a layer of their own, and the docker engine is needed.",
        examples=[["git config --system --add safe.directory /app"]],
    )
    dockerfile: Dockerfile = Field(
        default_factory=Dockerfile,
        description="How the rendered Dockerfiles are made.",
        examples=[{"template": "my.Dockerfile.j2"}],
    )
    variants: Annotated[dict[VariantName, Variant], Field(min_length=1)] = Field(
        default_factory=lambda: {"cpu": Variant()},
        description="The images that are made, one for each accelerator, by name.",
        examples=[{"cpu": {}}],
    )
    platforms: Annotated[tuple[PlatformName, ...], Field(min_length=1)] = Field(
        default=("linux/amd64",),
        description="Platforms that each variant is made for. Each has its own lock, with the same versions, "
        "and its own image: that of `linux/arm64` has `-arm64` in its tag. What is not for the machine that "
        "locks, uv resolves.",
        examples=[["linux/amd64", "linux/arm64"]],
    )
    split: bool = Field(
        default=False,
        description="Whether each role gets an image of its own, `VARIANT-train` and `VARIANT-serve`. Both "
        "come from one lock: they share the base and every package that both need, and differ in what only "
        "one role's `dependencies` bring. By default one image does for both.",
        examples=[True],
    )
    indexes: dict[IndexName, Index] = Field(
        default_factory=dict,
        description="Package indexes besides the default one, by name, each with the packages it has.",
        examples=[{"team": {"url": "https://packages.example.com/simple", "packages": ["our-features"]}}],
    )
    accelerator_packages: tuple[PackageName, ...] = Field(
        default=(),
        description="Packages that may differ between variants, besides those that mlimage knows: the torch "
        "family, `nvidia-*`, `triton` and the like. All others are the same in every variant.",
        examples=[["bitsandbytes"]],
    )
    allow_conflicts: tuple[AllowedConflict, ...] = Field(
        default=(),
        description="Packages that may be in one image though they write the same path differently, or bring "
        "the same shared library in two builds. Anything of this kind that is not listed here is an error.",
        examples=[
            [
                {
                    "packages": ["opencv-python", "opencv-python-headless"],
                    "keep": "opencv-python",
                    "reason": "both are the same OpenCV",
                }
            ]
        ],
    )
    resolver: Literal["pip-compile", "uv"] = Field(
        default="pip-compile",
        description="What decides versions when packages are locked. `uv` is quicker, and is installed by "
        "`pip install 'mlimage-builder[uv]'`. Both give the same lock where the newest versions fit "
        "together; where they do not, each may give way at another package. A change here makes no lock "
        "stale.",
        examples=["uv"],
    )
    env: Environment = Field(
        default_factory=dict,
        description="Environment variables of the image.",
        examples=[{"TOKENIZERS_PARALLELISM": "false"}],
    )
    user: User = Field(
        default=65532,
        description="User that it runs as, by number, or user and group.",
        examples=[1000, "1000:100"],
    )
    labels: dict[LabelName, str] = Field(
        default_factory=dict, description="Labels of the image.", examples=[{"com.example.team": "vision"}]
    )
    layers: Layers = Field(
        default_factory=Layers,
        description="How packages are spread over layers.",
        examples=[{"single": "4 MB"}],
    )
    compression: Literal["gzip", "zstd", "none"] = Field(
        default="gzip",
        description="How layers are compressed; the image id does not depend on it.",
        examples=["zstd"],
    )
    bytecode: bool = Field(
        default=True,
        description="Whether python's bytecode is in the image: larger, and quicker to start. Only images "
        "for `linux/amd64` have it, wherever they are built: the image's own python compiles it.",
        examples=[False],
    )
    data: Data = Field(
        default=(),
        description="Names of the data that a run reads. The variable `MLIMAGE_DATA_NAME` tells the program "
        "where it is: at `/data/NAME`, which is mounted, or an address. A name may have places, one for each "
        "surrounding: a folder, relative to mlimage.yaml, or an address. `mlimage run --data WORD`, or "
        "`MLIMAGE_DATA`, says which counts; by default `local`. A program that reads a path beside itself "
        "finds the data there with `at`.",
        examples=[
            ["train-set", "test-set"],
            {"train-set": {"local": "data/train", "cloud": "s3://acme/train"}, "test-set": {}},
            {"customers": {"at": "data/customers.csv"}},
        ],
    )
    models: Models = Field(
        default_factory=Models,
        description="Where the program looks for models, where that is not `/models`, of which "
        "`MLIMAGE_MODELS` tells it.",
        examples=[{"at": "models"}],
    )
    determinism: Determinism = Field(
        default_factory=Determinism,
        description="How far the numbers of two runs must agree.",
        examples=[{"profile": "strict", "seed": 42}],
    )
    require: Literal["cuda"] | None = Field(
        default=None,
        description="Hardware without which the roles of variants for it do not start: where there is no GPU "
        "they end at once, in place of computing on the CPU unnoticed.",
        examples=["cuda"],
    )
    golden: Golden | None = Field(
        default=None,
        description="What `mlimage freeze` records. Without it, an image has no model and no golden record.",
        examples=[{"preprocess": "features:transform", "predict": "model:predict", "model": "model.joblib"}],
    )
    push: Push = Field(
        default_factory=Push,
        description="What is allowed to leave the machine.",
        examples=[{"allow_secrets": ["/app/tests/fixtures"]}],
    )
    audit: Audit = Field(
        default_factory=Audit,
        description="What `mlimage audit` does with what it finds.",
        examples=[{"ignore": [{"id": "CVE-2026-12345", "reason": "we load no archives of others"}]}],
    )
    check: Check = Field(
        default_factory=Check,
        description="What `mlimage build` looks at when an image is built: whether the packages in "
        "`dependencies`, those of the roles and of the variant, can be imported in it without a network.",
        examples=[{"ignore": [{"package": "pyautogui", "reason": "needs a display"}]}],
    )
