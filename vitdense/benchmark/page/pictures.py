"""Where pictures go: into a folder beside the page, or into the page."""

import base64
from pathlib import Path
from urllib.parse import quote

TYPES = {
    '.jpg': 'image/jpeg',
    '.png': 'image/png',
    '.svg': 'image/svg+xml',
}


class Pictures:
    """Pictures of a page.

    Args:
        page: The HTML file.
        inline: Whether they are written into it.
    """

    def __init__(self, page: Path, *, inline: bool) -> None:
        self._folder = page.with_name(f'{page.stem}_pictures')
        self._inline = inline
        self.inlined_bytes = 0

    def add(self, name: str, content: bytes) -> str:
        """Keep a picture; gives what the page names it by."""
        if self._inline:
            kind = TYPES[Path(name).suffix]
            text = base64.b64encode(content).decode()
            address = f'data:{kind};base64,{text}'
            self.inlined_bytes += len(address)
            return address
        self._folder.mkdir(exist_ok=True)
        (self._folder / name).write_bytes(content)
        return f'{quote(self._folder.name)}/{name}'
