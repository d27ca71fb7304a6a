"""A cache of what takes a pass over large files to compute: their digests, and the dot products of models.

The folder is $EVONICHE_CACHE, else $XDG_CACHE_HOME/evoniche, else ~/.cache/evoniche. It may be removed at any time;
what cannot be used in it is computed again.
"""

from __future__ import annotations

import io
import json
import os
import re
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from evoniche import _log
from evoniche._files import sha256, write_bytes
from evoniche._reading import parse_json
from evoniche_torch.files.compatibility import MergeError

__all__ = ["Cache", "cache_folder", "clear_cache"]

_DIGESTS = "digests.json"
_SUMS = "grams"
_FORMAT = 1
_REMEMBERED = 10_000
_SETTLED = 2_000_000_000  # ns: a file that was changed later than this ago may change again within its time stamp
_HEX = re.compile(r"[0-9a-f]{64}")


def cache_folder() -> Path | None:
    """The usual folder of the cache; None where there is no home folder."""
    if given := os.environ.get("EVONICHE_CACHE"):
        return Path(given)
    shared = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(shared) if os.path.isabs(shared) else Path.home() / ".cache") / "evoniche"
    except RuntimeError:
        return None


def clear_cache(folder: Path | None = None) -> None:
    """Remove the files that the cache has written, and its folder if nothing else is in there.

    Args:
        folder: The folder of the cache; the usual one when None.
    """
    folder = folder or cache_folder()
    if folder is None or not folder.is_dir():
        return
    sums = folder / _SUMS
    for file in [folder / _DIGESTS, *sums.glob("*.npz"), *folder.glob("*.tmp"), *sums.glob("*.tmp")]:
        file.unlink(missing_ok=True)
    for empty in (sums, folder):
        if empty.is_dir() and not any(empty.iterdir()):
            empty.rmdir()


@final
class Cache:
    """Digests of files and sums of dot products."""

    def __init__(self, where: Path | str | bool = True) -> None:
        """Choose the folder.

        Args:
            where: A folder, True for the usual one, or False to keep nothing.
        """
        self.folder = cache_folder() if where is True else None if where is False else Path(where)
        self._writable = self.folder is not None

    def digests(self, files: Sequence[Path], *, done: Callable[[int], object] = lambda _: None) -> list[str]:
        """The SHA-256 of each file in hexadecimal digits.

        A file whose digest is in the cache is not read as long as its place, size, time and inode are the same.

        Args:
            files: The files.
            done: Called with the size of each file that is finished.

        Raises:
            MergeError: A file cannot be read.
        """
        known = self._known()
        fresh: dict[str, list[Any]] = {}

        def digest(file: Path) -> str:
            place, stamp = _place(file)
            entry = known.get(place)
            if isinstance(entry, list) and entry[:-1] == stamp and _HEX.fullmatch(str(entry[-1])):
                result = str(entry[-1])
            else:
                result = _sha256(file)
                if _place(file) == (place, stamp) and time.time_ns() - stamp[1] > _SETTLED:
                    fresh[place] = [*stamp, result]
            done(stamp[0])
            return result

        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            results = list(pool.map(digest, files))
        if fresh:
            files_known = {**{place: entry for place, entry in known.items() if place not in fresh}, **fresh}
            kept = dict(list(files_known.items())[-_REMEMBERED:])
            self._write(_DIGESTS, json.dumps({"format": _FORMAT, "files": kept}, indent=0).encode())
        return results

    def load_sums(self, key: str, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
        """Read the blocks of a Gram table.

        Args:
            key: A digest of all that the blocks depend on.
            shape: The shape that they must have.

        Returns:
            The blocks; None where there are none, or where they cannot be used.
        """
        if self.folder is None:
            return None
        try:
            with open(self.folder / _SUMS / f"{key}.npz", "rb") as file, np.load(file, allow_pickle=False) as found:
                kept, sums = str(found["key"]), found["sums"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile, NotImplementedError, TypeError):
            _log.info("The cached sums {} are damaged: they are made again.", key)
            return None
        good = kept == key and sums.shape == shape and sums.dtype == np.float64 and np.isfinite(sums).all()
        return sums if good else None

    def save_sums(self, key: str, sums: NDArray[np.float64]) -> None:
        """Keep the blocks of a Gram table."""
        data = io.BytesIO()
        np.savez(data, key=np.array(key), sums=sums)
        self._write(f"{_SUMS}/{key}.npz", data.getvalue())

    def _known(self) -> dict[str, Any]:
        if self.folder is None:
            return {}
        try:
            found = parse_json((self.folder / _DIGESTS).read_bytes())
            files = found["files"] if found["format"] == _FORMAT else {}
        except (OSError, ValueError, LookupError, TypeError):
            return {}
        return files if isinstance(files, dict) else {}

    def _write(self, name: str, data: bytes) -> None:
        """Write a file as a whole; a cache that cannot be written is given up with one warning."""
        if self.folder is None or not self._writable:
            return
        try:
            write_bytes(self.folder / name, data)
        except OSError as error:
            self._writable = False
            _log.warning("The cache {} cannot be written ({}): next time the models are read once more.",
                         self.folder, error)


def _place(file: Path) -> tuple[str, list[int]]:
    try:
        stat = file.stat()
    except OSError as error:
        raise MergeError(f"{file}: cannot be read ({error}).") from error
    return str(file.resolve()), [stat.st_size, stat.st_mtime_ns, stat.st_ino]


def _sha256(file: Path) -> str:
    try:
        return sha256(file)
    except OSError as error:
        raise MergeError(f"{file}: cannot be read ({error}).") from error
