"""What packages call their licences, as SPDX has it. Pure."""

import re
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from license_expression import Licensing

_NAMES: Final = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "bsd 2-clause": "BSD-2-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "isc license": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mpl 2.0": "MPL-2.0",
    "new bsd license": "BSD-3-Clause",
    "the mit license": "MIT",
}
"""Names that mean one licence; `BSD License` and `Apache Software License`, which may be several, do not."""


@cache
def spdx_expression(text: str) -> str | None:
    """The SPDX expression that a text is or means; None where it is none of SPDX's own licences.

    >>> spdx_expression("mit or Apache-2.0"), spdx_expression("BSD 3-Clause"), spdx_expression("BSD License")
    ('MIT OR Apache-2.0', 'BSD-3-Clause', None)
    """
    from license_expression import ExpressionError

    try:
        parsed = _licensing().parse(_NAMES.get(text.lower(), text), validate=True, strict=True)
    except ExpressionError:
        return None
    return None if parsed is None else str(parsed)


@cache
def _licensing() -> "Licensing":
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


def reference(text: str) -> str:
    """The name by which an SPDX document refers to a licence that SPDX does not list (clause 10.1).

    >>> reference("NVIDIA Proprietary Software"), reference("LicenseRef-NVIDIA-Proprietary")
    ('LicenseRef-NVIDIA-Proprietary-Software', 'LicenseRef-NVIDIA-Proprietary')
    """
    name = re.sub(r"[^A-Za-z0-9.]+", "-", text.removeprefix("LicenseRef-")).strip("-")
    return f"LicenseRef-{name or 'unnamed'}"
