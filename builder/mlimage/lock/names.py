"""Names of packages that people get wrong, for hints; nothing is decided by them."""

from collections.abc import Mapping
from typing import Final

IMPORTED_AS: Final[Mapping[str, str]] = {
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "distutils": "setuptools",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "fitz": "pymupdf",
    "google-protobuf": "protobuf",
    "igraph": "python-igraph",
    "kubernetes-client": "kubernetes",
    "lightgbm-cpu": "lightgbm",
    "multipart": "python-multipart",
    "pil": "pillow",
    "pkg_resources": "setuptools",
    "pytorch": "torch",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "sklearn-learn": "scikit-learn",
    "tensorflow-gpu": "tensorflow",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}
"""What people write to what the package is called."""

WITH_WHEELS: Final[Mapping[str, str]] = {
    "docopt": "docopt-ng",
    "fasttext": "fasttext-wheel",
    "psycopg2": "psycopg2-binary",
    "uwsgi": "pyuwsgi",
}
"""Packages that come as sources to what is imported alike and has wheels; a name is never guessed, since
anybody may have taken it."""

WELL_KNOWN: Final = (
    "accelerate", "aiohttp", "albumentations", "beautifulsoup4", "bentoml", "boto3", "catboost",
    "cloudpickle", "cython", "dask", "datasets", "diffusers", "einops", "fastapi", "flask", "gensim",
    "gradio", "gunicorn", "httpx", "huggingface-hub", "imbalanced-learn", "jax", "jaxlib", "jinja2",
    "joblib", "keras", "lightgbm", "lightning", "matplotlib", "mlflow", "networkx", "nltk", "numba",
    "numpy", "onnx", "onnxruntime", "opencv-python", "opencv-python-headless", "optuna", "orjson",
    "pandas", "peft", "pillow", "plotly", "polars", "prometheus-client", "protobuf", "psycopg2-binary",
    "pyarrow", "pydantic", "pydantic-settings", "python-dateutil", "python-dotenv", "python-multipart",
    "pytorch-lightning", "pyyaml", "redis", "requests", "rich", "s3fs", "safetensors", "scikit-image",
    "scikit-learn", "scipy", "seaborn", "sentence-transformers", "sentencepiece", "setuptools", "shap",
    "spacy", "sqlalchemy", "starlette", "statsmodels", "streamlit", "sympy", "tensorboard",
    "tensorflow", "threadpoolctl", "tiktoken", "timm", "tokenizers", "torch", "torchaudio",
    "torchmetrics", "torchvision", "tqdm", "transformers", "typer", "typing-extensions", "umap-learn",
    "uvicorn", "wandb", "xgboost", "zstandard",
)  # fmt: skip
"""Names that a near miss is held against, since no index can be asked cheaply for its names."""
