"""The project pages of package indexes, each asked for once in a run, whichever image or variant asks."""

import threading
from collections import defaultdict

from packaging.utils import NormalizedName

from mlimage.errors import FetchError
from mlimage.fetch import Http, UnreachableError
from mlimage.lock.files import IndexFile
from mlimage.lock.folder import files_in
from mlimage.lock.pages import ACCEPT, Page, parse_page
from mlimage.mirrors import Location
from mlimage.progress import SILENT, Progress


class Projects:
    """What was asked of the places where indexes are. Safe to use from several threads.

    Args:
        http: fetches.
        progress: where it says that a place is read without encryption.
    """

    def __init__(self, http: Http, progress: Progress = SILENT) -> None:
        self._http = http
        self._progress = progress
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._files: dict[tuple[Location, str, NormalizedName], tuple[IndexFile, ...] | None] = {}
        self._down: dict[Location, FetchError] = {}
        self._warned: set[Location] = set()

    def files(self, place: Location, index: str, project: NormalizedName) -> tuple[IndexFile, ...] | None:
        """The files of a project at one place of an index, in the order of its page; None if it has no page.

        Raises:
            FetchError: the place cannot be reached, or does not answer as an index does.
        """
        with self._locks[f"{place.url}/{project}/"]:
            if place in self._down:
                raise self._down[place]
            key = (place, index, project)
            if key not in self._files:
                self._warn_if_plain(place, index)
                self._files[key] = self._ask(place, index, project)
            return self._files[key]

    def _ask(self, place: Location, index: str, project: NormalizedName) -> tuple[IndexFile, ...] | None:
        if place.folder is not None:
            return files_in(place.folder, index=index, project=project)
        try:
            answer = self._http.get(f"{place.url}/{project}/", headers={"Accept": ACCEPT}, known_as=place.url)
        except UnreachableError as error:
            self._down[place] = error  # tried often enough; every further project would wait as long
            raise
        if answer.status != 200:
            return None
        return parse_page(
            Page(
                content=answer.body,
                content_type=answer.headers.get("content-type", ""),
                url=answer.url,
                index=index,
                project=project,
            )
        )

    def _warn_if_plain(self, place: Location, index: str) -> None:
        if place.plain and place not in self._warned:
            self._warned.add(place)
            self._progress.note(
                f"index `{index}` is read without encryption: whoever is in between can change it"
            )
