"""What a spec's locked files come from on this machine: mirrors, indexes and the cache, opened together."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from mlimage.cache import Cache
from mlimage.lock.images import Images, OpenImages
from mlimage.lock.index import Indexes
from mlimage.lock.inputs import Inputs
from mlimage.lock.shared import Shared
from mlimage.progress import Progress
from mlimage.spec.model import ImageSpec, RegistryBase
from mlimage.spec.registry import parse_reference
from mlimage.spec.variants import indexes_of


class Sources:
    """Opens nothing before something is asked of it.

    Attributes:
        cache: where fetched files and unpacked bases are kept.
        environ: environment variables, of which apt gets the proxies.
        shared: what further specs of the run have too; made here for one that is alone.
        progress: where it is shown.
        mirrors: where indexes and archives are.
        indexes: the package indexes of the variant.
        images: the spec's base, where it is an image of a registry and `open_images` is given.
        inputs: gives locked files.
    """

    def __init__(
        self,
        spec: ImageSpec,
        variant: str,
        *,
        cache: Cache,
        environ: Mapping[str, str],
        progress: Progress,
        open_images: OpenImages | None = None,
        shared: Shared | None = None,
    ) -> None:
        self.cache = cache
        self.environ = environ
        self.progress = progress
        self.shared = shared or Shared(environ=environ, progress=progress)
        self._alone = shared is None
        http = self.shared.http
        indexes = indexes_of(spec, variant)
        self.mirrors = self.shared.mirrors
        self.indexes = Indexes(
            http=http,
            cache=cache,
            mirrors=self.mirrors,
            urls={name: index.url for name, index in indexes.items()},
            bound={package: name for name, index in indexes.items() for package in index.packages},
            progress=progress,
            projects=self.shared.projects,
        )
        self.images: Images | None = None
        if isinstance(spec.base, RegistryBase) and open_images is not None:
            self.images = open_images(
                parse_reference(spec.base.image),
                http=http,
                mirrors=self.mirrors,
                cache=cache,
                environ=environ,
                progress=progress,
            )
        self.inputs = Inputs(
            cache=cache,
            http=http,
            mirrors=self.mirrors,
            indexes=self.indexes,
            images=self.images,
            progress=progress,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._alone:
            self.shared.http.close()
